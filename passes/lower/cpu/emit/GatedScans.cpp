// Generates recurrences with gates over ragged batches.
#include "passes/lower/cpu/emit/GatedScans.h"
#include "dialects/plx/Activations.h"
#include "dialects/ssm/GateMath.h"
#include "passes/lower/cpu/emit/Carry.h"
#include <numeric>

using namespace mlir;

namespace plexus::emit {

void emitRgLru(OpBuilder &builder, Location loc, const Isa &isa, const RgLruOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  int64_t channels = cast<MemRefType>(operands.input.getType()).getDimSize(1);
  forChannelBlocks(code, fields.batch.sequences, channels, isa.lanes(), 1,
                   [&](Value sequence, Value channel, llvm::ArrayRef<VectorType> types) {
                     VectorType type = types.front();
                     Value decay = code.loadVector(type, operands.decay, {channel});
                     CarryPiece piece{channel, type};
                     forTokensOf(code, fields, sequence, piece, /*reverse=*/false,
                                 [&](Value token, ValueRange last) -> Code::Values {
                                   Value position =
                                       loadI32(builder, loc, fields.batch.position, token);
                                   Value first = code.make<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                                                          position, code.index(0));
                                   auto row = [&](Value memref) {
                                     return code.loadVector(type, memref, {token, channel});
                                   };
                                   ImplicitLocOpBuilder b(loc, builder);
                                   Value h = ssm::buildRgLru(
                                       b, row(operands.input), row(operands.inputGate),
                                       row(operands.recurrenceGate), decay, first, last[0]);
                                   code.storeVector(h, operands.out, {token, channel});
                                   return {h};
                                 });
                   });
}

void emitWkv(OpBuilder &builder, Location loc, const Isa &isa, const WkvOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  int64_t channels = cast<MemRefType>(operands.key.getType()).getDimSize(1);
  forChannelBlocks(code, fields.batch.sequences, channels, isa.lanes(), 1,
                   [&](Value sequence, Value channel, llvm::ArrayRef<VectorType> types) {
                     VectorType type = types.front();
                     Value decay = code.loadVector(type, operands.decay, {channel});
                     Value first = code.loadVector(type, operands.first, {channel});
                     CarryPiece pieces[] = {{channel, type},
                                            {code.add(channel, channels), type},
                                            {code.add(channel, 2 * channels), type}};
                     forTokensOf(code, fields, sequence, pieces, /*reverse=*/false,
                                 [&](Value token, ValueRange last) -> Code::Values {
                                   Value key =
                                       code.loadVector(type, operands.key, {token, channel});
                                   Value value =
                                       code.loadVector(type, operands.value, {token, channel});
                                   ImplicitLocOpBuilder b(loc, builder);
                                   ssm::Wkv made = ssm::buildWkv(b, key, value, decay, first,
                                                                 {{}, last[0], last[1], last[2]});
                                   code.storeVector(made.result, operands.out, {token, channel});
                                   return {made.numerator, made.denominator, made.largest};
                                 });
                   });
}

namespace {

/// A head of one sequence.
class DeltaHead {
public:
  DeltaHead(const Code &code, const DeltaRuleOperands &operands, const CarryFields &fields,
            Value item, int64_t lanes)
      : code(code), operands(operands), fields(fields), lanes(lanes) {
    auto key = cast<MemRefType>(operands.key.getType());
    auto value = cast<MemRefType>(operands.value.getType());
    heads = value.getDimSize(1);
    width = value.getDimSize(2);
    depth = key.getDimSize(2);
    sequence = code.div(item, heads);
    head = code.rem(item, heads);
    keyHead = code.div(head, heads / key.getDimSize(1));
    rate = code.loadScalar(operands.rate, {head});
    bias = code.loadScalar(operands.stepBias, {head});
  }

  void emit() {
    Value state = code.stackBuffer(depth * lanes, code.builder.getF32Type());
    code.pieces(width, lanes, [&](Value column, VectorType type) {
      Value first = code.add(code.mul(head, depth * width), column);
      CarryBlock block{first, width, depth, type, state, lanes};
      forTokensInBlock(code, fields, sequence, block, /*reverse=*/false,
                       [&](Value token) { step(token, column, type, state); });
    });
  }

private:
  Value scalar(Value memref, Value token, Value i) {
    return code.loadScalar(memref, {token, keyHead, i});
  }

  /// Sums what `term` makes of the rows 0 .. depth, in four chains that are added at the end.
  Value sumRows(VectorType type, llvm::function_ref<Value(Value row, Value sum)> term) {
    int64_t chains = std::gcd(depth, int64_t(4));
    Code::Values zeros(chains, code.constant(type, 0));
    Code::Values sums = code.loop(code.index(0), code.index(depth), chains, zeros,
                                  [&](Value row, ValueRange carried) {
                                    Code::Values next;
                                    for (auto [i, sum] : llvm::enumerate(carried))
                                      next.push_back(term(code.add(row, i), sum));
                                    return next;
                                  });
    Value total = sums.front();
    for (Value sum : llvm::drop_begin(sums))
      total = code.make<arith::AddFOp>(total, sum);
    return total;
  }

  void step(Value token, Value column, VectorType type, Value state) {
    int64_t size = type.getNumElements();
    ImplicitLocOpBuilder b(code.loc, code.builder);
    Value decay = code.splat(
        size, ssm::buildDecay(b, rate, code.loadScalar(operands.step, {token, head}), bias));
    Value gate = plx::buildActivation(b, plx::ActivationKind::Sigmoid,
                                      code.loadScalar(operands.beta, {token, head}));
    Value beta = code.splat(
        size, code.make<arith::MulFOp>(gate, code.constant(gate.getType(), operands.betaScale)));
    auto place = [&](Value row) { return code.mul(row, lanes); };
    Value recalled = sumRows(type, [&](Value row, Value sum) {
      Value faded = code.make<arith::MulFOp>(code.loadVector(type, state, {place(row)}), decay);
      code.storeVector(faded, state, {place(row)});
      return operands.accumulate
                 ? sum
                 : code.fma(code.splat(size, scalar(operands.key, token, row)), faded, sum);
    });
    Value value = code.loadVector(type, operands.value, {token, head, column});
    Value delta = code.make<arith::MulFOp>(code.make<arith::SubFOp>(value, recalled), beta);
    Value y = sumRows(type, [&](Value row, Value sum) {
      Value next = code.fma(code.splat(size, scalar(operands.key, token, row)), delta,
                            code.loadVector(type, state, {place(row)}));
      code.storeVector(next, state, {place(row)});
      return code.fma(code.splat(size, scalar(operands.query, token, row)), next, sum);
    });
    code.storeVector(y, operands.out, {token, head, column});
  }

  const Code &code;
  const DeltaRuleOperands &operands;
  const CarryFields &fields;
  int64_t lanes, heads, width, depth;
  Value sequence, head, keyHead, rate, bias;
};

} // namespace

void emitDeltaRule(OpBuilder &builder, Location loc, const Isa &isa,
                   const DeltaRuleOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  int64_t heads = cast<MemRefType>(operands.value.getType()).getDimSize(1);
  code.parallel(code.mul(fields.batch.sequences, heads),
                [&](Value item) { DeltaHead(code, operands, fields, item, isa.lanes()).emit(); });
}

} // namespace plexus::emit
