//===- LowerDiagonal.cpp - diagonal state spaces ----------------------------------------------===//
// Handler of ssm.diagonal: coefficients once a call, then its form in vectors of channels.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/Diagonal.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/StateSpaces.h"
#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/DiagonalForms.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

class DiagonalLowering {
public:
  DiagonalLowering(SegmentLowering &segment, ssm::DiagonalOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        lanes(segment.isa().lanes()), modes(op.getReal().getType().getDimSize(0)),
        channels(op.getReal().getType().getDimSize(1)), input(segment.buffer(op.getInput())),
        fields(emit::loadCarry(code.builder, loc, segment.batch(),
                               op.getState() ? segment.scalars().lookup(op.getState()) : Value())) {
    for (Value &each : coefficients)
      each = allocate({modes, channels});
    out = segment.allocateLike(op.getResult(), op.getInput());
  }

  void emit() {
    emitCoefficients();
    form = formOf(segment, op.getForm(), op.getState());
    if (form == ssm::Form::Convolution)
      emitConvolution();
    // Without a form of its own a sequence is as long as none.
    shortest = form == ssm::Form::Recurrent ? 0 : op.getFormLength().value_or(1);
    if (form != ssm::Form::Convolution || shortest > 1)
      segment.emitParallel(modes * lanes * 256, [&] { emitBlocks(); });
  }

private:
  Value allocate(ArrayRef<int64_t> shape, ValueRange sizes = {}) {
    return segment.allocate(MemRefType::get(shape, code.builder.getF32Type()), sizes);
  }

  /// A sequence and a vector of channels at a time; several of complex rows, one of which does not
  /// wait for the other.
  void emitBlocks() {
    int64_t vectors = op.getReadoutReal() || form == ssm::Form::Scan ? 1 : 4;
    emit::forChannelBlocks(
        code, fields.batch.sequences, channels, lanes, vectors,
        [&](Value sequence, Value channel, ArrayRef<VectorType> types) {
          if (shortest == 0)
            return emitRecurrent(sequence, channel, types);
          emit::DiagonalSystem all = system();
          emit::Span span = emit::Span::of(code, fields.batch, sequence, op.getReverse());
          code.ifElse(
              emit::isChain(code, fields, sequence, shortest),
              [&] {
                if (form == ssm::Form::Scan)
                  emit::emitDiagonalScan(code, all, fields, span, channel, types.front());
              },
              [&] { emitRecurrent(sequence, channel, types); });
        });
  }

  void emitRecurrent(Value sequence, Value channel, ArrayRef<VectorType> types) {
    if (op.getReadoutReal())
      emitModes(sequence, channel, types.front());
    else
      emitChannels(sequence, channel, types);
  }

  emit::DiagonalSystem system() {
    auto part = [&](Value tensor) { return tensor ? segment.buffer(tensor) : Value(); };
    return {modes,
            channels,
            lanes,
            op.getReverse(),
            op.getFactor().convertToDouble(),
            input,
            out,
            {coefficients[0], coefficients[1]},
            {coefficients[2], coefficients[3]},
            {part(op.getReadoutReal()), part(op.getReadoutImag())}};
  }

  void emitConvolution() {
    emit::LongConvolution convolution =
        longConvolution(segment, loc, op.getInput(), out, channels, op.getReverse(), fields.batch);
    emit::DiagonalSystem all = system();
    segment.emitParallel(modes * lanes * 1024, [&] {
      emit::emitLongConvolution(code, convolution, op.getFormLength().value_or(1),
                                [&](const emit::KernelPart &part, Value length) {
                                  emit::emitDiagonalKernel(code, all, part, length);
                                });
    });
  }

  Value vectorOf(Value tensor, VectorType type, ValueRange indices) {
    return tensor ? code.loadVector(type, segment.buffer(tensor), indices) : Value();
  }

  void emitCoefficients() {
    segment.emitParallel(64 * channels, [&] {
      code.parallel(code.index(modes), [&](Value mode) {
        code.pieces(channels, lanes, [&](Value channel, VectorType type) {
          ImplicitLocOpBuilder b(loc, code.builder);
          Value scale;
          if (op.getStepScale())
            scale = code.splat(type.getNumElements(),
                               code.loadScalar(segment.buffer(op.getStepScale()), {code.index(0)}));
          ssm::Coefficients made =
              ssm::buildCoefficients(b, {op.getRates(), op.getDiscretization(),
                                         vectorOf(op.getReal(), type, {mode, channel}),
                                         vectorOf(op.getImag(), type, {mode, channel}),
                                         vectorOf(op.getLogStep(), type, {channel}), scale,
                                         vectorOf(op.getLogGain(), type, {channel})});
          Value values[] = {made.a.real, made.a.imag, made.b.real, made.b.imag};
          for (auto [value, memref] : llvm::zip(values, coefficients))
            code.storeVector(value, memref, {mode, channel});
        });
      });
    });
  }

  ssm::Coefficients load(Value mode, Value channel, VectorType type) {
    Value values[4];
    for (auto [value, memref] : llvm::zip(values, coefficients))
      value = code.loadVector(type, memref, {mode, channel});
    return {{values[0], values[1]}, {values[2], values[3]}};
  }

  /// One complex mode a channel, in registers.
  void emitChannels(Value sequence, Value first, ArrayRef<VectorType> types) {
    SmallVector<ssm::Coefficients> systems;
    SmallVector<emit::CarryPiece> pieces;
    for (auto [i, type] : llvm::enumerate(types)) {
      Value channel = code.add(first, static_cast<int64_t>(i) * lanes);
      systems.push_back(load(code.index(0), channel, type));
      pieces.push_back({channel, type});
      pieces.push_back({code.add(channel, channels), type});
    }
    emit::forTokensOf(
        code, fields, sequence, pieces, op.getReverse(),
        [&](Value token, ValueRange last) -> Code::Values {
          ImplicitLocOpBuilder b(loc, code.builder);
          Code::Values made;
          for (auto [i, each] : llvm::enumerate(systems)) {
            auto row = [&](size_t p) {
              return code.loadVector(pieces[p].type, input, {token, pieces[p].element});
            };
            ssm::Complex next = ssm::buildModeStep(b, each, {last[2 * i], last[2 * i + 1]},
                                                   {row(2 * i), row(2 * i + 1)});
            made.append({next.real, next.imag});
          }
          for (auto [piece, value] : llvm::zip(pieces, made))
            code.storeVector(value, out, {token, piece.element});
          return made;
        });
  }

  /// All modes of a vector of channels, on the stack.
  void emitModes(Value sequence, Value channel, VectorType type) {
    Value state = code.stackBuffer(2 * modes * lanes, code.builder.getF32Type());
    emit::CarryBlock block{channel, channels, 2 * modes, type, state, lanes};
    Value re = segment.buffer(op.getReadoutReal()), im = segment.buffer(op.getReadoutImag());
    emit::forTokensInBlock(code, fields, sequence, block, op.getReverse(), [&](Value token) {
      ssm::Complex u{code.loadVector(type, input, {token, channel}), {}};
      Value y = code.loop(code.index(0), code.index(modes), 1, code.constant(type, 0),
                          [&](Value mode, ValueRange sum) -> Code::Values {
                            Value place = code.mul(mode, lanes),
                                  other = code.add(place, modes * lanes);
                            ImplicitLocOpBuilder b(loc, code.builder);
                            ssm::Complex next =
                                ssm::buildModeStep(b, load(mode, channel, type),
                                                   {code.loadVector(type, state, {place}),
                                                    code.loadVector(type, state, {other})},
                                                   u);
                            code.storeVector(next.real, state, {place});
                            code.storeVector(next.imag, state, {other});
                            Value plus = code.fma(code.loadVector(type, re, {mode, channel}),
                                                  next.real, sum.front());
                            Value less = code.make<arith::MulFOp>(
                                code.loadVector(type, im, {mode, channel}), next.imag);
                            return {code.make<arith::SubFOp>(plus, less)};
                          })
                    .front();
      Value factor = code.constant(type, op.getFactor().convertToDouble());
      code.storeVector(code.make<arith::MulFOp>(y, factor), out, {token, channel});
    });
  }

  SegmentLowering &segment;
  ssm::DiagonalOp op;
  Location loc;
  Code code;
  int64_t lanes, modes, channels;
  Value input, out;
  Value coefficients[4]; ///< a and b, real and imaginary: [N, H]
  ssm::Form form = ssm::Form::Recurrent;
  int64_t shortest = 0; ///< tokens of the sequences that are not recurrent
  emit::CarryFields fields;
};

LogicalResult lowerDiagonal(SegmentLowering &segment, ssm::DiagonalOp op) {
  DiagonalLowering(segment, op).emit();
  segment.report(op, "generated",
                 ssm::stringifyForm(formOf(segment, op.getForm(), op.getState())) +
                     " form, in vectors of channels");
  return success();
}

/// Vectors are loaded as f32, and the modes' states are on the stack.
bool takesDiagonal(Operation *op) {
  bool allF32 = llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || tensor.getElementType().isF32();
  });
  return allF32 && cast<ssm::DiagonalOp>(op).getReal().getType().getDimSize(0) <= 256;
}

} // namespace

void addDiagonalHandlers(HandlerTable &table) {
  addHandler<ssm::DiagonalOp, lowerDiagonal>(table, takesDiagonal);
}

} // namespace plexus::compiler
