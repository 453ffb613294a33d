// Decompositions of rope and attention: linalg over views of the state and fields of the batch.
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/LinalgBuild.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::plx;

using Values = FailureOr<SmallVector<Value>>;

static Value compare(ImplicitLocOpBuilder &b, arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(b, predicate, x, y);
}

//===--- Rope ---------------------------------------------------------------------------------===//

/// For each token its sequence's largest position in the batch: f64 [T], which holds every i32.
static Value largestPositions(ImplicitLocOpBuilder &b, Value batch) {
  Value sequence = batchField(b, BatchField::Sequence, batch);
  Value position = batchField(b, BatchField::Position, batch);
  // Loops: t, u.
  return reduceElements(
      b, sizesOf(b, sequence), b.getF64Type(), -1.0, 1, {sequence, sequence, position},
      {dimsMap(b, 2, {0}), dimsMap(b, 2, {1}), dimsMap(b, 2, {1})},
      [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value mine = compare(b, arith::CmpIPredicate::eq, v[0], v[1]);
        Value other = arith::SIToFPOp::create(b, b.getF64Type(), v[2]);
        return arith::SelectOp::create(b, mine, arith::MaximumFOp::create(b, v[3], other), v[3]);
      });
}

/// The frequency of a pair whose sequence has the largest position `largest`; `other` is the pair's
/// long frequency or its exponent.
static Value frequencyAt(ImplicitLocOpBuilder &b, RopeAttr rope, Value frequency, Value other,
                         Value largest) {
  Value context = floatConstant(b, b.getF64Type(), rope.getOriginalContext());
  if (rope.getLongInvFreq()) {
    Value isLong = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, largest, context);
    return arith::SelectOp::create(b, isLong, other, frequency);
  }
  double factor = rope.getNtkFactor().getValueAsDouble();
  auto constant = [&](double value) { return floatConstant(b, b.getF64Type(), value); };
  Value length = arith::AddFOp::create(b, largest, constant(1));
  Value grown =
      arith::DivFOp::create(b, arith::MulFOp::create(b, length, constant(factor)), context);
  Value s = arith::MaximumFOp::create(b, arith::SubFOp::create(b, grown, constant(factor - 1)),
                                      constant(1));
  Value single = arith::TruncFOp::create(b, b.getF32Type(), s);
  Value power = arith::MulFOp::create(b, other, math::LogOp::create(b, single));
  return arith::MulFOp::create(b, frequency, math::ExpOp::create(b, power));
}

/// The angles of each token and pair: f32 [T, dims / 2].
static Value buildAngles(ImplicitLocOpBuilder &b, RopeAttr rope, Value batch) {
  Value position = batchField(b, BatchField::Position, batch);
  SmallVector<OpFoldResult> sizes = {sizesOf(b, position)[0], b.getIndexAttr(rope.getDims() / 2)};
  AffineMap token = dimsMap(b, 2, {0}), pair = dimsMap(b, 2, {1});
  SmallVector<Value> inputs = {position, arith::ConstantOp::create(b, rope.getInvFreq())};
  SmallVector<AffineMap> maps = {token, pair};
  if (rope.getOriginalContext()) {
    DenseElementsAttr other =
        rope.getLongInvFreq() ? rope.getLongInvFreq() : rope.getNtkExponents();
    inputs.push_back(arith::ConstantOp::create(b, other));
    inputs.push_back(largestPositions(b, batch));
    maps.append({pair, token});
  }
  return mapElements(
      b, sizes, b.getF32Type(), inputs, maps, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value frequency = v.size() == 4 ? frequencyAt(b, rope, v[1], v[2], v[3]) : v[1];
        Value at = arith::SIToFPOp::create(b, b.getF32Type(), v[0]);
        return arith::MulFOp::create(b, at, frequency);
      });
}

