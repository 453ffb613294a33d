// Generates the selective scan of Mamba over ragged batches.
#include "passes/lower/cpu/emit/SelectiveScan.h"
#include "passes/lower/cpu/emit/Carry.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// Columns whose work takes as long as a line takes to come from memory.
constexpr int64_t kAhead = 4;

/// One vector of channels.
struct Column {
  const Code &code;
  const SelectiveScanSpec &spec;
  const SelectiveScanOperands &operands;
  Value channel;
  VectorType type;

  Value optional(Value vector) const {
    return vector ? loadFloats(code, type, vector, {channel}) : Value();
  }
  /// Where the step sizes of `token` are.
  Code::Values place(Value token) const {
    int64_t lanes = cast<MemRefType>(operands.steps.getType()).getDimSize(2);
    return {code.div(channel, lanes), token, code.index(0)};
  }

  /// The step sizes of a sequence's tokens: each group of entries reads them.
  void emitSteps(const CarryFields &fields, Value sequence) const {
    Value bias = optional(operands.deltaBias);
    auto border = [&](Value number) {
      return loadI32(code.builder, code.loc, fields.batch.tokenBegin, number);
    };
    code.loop(border(sequence), border(code.add(sequence, 1)), 1, [&](Value token) {
      Value delta = code.loadVector(type, operands.delta, {token, channel});
      code.storeVector(emitStepSize(code, spec.step, delta, bias), operands.steps, place(token));
    });
  }
};

/// A group of state entries of a column.
struct Group : Column {
  Value entry;
  int64_t count;
  bool first;

  Value row(int64_t i) const { return code.add(entry, i); }
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

  /// What a column some way behind this one reads.
  void prefetch(const CarryFields &fields, Value sequence,
                llvm::ArrayRef<CarryPiece> pieces) const {
    Value ahead = code.index(kAhead * type.getNumElements());
    prefetchPieces(code, fields, sequence, pieces, ahead);
    for (int64_t i = 0; i < count; ++i)
      code.make<memref::PrefetchOp>(operands.rate, ValueRange{row(i), code.add(channel, ahead)},
                                    /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
  }

  Code::Values rates() const {
    Code::Values made;
    for (int64_t i = 0; i < count; ++i)
      made.push_back(
          emitScaledRate(code, loadFloats(code, type, operands.rate, {row(i), channel})));
    return made;
  }

  /// Entries' sums in two chains, so that one does not wait for the other.
  Code::Values step(Value token, ValueRange last, ValueRange rate, Value skip) const {
    Value x = code.loadVector(type, operands.input, {token, channel});
    Value d = code.loadVector(type, operands.steps, place(token)), dx = mul(d, x);
    Value sums[2] = {code.constant(type, 0), code.constant(type, 0)};
    if (!first)
      sums[0] = code.loadVector(type, operands.out, {token, channel});
    else if (skip)
      sums[0] = mul(skip, x);
    Code::Values next;
    for (int64_t i = 0; i < count; ++i) {
      next.push_back(
          code.fma(emitDecay(code, d, rate[i]), last[i], mul(dx, spread(operands.b, token, i))));
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
  fields.streams = spec.streams && spec.channels % isa.lanes() == 0;
  forChannelBlocks(code, fields.batch.sequences, spec.channels, isa.lanes(), 1,
                   [&](Value sequence, Value channel, llvm::ArrayRef<VectorType> types) {
                     Column column{code, spec, operands, channel, types[0]};
                     column.emitSteps(fields, sequence);
                     Value skip = column.optional(operands.skip);
                     forEntryGroups(code, isa, spec.entries, 2,
                                    [&](Value entry, int64_t count, bool first) {
                                      Group group{column, entry, count, first};
                                      llvm::SmallVector<CarryPiece> pieces = group.pieces();
                                      group.prefetch(fields, sequence, pieces);
                                      Code::Values rate = group.rates();
                                      forTokensOf(code, fields, sequence, pieces, spec.reverse,
                                                  [&](Value token, ValueRange last) {
                                                    return group.step(token, last, rate, skip);
                                                  });
                                    });
                   });
}

} // namespace plexus::emit
