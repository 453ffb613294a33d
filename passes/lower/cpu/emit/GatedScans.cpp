// Generates recurrences with gates over ragged batches.
#include "passes/lower/cpu/emit/GatedScans.h"
#include "dialects/plx/Activations.h"
#include "dialects/ssm/GateMath.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
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

  /// Four vectors of columns at a time share what is read of keys and queries, where their state is
  /// small enough; then single ones.
  void emit() {
    int64_t wide = depth * lanes <= 4096 ? 4 * lanes : lanes, whole = width / wide * wide;
    Value state = code.stackBuffer(depth * (whole > 0 ? wide : lanes), code.builder.getF32Type());
    auto columns = [&](Value column, VectorType type, int64_t apart) {
      Value first = code.add(code.mul(head, depth * width), column);
      int64_t size = type.getNumElements();
      Value isLast = code.less(code.index(width - 2 * size), column);
      Value ahead =
          code.select(isLast, code.sub(code.index(depth * width), column), code.index(size));
      CarryBlock block{first, width, depth, type, state, apart, ahead};
      forTokensInBlock(code, fields, sequence, block, /*reverse=*/false,
                       [&](Value token) { step(token, column, type, block); });
    };
    if (whole > 0)
      code.loop(0, whole, wide, [&](Value column) { columns(column, code.floats(wide), wide); });
    code.pieces(width - whole, lanes, [&](Value column, VectorType type) {
      columns(code.add(column, whole), type, lanes);
    });
  }

private:
  Value scalar(Value memref, Value token, Value i) const {
    return code.loadScalar(memref, {token, keyHead, i});
  }
  Value mul(Value x, Value y) const { return code.make<arith::MulFOp>(x, y); }

  /// q k of a token.
  Value product(Value token) const {
    VectorType type = code.floats(std::gcd(depth, lanes));
    Value sum =
        code.loop(code.index(0), code.index(depth), type.getNumElements(), code.constant(type, 0),
                  [&](Value i, ValueRange last) -> Code::Values {
                    auto load = [&](Value memref) {
                      return code.loadVector(type, memref, {token, keyHead, i});
                    };
                    return {code.fma(load(operands.query), load(operands.key), last[0])};
                  })
            .front();
    return code.make<vector::ReductionOp>(vector::CombiningKind::ADD, sum);
  }

  /// What the state has for the key and for the query, sums over its rows in chains that are added
  /// at the end; a single vector needs four, so that one sum does not wait for the other.
  std::pair<Value, Value> recall(Value token, VectorType type, const CarryBlock &block) const {
    int64_t size = type.getNumElements();
    int64_t chains = size > lanes ? 1 : std::gcd(depth, int64_t(4));
    Code::Values zeros(2 * chains, code.constant(type, 0));
    Code::Values sums = code.loop(
        code.index(0), code.index(depth), chains, zeros, [&](Value first, ValueRange carried) {
          Code::Values next;
          for (int64_t i = 0; i < chains; ++i) {
            Value row = code.add(first, i);
            Value kept = code.loadVector(type, block.buffer, {code.mul(row, block.lanes)});
            auto plus = [&](Value memref, Value sum) {
              return code.fma(code.splat(size, scalar(memref, token, row)), kept, sum);
            };
            next.push_back(operands.accumulate ? carried[2 * i]
                                               : plus(operands.key, carried[2 * i]));
            next.push_back(plus(operands.query, carried[2 * i + 1]));
          }
          return next;
        });
    for (int64_t i = 1; i < chains; ++i)
      for (int64_t part = 0; part < 2; ++part)
        sums[part] = code.make<arith::AddFOp>(sums[part], sums[2 * i + part]);
    return {sums[0], sums[1]};
  }

  /// With the state S' that the token finds: `w = b (v - g S'^T k)`, `S = g S' + k w` and
  /// `y = S^T q = g S'^T q + (q k) w`, so that S' is read twice and written once.
  void step(Value token, Value column, VectorType type, const CarryBlock &block) const {
    int64_t size = type.getNumElements();
    ImplicitLocOpBuilder b(code.loc, code.builder);
    Value decay = code.splat(
        size, ssm::buildDecay(b, rate, code.loadScalar(operands.step, {token, head}), bias));
    Value gate = plx::buildActivation(b, plx::ActivationKind::Sigmoid,
                                      code.loadScalar(operands.beta, {token, head}));
    Value beta = code.splat(size, mul(gate, code.constant(gate.getType(), operands.betaScale)));
    auto [forKey, forQuery] = recall(token, type, block);
    Value value = code.loadVector(type, operands.value, {token, head, column});
    if (!operands.accumulate)
      value = code.make<arith::SubFOp>(value, mul(decay, forKey));
    Value written = mul(value, beta);
    code.loop(0, depth, 1, [&](Value row) {
      Value place = code.mul(row, block.lanes);
      Value faded = mul(code.loadVector(type, block.buffer, {place}), decay);
      Value key = code.splat(size, scalar(operands.key, token, row));
      code.storeVector(code.fma(key, written, faded), block.buffer, {place});
    });
    Value y = code.fma(code.splat(size, product(token)), written, mul(decay, forQuery));
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
  auto value = cast<MemRefType>(operands.value.getType());
  int64_t heads = value.getDimSize(1);
  fields.streams = operands.streams && value.getDimSize(2) % isa.lanes() == 0;
  code.parallel(code.mul(fields.batch.sequences, heads), [&](Value item) {
    outsideChains(code, fields, code.div(item, heads), operands.chunkedFrom, [&] {
      code.stackScope([&] { DeltaHead(code, operands, fields, item, isa.lanes()).emit(); });
    });
  });
}

void emitDeltaGates(OpBuilder &builder, Location loc, const Isa &isa,
                    const DeltaRuleOperands &operands, Value decays, Value weights) {
  Code code{builder, loc};
  int64_t heads = cast<MemRefType>(operands.value.getType()).getDimSize(1);
  forTokens(builder, loc, loadBatch(builder, loc, operands.batch).tokens, [&](Value token) {
    code.pieces(heads, isa.lanes(), [&](Value head, VectorType type) {
      ImplicitLocOpBuilder b(loc, builder);
      auto of = [&](Value memref) { return code.loadVector(type, memref, {token, head}); };
      auto uniform = [&](Value memref) { return code.loadVector(type, memref, {head}); };
      code.storeVector(
          ssm::buildDecay(b, uniform(operands.rate), of(operands.step), uniform(operands.stepBias)),
          decays, {token, head});
      Value gate = plx::buildActivation(b, plx::ActivationKind::Sigmoid, of(operands.beta));
      code.storeVector(code.make<arith::MulFOp>(gate, code.constant(type, operands.betaScale)),
                       weights, {token, head});
    });
  });
}

} // namespace plexus::emit
