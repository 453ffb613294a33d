//===- LowerDplr.cpp - diagonal plus low-rank state spaces ------------------------------------===//
// Handler of ssm.dplr: the factors of a step once a call, then its form in vectors of channels.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/Complex.h"
#include "passes/lower/cpu/StateSpaces.h"
#include "passes/lower/cpu/emit/Dplr.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

class DplrLowering {
public:
  DplrLowering(SegmentLowering &segment, ssm::DplrOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        fields(emit::loadCarry(code.builder, loc, segment.batch(),
                               op.getState() ? segment.scalars().lookup(op.getState()) : Value())) {
    system.modes = op.getReal().getType().getDimSize(0);
    system.channels = op.getReal().getType().getDimSize(1);
    system.lanes = segment.isa().lanes();
    system.reverse = op.getReverse();
    system.input = segment.buffer(op.getInput());
    system.q = segment.buffer(op.getQ());
    system.c = segment.buffer(op.getC());
    for (Value *parts : {system.carry, system.low, system.drive})
      for (int part = 0; part < 2; ++part)
        parts[part] = allocate({system.modes, system.channels});
    system.correction = allocate({system.channels});
    system.out = segment.allocateLike(op.getResult(), op.getInput());
  }

  void emit() {
    segment.emitParallel(256 * system.modes * system.lanes, [&] {
      emit::forChannelBlocks(code, code.index(1), system.channels, system.lanes, 1,
                             [&](Value, Value channel, ArrayRef<VectorType> types) {
                               emitFactors(channel, types.front());
                             });
    });
    bool convolves = op.getForm() == ssm::Form::Convolution;
    int64_t shortest = convolves ? op.getFormLength().value_or(1) : 0;
    if (convolves)
      emitConvolution(shortest);
    if (shortest != 1)
      segment.emitParallel(256 * system.modes * system.lanes, [&] { emitRecurrent(shortest); });
  }

private:
  Value allocate(ArrayRef<int64_t> shape) {
    return segment.allocate(MemRefType::get(shape, code.builder.getF32Type()), {});
  }

  /// What a vector of channels reads once.
  void emitFactors(Value channel, VectorType type) {
    ImplicitLocOpBuilder b(loc, code.builder);
    ssm::Number step =
        ssm::Number{b, code.loadVector(type, segment.buffer(op.getLogStep()), {channel})}.exp();
    if (op.getStepScale())
      step =
          step *
          step.of(code.splat(type.getNumElements(),
                             code.loadScalar(segment.buffer(op.getStepScale()), {code.index(0)})));
    ssm::Number g = step.constant(2) / step;
    Value dot =
        code.loop(code.index(0), code.index(system.modes), 1, code.constant(type, 0),
                  [&](Value mode, ValueRange last) -> Code::Values {
                    return {code.make<arith::AddFOp>(last[0], emitMode(mode, channel, g.v))};
                  })
            .front();
    ssm::Number sum = g.of(dot) + g.of(dot), one = g.constant(1);
    code.storeVector((one / (one + sum)).v, system.correction, {channel});
  }

  /// One mode's; returns the real part of conj(q) e p.
  Value emitMode(Value mode, Value channel, Value twoByStep) {
    auto type = cast<VectorType>(twoByStep.getType());
    ImplicitLocOpBuilder b(loc, code.builder);
    ssm::Number g{b, twoByStep};
    auto load = [&](Value tensor, ValueRange at) {
      return g.of(code.loadVector(type, segment.buffer(tensor), at));
    };
    auto both = [&](Value tensor) -> ssm::Pair {
      return {load(tensor, {code.index(0), mode, channel}),
              load(tensor, {code.index(1), mode, channel})};
    };
    auto store = [&](const ssm::Pair &value, Value(&parts)[2]) {
      code.storeVector(value.re.v, parts[0], {mode, channel});
      code.storeVector(value.im.v, parts[1], {mode, channel});
    };
    ssm::Number zero = g.constant(0);
    ssm::Pair l = ssm::buildRate(op.getRates(), load(op.getReal(), {mode, channel}),
                                 load(op.getImag(), {mode, channel}));
    ssm::Pair inverse = ssm::Pair{g.constant(1), zero} / ssm::Pair{g - l.re, zero - l.im};
    ssm::Pair low = inverse * both(op.getP()), q = both(op.getQ());
    store(inverse * ssm::Pair{g + l.re, l.im}, system.carry);
    store(low, system.low);
    store(inverse * both(op.getB()) * g.constant(2), system.drive);
    return (q.re * low.re + q.im * low.im).v;
  }

  void emitRecurrent(int64_t shortest) {
    emit::forChannelBlocks(
        code, fields.batch.sequences, system.channels, system.lanes, 1,
        [&](Value sequence, Value channel, ArrayRef<VectorType> types) {
          auto recur = [&] {
            emit::emitDplrRecurrence(code, system, fields, sequence, channel, types.front());
          };
          if (shortest == 0)
            return recur();
          auto span = emit::Span::of(code, fields.batch, sequence, system.reverse);
          code.ifThen(code.less(span.length(code), code.index(shortest)), recur);
        });
  }

  void emitConvolution(int64_t shortest) {
    emit::LongConvolution convolution = longConvolution(
        segment, loc, op.getInput(), system.out, system.channels, system.reverse, fields.batch);
    segment.emitParallel(system.modes * system.lanes * 1024, [&] {
      emit::emitLongConvolution(code, convolution, shortest,
                                [&](const emit::KernelPart &part, Value length) {
                                  emit::emitDplrKernel(code, system, part, length);
                                });
    });
  }

  SegmentLowering &segment;
  ssm::DplrOp op;
  Location loc;
  Code code;
  emit::CarryFields fields;
  emit::DplrSystem system = {};
};

LogicalResult lowerDplr(SegmentLowering &segment, ssm::DplrOp op) {
  DplrLowering(segment, op).emit();
  segment.report(op, "generated",
                 ssm::stringifyForm(op.getForm().value_or(ssm::Form::Recurrent)) +
                     " form, in vectors of channels");
  return success();
}

/// Vectors are loaded as f32, and the modes' states are on the stack.
bool takesDplr(Operation *op) {
  bool allF32 = llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || tensor.getElementType().isF32();
  });
  return allF32 && cast<ssm::DplrOp>(op).getReal().getType().getDimSize(0) <= 256;
}

} // namespace

void addDplrHandlers(HandlerTable &table) { addHandler<ssm::DplrOp, lowerDplr>(table, takesDplr); }

} // namespace plexus::compiler
