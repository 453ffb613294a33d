// Generates the scan of Mamba-2 (state space duality) over ragged batches.
#include "passes/lower/cpu/emit/Ssd.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Carry.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// A group of state entries of one vector of one head's width.
struct Group {
  const Code &code;
  const SsdSpec &spec;
  const SsdOperands &operands;
  Value head, column;
  VectorType type;
  Value entry;
  int64_t count;
  bool first;

  Value mul(Value x, Value y) const { return code.make<arith::MulFOp>(x, y); }
  Value spread(Value scalar) const { return code.splat(type.getNumElements(), scalar); }

  llvm::SmallVector<CarryPiece> pieces() const {
    llvm::SmallVector<CarryPiece> made;
    for (int64_t i = 0; i < count; ++i) {
      Value row = code.add(code.mul(head, spec.entries), code.add(entry, i));
      made.push_back({code.add(code.mul(row, spec.width), column), type});
    }
    return made;
  }

  /// The entries' sums in two chains, so that one does not wait for the other.
  Code::Values step(Value token, ValueRange last, Value skip) const {
    Value x = code.loadVector(type, operands.input, {token, head, column});
    Value decay = spread(code.loadScalar(operands.decays, {token, head}));
    Value dx = mul(spread(code.loadScalar(operands.steps, {token, head})), x);
    Value sums[2] = {code.constant(type, 0), code.constant(type, 0)};
    if (!first)
      sums[0] = code.loadVector(type, operands.out, {token, head, column});
    else if (skip)
      sums[0] = mul(skip, x);
    Value group = code.div(head, spec.heads / spec.groups);
    Code::Values next;
    for (int64_t i = 0; i < count; ++i) {
      auto element = [&](Value rows) {
        return spread(code.loadScalar(rows, {token, group, code.add(entry, i)}));
      };
      next.push_back(code.fma(dx, element(operands.b), mul(decay, last[i])));
      sums[i % 2] = code.fma(next.back(), element(operands.c), sums[i % 2]);
    }
    code.storeVector(code.make<arith::AddFOp>(sums[0], sums[1]), operands.out,
                     {token, head, column});
    return next;
  }
};

/// All entries of one vector of a head's width along a sequence.
void emitColumn(const Code &code, const Isa &isa, const SsdSpec &spec, const SsdOperands &operands,
                const CarryFields &fields, Value sequence, Value head, Value column,
                VectorType type) {
  Value skip;
  if (operands.skip) // of one lane: the weight may be bf16
    skip = code.splat(
        type.getNumElements(),
        code.make<vector::ExtractOp>(loadFloats(code, code.floats(1), operands.skip, {head}), 0));
  // The next column's part of the state, or that of the next head's first one.
  Value isLast = code.less(code.index(spec.width - 2 * type.getNumElements()), column);
  Value ahead = code.select(isLast, code.sub(code.index(spec.entries * spec.width), column),
                            code.index(type.getNumElements()));
  forEntryGroups(code, isa, spec.entries, 1, [&](Value entry, int64_t count, bool first) {
    Group group{code, spec, operands, head, column, type, entry, count, first};
    llvm::SmallVector<CarryPiece> pieces = group.pieces();
    if (fields.streams)
      prefetchPieces(code, fields, sequence, pieces, ahead);
    forTokensOf(code, fields, sequence, pieces, spec.reverse,
                [&](Value token, ValueRange last) { return group.step(token, last, skip); });
  });
}

} // namespace

void emitSsdSteps(OpBuilder &builder, Location loc, const Isa &isa, const SsdSpec &spec,
                  const SsdOperands &operands) {
  Code code{builder, loc};
  Value tokens = loadBatch(builder, loc, operands.batch).tokens;
  forTokens(builder, loc, tokens, [&](Value token) {
    code.pieces(spec.heads, isa.lanes(), [&](Value head, VectorType type) {
      Value bias =
          operands.deltaBias ? loadFloats(code, type, operands.deltaBias, {head}) : Value();
      Value delta = code.loadVector(type, operands.delta, {token, head});
      Value step = emitStepSize(code, spec.step, delta, bias);
      Value rate = loadFloats(code, type, operands.rate, {head});
      code.storeVector(step, operands.steps, {token, head});
      code.storeVector(code.make<math::ExpOp>(code.make<arith::MulFOp>(step, rate)),
                       operands.decays, {token, head});
    });
  });
}

void emitSsd(OpBuilder &builder, Location loc, const Isa &isa, const SsdSpec &spec,
             const SsdOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  fields.streams = spec.streams && spec.width % isa.lanes() == 0;
  int64_t lanes = isa.lanes(), columns = spec.width / lanes, rest = spec.width % lanes;
  auto forHeads = [&](int64_t blocks, int64_t begin, VectorType type) {
    code.parallel(code.mul(fields.batch.sequences, spec.heads * blocks), [&](Value item) {
      Value inSequence = code.rem(item, spec.heads * blocks);
      Value sequence = code.div(item, spec.heads * blocks);
      outsideChains(code, fields, sequence, spec.chunkedFrom, [&] {
        emitColumn(code, isa, spec, operands, fields, sequence, code.div(inSequence, blocks),
                   code.add(code.mul(code.rem(inSequence, blocks), lanes), begin), type);
      });
    });
  };
  if (columns > 0)
    forHeads(columns, 0, code.floats(lanes));
  if (rest > 0)
    forHeads(1, columns * lanes, code.floats(rest));
}

} // namespace plexus::emit
