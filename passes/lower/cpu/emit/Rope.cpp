// Generates rotary position embedding.
#include "passes/lower/cpu/emit/Rope.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/VectorMath.h"

using namespace mlir;

namespace plexus::emit {

namespace {

/// The largest position in the sequence of `token`, an index.
Value largestPosition(const Code &code, const BatchFields &fields, Value token) {
  OpBuilder &b = code.builder;
  Value sequence = loadI32(b, code.loc, fields.sequence, token);
  Value end = loadI32(b, code.loc, fields.tokenBegin, code.add(sequence, 1));
  return loadI32(b, code.loc, fields.position, code.add(end, -1));
}

/// log of what dynamic NTK multiplies the context by, f32.
Value logGrowth(const Code &code, const RopeSpec &spec, Value largest) {
  Type f32 = code.builder.getF32Type();
  Value length = code.make<arith::SIToFPOp>(f32, code.toI32(code.add(largest, 1)));
  Value ratio = code.constant(f32, spec.ntkFactor / static_cast<double>(spec.originalContext));
  Value grown = code.make<arith::SubFOp>(code.make<arith::MulFOp>(length, ratio),
                                         code.constant(f32, spec.ntkFactor - 1.0));
  return code.make<math::LogOp>(code.make<arith::MaximumFOp>(grown, code.constant(f32, 1)));
}

/// The two values of a pair, rotated: {a cos - b sin, b cos + a sin}.
std::pair<Value, Value> rotate(const Code &code, Value a, Value b, Value cos, Value sin) {
  auto product = [&](Value x, Value y) { return code.make<arith::MulFOp>(x, y); };
  return {code.make<arith::SubFOp>(product(a, cos), product(b, sin)),
          code.make<arith::AddFOp>(product(b, cos), product(a, sin))};
}

} // namespace

void emitRopeTable(OpBuilder &builder, Location loc, const Isa &isa, const RopeSpec &spec,
                   Value batch, Value invFreq, Value other, Value table) {
  Code code{builder, loc};
  int64_t half = spec.dims / 2;
  BatchFields fields = loadBatch(builder, loc, batch);
  forTokens(builder, loc, fields.tokens, [&](Value token) {
    Value position = code.toI32(loadI32(builder, loc, fields.position, token));
    Value angle = code.make<arith::SIToFPOp>(builder.getF32Type(), position);
    // Of all pairs: whether they turn by `other`, or what its exponents are of.
    Value useLong, growth;
    if (spec.originalContext) {
      Value largest = largestPosition(code, fields, token);
      if (spec.ntkFactor)
        growth = logGrowth(code, spec, largest);
      else
        useLong = code.less(code.index(spec.originalContext - 1), largest);
    }
    code.pieces(half, isa.lanes(), [&](Value i, VectorType type) {
      Value frequency = code.loadVector(type, invFreq, {i});
      if (useLong)
        frequency = code.select(useLong, code.loadVector(type, other, {i}), frequency);
      if (growth) {
        Value power = code.make<arith::MulFOp>(code.splat(type.getNumElements(), growth),
                                               code.loadVector(type, other, {i}));
        frequency = code.make<arith::MulFOp>(frequency, emitExp(builder, loc, power));
      }
      Value angles = code.make<arith::MulFOp>(code.splat(type.getNumElements(), angle), frequency);
      auto [sin, cos] = emitSinCos(builder, loc, angles);
      Value factor = code.constant(type, spec.attentionScaling);
      code.storeVector(code.make<arith::MulFOp>(cos, factor), table, {token, i});
      code.storeVector(code.make<arith::MulFOp>(sin, factor), table, {token, code.add(i, half)});
    });
  });
}

namespace {

using Visit = llvm::function_ref<void(Value entry, Value vector)>;

/// Pairs (i, i + dims/2): two vectors.
void rotateHalves(const Code &code, int64_t lanes, const RopeSpec &spec, Value table, Value in,
                  Value token, Value base, Visit visit) {
  int64_t half = spec.dims / 2;
  code.pieces(half, lanes, [&](Value i, VectorType type) {
    Value other = code.add(i, half);
    auto load = [&](Value memref, Value column) {
      return code.loadVector(type, memref, {token, column});
    };
    auto [a, b] = rotate(code, load(in, code.add(base, i)), load(in, code.add(base, other)),
                         load(table, i), load(table, other));
    visit(i, a);
    visit(other, b);
  });
}

/// Pairs (2i, 2i + 1): one vector of twice the length.
void rotatePairs(const Code &code, int64_t lanes, const RopeSpec &spec, Value table, Value in,
                 Value token, Value base, Visit visit) {
  int64_t half = spec.dims / 2;
  code.pieces(half, lanes, [&](Value i, VectorType type) {
    Value entry = code.mul(i, 2);
    VectorType both = code.floats(2 * type.getNumElements());
    auto parts = code.make<vector::DeinterleaveOp>(
        code.loadVector(both, in, {token, code.add(base, entry)}));
    auto [a, b] =
        rotate(code, parts.getRes1(), parts.getRes2(), code.loadVector(type, table, {token, i}),
               code.loadVector(type, table, {token, code.add(i, half)}));
    visit(entry, code.make<vector::InterleaveOp>(both, a, b));
  });
}

} // namespace

void forHead(const Code &code, const Isa &isa, const RopeSpec &spec, Value table, int64_t headDim,
             Value in, Value token, Value base, Visit visit) {
  int64_t turned = table ? spec.dims : 0;
  if (table)
    (spec.interleaved ? rotatePairs : rotateHalves)(code, isa.lanes(), spec, table, in, token, base,
                                                    visit);
  code.pieces(headDim - turned, isa.lanes(), [&](Value i, VectorType type) {
    Value entry = code.add(i, turned);
    visit(entry, code.loadVector(type, in, {token, code.add(base, entry)}));
  });
}

void emitRope(OpBuilder &builder, Location loc, const Isa &isa, const RopeSpec &spec, int64_t heads,
              int64_t headDim, Value rows, Value in, Value out, Value table) {
  Code code{builder, loc};
  // In place, what does not turn stays where it is.
  int64_t touched = in == out ? spec.dims : headDim;
  forTokens(builder, loc, rows, [&](Value token) {
    code.loop(0, heads, 1, [&](Value head) {
      Value base = code.mul(head, headDim);
      forHead(code, isa, spec, table, touched, in, token, base, [&](Value entry, Value vector) {
        code.storeVector(vector, out, {token, code.add(base, entry)});
      });
    });
  });
}

} // namespace plexus::emit