/// Turns all entries of each head of `input` [T, H, dims].
static Value turn(ImplicitLocOpBuilder &b, RopeAttr rope, Value input, Value angles) {
  int64_t half = rope.getDims() / 2;
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value token = loopIndex(b, 0), head = loopIndex(b, 1), entry = loopIndex(b, 2);
    Value count = indexConstant(b, half), two = indexConstant(b, 2);
    // The pair, and whether this is its second entry.
    Value pair = rope.getInterleaved() ? arith::DivUIOp::create(b, entry, two).getResult()
                                       : arith::RemUIOp::create(b, entry, count).getResult();
    Value second = rope.getInterleaved() ? arith::RemUIOp::create(b, entry, two).getResult()
                                         : arith::DivUIOp::create(b, entry, count).getResult();
    Value isSecond = compare(b, arith::CmpIPredicate::ne, second, indexConstant(b, 0));
    Value step = rope.getInterleaved() ? indexConstant(b, 1) : count;
    Value other = arith::SelectOp::create(b, isSecond, arith::SubIOp::create(b, entry, step),
                                          arith::AddIOp::create(b, entry, step));
    Value angle = tensor::ExtractOp::create(b, angles, ValueRange{token, pair});
    Value partner = tensor::ExtractOp::create(b, input, ValueRange{token, head, other});
    Type type = v[0].getType();
    Value scaling = floatConstant(b, b.getF32Type(), rope.getScaling());
    Value cosine = arith::MulFOp::create(b, math::CosOp::create(b, angle), scaling);
    Value sine = arith::MulFOp::create(b, math::SinOp::create(b, angle), scaling);
    sine = arith::SelectOp::create(b, isSecond, sine, arith::NegFOp::create(b, sine));
    Value kept = arith::MulFOp::create(b, v[0], convertFloat(b, cosine, type));
    Value mixed =
        arith::MulFOp::create(b, convertFloat(b, partner, type), convertFloat(b, sine, type));
    return arith::AddFOp::create(b, kept, mixed);
  };
  return mapElements(b, sizesOf(b, input), elementOf(input), input, rangeMap(b, 3, 0, 3), body);
}

Values RopeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value angles = buildAngles(b, getRope(), getBatch());
  SmallVector<OpFoldResult> sizes = sizesOf(b, getInput());
  if (getRope().getDims() == getType().getDimSize(2))
    return SmallVector<Value>{turn(b, getRope(), getInput(), angles)};
  // Only the leading entries of each head turn.
  SmallVector<OpFoldResult> offsets(3, b.getIndexAttr(0)), strides(3, b.getIndexAttr(1));
  sizes[2] = b.getIndexAttr(getRope().getDims());
  Value part = tensor::ExtractSliceOp::create(b, getInput(), offsets, sizes, strides);
  Value turned = turn(b, getRope(), part, angles);
  return SmallVector<Value>{
      tensor::InsertSliceOp::create(b, turned, getInput(), offsets, sizes, strides)};
}

Values KVWriteOp::decompose(OpBuilder &builder) {
  if (!getRope() || getState().getType().getRope()) // an accessor
    return failure();
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value key = RopeOp::create(b, getKey(), getBatch(), *getRope());
  KVWriteOp::create(b, key, getValue(), getState(), getBatch(), RopeAttr());
  return SmallVector<Value>{};
}

//===--- Attention ----------------------------------------------------------------------------===//

namespace {
/// What queries attend to: keys and values [S, C, heads, dim] with the sequence of each token, or
/// [C, heads, dim] with none; and the mask [T, C].
struct Memory {
  Value keys, values, mask, sequence;
  int64_t groupSize; ///< query heads for each key head

  /// `tensor[(sequence,) slot, head / groupSize, entry]`.
  Value at(ImplicitLocOpBuilder &b, Value tensor, Value token, Value slot, Value head,
           Value entry) const {
    Value group = arith::DivUIOp::create(b, head, indexConstant(b, groupSize));
    SmallVector<Value> indices = {slot, group, entry};
    if (sequence)
      indices.insert(indices.begin(),
                     toIndex(b, tensor::ExtractOp::create(b, sequence, ValueRange{token})));
    return tensor::ExtractOp::create(b, tensor, indices);
  }
};
} // namespace

/// Mask over the batch's own tokens: i1 [T, T].
static Value ownTokensMask(ImplicitLocOpBuilder &b, AttentionOp op) {
  Value sequence = batchField(b, BatchField::Sequence, op.getBatch());
  Value index = batchField(b, BatchField::Index, op.getBatch());
  OpFoldResult tokens = sizesOf(b, sequence)[0];
  AffineMap t = dimsMap(b, 2, {0}), u = dimsMap(b, 2, {1});
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    auto both = [&](Value x, Value y) { return arith::AndIOp::create(b, x, y).getResult(); };
    Value visible = compare(b, arith::CmpIPredicate::eq, v[0], v[1]);
    if (op.getCausal())
      visible =
          both(visible, compare(b, arith::CmpIPredicate::ule, loopIndex(b, 1), loopIndex(b, 0)));
    if (op.getWindow() == 0)
      return visible;
    Value window = arith::ConstantOp::create(b, b.getI32IntegerAttr(op.getWindow()));
    Value back = arith::SubIOp::create(b, v[2], v[3]);
    visible = both(visible, compare(b, arith::CmpIPredicate::slt, back, window));
    if (op.getCausal())
      return visible;
    Value ahead = arith::SubIOp::create(b, v[3], v[2]);
    return both(visible, compare(b, arith::CmpIPredicate::slt, ahead, window));
  };
  return mapElements(b, {tokens, tokens}, b.getI1Type(), {sequence, sequence, index, index},
                     {t, u, t, u}, body);
}

