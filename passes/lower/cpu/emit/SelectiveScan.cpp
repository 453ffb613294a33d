// Generates the selective scan of Mamba over ragged batches.
#include "passes/lower/cpu/emit/SelectiveScan.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/cpu/emit/Carry.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// A group of state entries of one vector of channels of one sequence.
struct Group {
  const Code &code;
  const SelectiveScanSpec &spec;
  const SelectiveScanOperands &operands;
  Value channel;
  VectorType type;
  Value entry;
  int64_t count;
  bool first;

  Value row(int64_t i) const { return code.add(entry, i); }
  Value optional(Value vector) const {
    return vector ? loadFloats(code, type, vector, {channel}) : Value();
  }
  Value mul(Value x, Value y) const { return code.make<arith::MulFOp>(x, y); }
  /// Entry i of row `token` in all lanes.
  Value spread(Value rows, Value token, int64_t i) const {
    return code.splat(type.getNumElements(), code.loadScalar(rows, {token, row(i)}));
  }

  llvm::SmallVector<CarryPiece> pieces() const {
    llvm::SmallVector<CarryPiece> made;
    for (int64_t i = 0; i < count; ++i)
      made.push_back({code.add(code.mul(row(i), spec.channels), channel), type});
    return made;
  }

  Code::Values rates() const {
    Code::Values made;
    for (int64_t i = 0; i < count; ++i)
      made.push_back(emitRate(code, loadFloats(code, type, operands.aLog, {row(i), channel})));
    return made;
  }

  /// Entries' sums in two chains, so that one does not wait for the other.
  Code::Values step(Value token, ValueRange last, ValueRange rate, Value bias, Value skip) const {
    Value x = code.loadVector(type, operands.input, {token, channel});
    Value delta = code.loadVector(type, operands.delta, {token, channel});
    Value d = emitStepSize(code, spec.step, delta, bias), dx = mul(d, x);
    Value sums[2] = {code.constant(type, 0), code.constant(type, 0)};
    if (!first)
      sums[0] = code.loadVector(type, operands.out, {token, channel});
    else if (skip)
      sums[0] = mul(skip, x);
    Code::Values next;
    for (int64_t i = 0; i < count; ++i) {
      Value decay = code.make<math::ExpOp>(mul(d, rate[i]));
      next.push_back(code.fma(decay, last[i], mul(dx, spread(operands.b, token, i))));
      sums[i % 2] = code.fma(next.back(), spread(operands.c, token, i), sums[i % 2]);
    }
    code.storeVector(code.make<arith::AddFOp>(sums[0], sums[1]), operands.out, {token, channel});
    return next;
  }
};

} // namespace

void emitSelectiveScan(OpBuilder &builder, Location loc, const Isa &isa,
                       const SelectiveScanSpec &spec, const SelectiveScanOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  forChannelBlocks(
      code, fields.batch.sequences, spec.channels, isa.lanes(), 1,
      [&](Value sequence, Value channel, llvm::ArrayRef<VectorType> types) {
        forEntryGroups(code, isa, spec.entries, [&](Value entry, int64_t count, bool first) {
          Group group{code, spec, operands, channel, types[0], entry, count, first};
          Code::Values rate = group.rates();
          Value bias = group.optional(operands.deltaBias), skip = group.optional(operands.skip);
          forTokensOf(code, fields, sequence, group.pieces(), spec.reverse,
                      [&](Value token, ValueRange last) {
                        return group.step(token, last, rate, bias, skip);
                      });
        });
      });
}

} // namespace plexus::emit