static Memory memoryOf(ImplicitLocOpBuilder &b, AttentionOp op, Value key) {
  int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
  if (!op.getState())
    return {key, op.getValue(), ownTokensMask(b, op), Value(),
            heads / cast<RankedTensorType>(key.getType()).getDimSize(1)};
  KVType state = op.getState().getType();
  auto view = [&](int64_t dim) {
    int64_t dynamic = ShapedType::kDynamic;
    return RankedTensorType::get({dynamic, dynamic, state.getHeads(), dim}, b.getF32Type());
  };
  return {KVKeysOp::create(b, view(state.getKeyDim()), op.getState(), op.getBatch()),
          KVValuesOp::create(b, view(state.getValueDim()), op.getState(), op.getBatch()),
          VisibleOp::create(b, op.getBatch(), op.getCausal(), op.getWindow()),
          batchField(b, BatchField::Sequence, op.getBatch()), heads / state.getHeads()};
}

/// `cap(scale q . k)` where visible, otherwise -inf: [T, H, C].
static Value buildScores(ImplicitLocOpBuilder &b, AttentionOp op, Value query,
                         const Memory &memory) {
  SmallVector<OpFoldResult> sizes = sizesOf(b, query);
  sizes[2] = sizesOf(b, memory.mask)[1];
  // Loops: t, h, c, d.
  Type type = computeType(elementOf(query));
  // The innermost loop runs over the entries of the query.
  Value products =
      reduceElements(b, sizes, type, 0.0, 1, query, dimsMap(b, 4, {0, 1, 3}),
                     [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value key = memory.at(b, memory.keys, loopIndex(b, 0), loopIndex(b, 2),
                                             loopIndex(b, 1), loopIndex(b, 3));
                       Value product =
                           arith::MulFOp::create(b, v[0], convertFloat(b, key, v[0].getType()));
                       return arith::AddFOp::create(b, v[1], product);
                     });
  auto finish = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value scale = floatConstant(b, type, op.getScale().convertToDouble());
    Value score = arith::MulFOp::create(b, v[0], scale);
    if (std::optional<APFloat> limit = op.getSoftcap()) {
      Value cap = floatConstant(b, type, limit->convertToDouble());
      Value limited = math::TanhOp::create(b, arith::DivFOp::create(b, score, cap));
      score = arith::MulFOp::create(b, limited, cap);
    }
    Value hidden = floatConstant(b, type, -std::numeric_limits<double>::infinity());
    return arith::SelectOp::create(b, v[1], score, hidden);
  };
  return mapElements(b, sizes, type, {products, memory.mask},
                     {rangeMap(b, 3, 0, 3), dimsMap(b, 3, {0, 2})}, finish);
}

/// `sum_c p[t, h, c] v[c, h / g, e]`: [T, H, valueDim].
static Value buildMixture(ImplicitLocOpBuilder &b, AttentionOp op, Value weights,
                          const Memory &memory) {
  SmallVector<OpFoldResult> sizes = sizesOf(b, weights);
  sizes[2] = b.getIndexAttr(op.getType().getDimSize(2));
  // Loops: t, h, e, c.
  return reduceElements(
      b, sizes, elementOf(weights), 0.0, 1, weights, dimsMap(b, 4, {0, 1, 3}),
      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
        Value value = memory.at(b, memory.values, loopIndex(b, 0), loopIndex(b, 3), loopIndex(b, 1),
                                loopIndex(b, 2));
        Value product = arith::MulFOp::create(b, v[0], convertFloat(b, value, v[0].getType()));
        return arith::AddFOp::create(b, v[1], product);
      });
}

Values AttentionOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value query = getQuery(), key = getKey();
  if (getRope()) {
    query = RopeOp::create(b, query, getBatch(), *getRope());
    if (key)
      key = RopeOp::create(b, key, getBatch(), *getRope());
  }
  Memory memory = memoryOf(b, *this, key);
  Value weights = buildSoftmax(b, buildScores(b, *this, query, memory));
  Value mixture = buildMixture(b, *this, weights, memory);
  Type element = getType().getElementType();
  if (elementOf(mixture) != element)
    mixture = mapElements(b, sizesOf(b, mixture), element, mixture, rangeMap(b, 3, 0, 3),
                          [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  return SmallVector<Value>{mixture};
}
