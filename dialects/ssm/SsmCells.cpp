// Cells of recurrent networks: checks and meaning.
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Cell.h"
#include "dialects/ssm/Number.h"
#include "dialects/ssm/Recurrence.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::ssm;

using Values = FailureOr<SmallVector<Value>>;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

FailureOr<Cell> Cell::of(Operation *op) {
  Cell cell{};
  cell.op = op;
  auto common = [&](auto each, int64_t parts) {
    cell.gates = each.getGates();
    cell.weight = each.getWeight();
    cell.batch = each.getBatch();
    cell.bias = each.getBias();
    cell.state = each.getState();
    cell.reverse = each.getReverse();
    cell.parts = parts;
  };
  if (auto lstm = dyn_cast<LstmOp>(op)) {
    common(lstm, 4);
    cell.projection = lstm.getProjection();
    cell.memory = lstm.getMemory();
  } else if (auto gru = dyn_cast<GruOp>(op)) {
    common(gru, 3);
    cell.initial = gru.getInitial();
  } else if (auto rnn = dyn_cast<RnnOp>(op)) {
    common(rnn, 1);
    cell.initial = rnn.getInitial();
  } else {
    return failure();
  }
  cell.units = tensorType(cell.gates).getShape().back() / cell.parts;
  cell.width = cell.projection ? tensorType(cell.projection).getDimSize(0) : cell.units;
  return cell;
}

Cell::Step Cell::build(ImplicitLocOpBuilder &b, ValueRange x, ValueRange u, Value last,
                       Value memory) const {
  auto sum = [&](size_t part) { return Number{b, x[part]} + Number{b, u[part]}; };
  auto sigmoid = [&](size_t part) { return sum(part).activated(ActivationKind::Sigmoid); };
  auto tanh = [](Number value) { return value.activated(ActivationKind::Tanh); };
  if (isa<LstmOp>(op)) {
    Number c = sigmoid(1) * Number{b, memory} + sigmoid(0) * tanh(sum(2));
    return {(sigmoid(3) * tanh(c)).v, c.v};
  }
  if (isa<GruOp>(op)) {
    Number r = sigmoid(0), z = sigmoid(1);
    Number n = tanh(Number{b, x[2]} + r * Number{b, u[2]});
    return {((z.constant(1) - z) * n + z * Number{b, last}).v, {}};
  }
  return {sum(0).activated(cast<RnnOp>(op).getActivation()).v, {}};
}

//===--- Checks -------------------------------------------------------------------------------===//

static LogicalResult verifyCell(Operation *op) {
  Cell cell = *Cell::of(op);
  if (failed(verifyRows(op, "gates", cell.gates)) ||
      failed(verifyMinRank(op, "gates", cell.gates, 2)))
    return failure();
  int64_t rows = tensorType(cell.gates).getShape().back();
  if (rows % cell.parts || rows == 0)
    return op->emitOpError("'gates' has ")
           << rows << " columns, expected a multiple of " << cell.parts;
  if (failed(verifyEqual(op, "weight", "rows", tensorType(cell.weight).getDimSize(0), rows)) ||
      failed(verifyEqual(op, "weight", "columns", tensorType(cell.weight).getDimSize(1),
                         cell.width)) ||
      failed(verifyVector(op, "bias", cell.bias, cell.gates)))
    return failure();
  if (cell.projection && failed(verifyEqual(op, "projection", "columns",
                                            tensorType(cell.projection).getDimSize(1), cell.units)))
    return failure();
  if (failed(verifyEqual(op, "result", "columns", tensorType(op->getResult(0)).getDimSize(1),
                         cell.width)) ||
      failed(verifyVector(op, "initial", cell.initial, op->getResult(0))) ||
      failed(verifyCarry(op, "state", cell.state, {cell.width})))
    return failure();
  if (cell.hasMemory() && !cell.state != !cell.memory)
    return op->emitOpError("needs both 'state' and 'memory', or none of them");
  return verifyCarry(op, "memory", cell.memory, {cell.units});
}

LogicalResult LstmOp::verify() { return verifyCell(*this); }
LogicalResult GruOp::verify() { return verifyCell(*this); }
LogicalResult RnnOp::verify() { return verifyCell(*this); }

/// [T, width] for gates [T, parts * units]; `projection` may be null.
static LogicalResult inferCell(Value gates, int64_t parts, Value projection,
                               SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(gates.getType());
  if (!type || type.getRank() != 2)
    return failure();
  int64_t width = projection ? tensorType(projection).getDimSize(0) : type.getDimSize(1) / parts;
  types.push_back(RankedTensorType::get({type.getDimSize(0), width}, type.getElementType()));
  return success();
}

LogicalResult LstmOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  return inferCell(adaptor.getGates(), 4, adaptor.getProjection(), types);
}
LogicalResult GruOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  return inferCell(adaptor.getGates(), 3, {}, types);
}
LogicalResult RnnOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  return inferCell(adaptor.getGates(), 1, {}, types);
}

using Effects = SmallVectorImpl<MemoryEffects::EffectInstance>;

/// A read and a write of each state that is there.
static void addEffects(MutableOperandRange states, Effects &effects) {
  for (OpOperand &state : states) {
    effects.emplace_back(MemoryEffects::Read::get(), &state);
    effects.emplace_back(MemoryEffects::Write::get(), &state);
  }
}
void LstmOp::getEffects(Effects &effects) {
  addEffects(getStateMutable(), effects);
  addEffects(getMemoryMutable(), effects);
}
void GruOp::getEffects(Effects &effects) { addEffects(getStateMutable(), effects); }
void RnnOp::getEffects(Effects &effects) { addEffects(getStateMutable(), effects); }

SmallVector<unsigned> LstmOp::getProductWeights() {
  SmallVector<unsigned> numbers{1};
  for (OpOperand &projection : MutableOperandRange(getProjectionMutable()))
    numbers.push_back(projection.getOperandNumber());
  return numbers;
}
SmallVector<unsigned> GruOp::getProductWeights() { return {1}; }
SmallVector<unsigned> RnnOp::getProductWeights() { return {1}; }

//===--- Meaning ------------------------------------------------------------------------------===//

/// `weight x + bias`, bias null for none: f32 [N].
static Value transformed(ImplicitLocOpBuilder &b, Value weight, Value x, Value bias) {
  OpFoldResult rows = sizesOf(b, weight)[0];
  Value sum = reduceElements(b, rows, b.getF32Type(), 0.0, 1, {weight, x},
                             {dimsMap(b, 2, {0, 1}), dimsMap(b, 2, {1})},
                             [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                               Value product = arith::MulFOp::create(b, v[0], v[1]);
                               return arith::AddFOp::create(b, v[2], product);
                             });
  if (!bias)
    return sum;
  AffineMap all = dimsMap(b, 1, {0});
  return mapElements(b, rows, b.getF32Type(), {sum, bias}, {all, all},
                     [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       return arith::AddFOp::create(b, v[0], v[1]);
                     });
}

/// The gates of the unit that loop 0 stands for.
static SmallVector<Value> gatesOf(ImplicitLocOpBuilder &b, const Cell &cell, Value all) {
  SmallVector<Value> gates;
  for (int64_t part = 0; part < cell.parts; ++part) {
    Value place = arith::AddIOp::create(b, loopIndex(b, 0), indexConstant(b, part * cell.units));
    Value gate = tensor::ExtractOp::create(b, all, ValueRange{place});
    gates.push_back(convertFloat(b, gate, b.getF32Type()));
  }
  return gates;
}

/// What `pick` chooses of the units' steps: f32 [units].
static Value mapUnits(ImplicitLocOpBuilder &b, const Cell &cell, Value x, Value u,
                      ValueRange carried, function_ref<Value(const Cell::Step &)> pick) {
  SmallVector<AffineMap> maps(carried.size(), dimsMap(b, 1, {0}));
  return mapElements(b, OpFoldResult(b.getIndexAttr(cell.units)), b.getF32Type(), carried, maps,
                     [&](ImplicitLocOpBuilder &b, ValueRange v) {
                       Value last = cell.projection ? Value() : v[0];
                       return pick(cell.build(b, gatesOf(b, cell, x), gatesOf(b, cell, u), last,
                                              cell.hasMemory() ? v.back() : Value()));
                     });
}

/// i1: whether the sequence begins with the step of `token`, whose sequence is `sequence`. With a
/// state it does so at its first token of all, not of the batch.
static Value isFirstStep(ImplicitLocOpBuilder &b, const Cell &cell, Value begins, Value index,
                         Value token, Value sequence) {
  auto entry = [&](Value array, Value at) {
    return toIndex(b, tensor::ExtractOp::create(b, array, ValueRange{at}));
  };
  auto equal = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, y);
  };
  Value zero = indexConstant(b, 0), one = indexConstant(b, 1), begin = entry(begins, sequence);
  if (!cell.reverse)
    return cell.state ? equal(entry(index, token), zero) : equal(token, begin);
  Value end = entry(begins, arith::AddIOp::create(b, sequence, one));
  Value last = equal(token, arith::SubIOp::create(b, end, one));
  return cell.state ? arith::AndIOp::create(b, last, equal(entry(index, begin), zero)) : last;
}

/// h before the step of `token`: `initial` in place of `last` where the sequence begins with it.
static Value withInitial(ImplicitLocOpBuilder &b, const Cell &cell, Value token, Value last) {
  Value sequence = rowAt(b, batchField(b, BatchField::Sequence, cell.batch), token);
  Value begins = batchField(b, BatchField::TokenBegin, cell.batch);
  Value index = batchField(b, BatchField::Index, cell.batch);
  AffineMap all = dimsMap(b, 1, {0});
  return mapElements(b, sizesOf(b, last), b.getF32Type(), {last, cell.initial, sequence},
                     {all, all, dimsMap(b, 1, {})},
                     [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       Value first = isFirstStep(b, cell, begins, index, token, toIndex(b, v[2]));
                       return arith::SelectOp::create(b, first, v[1], v[0]);
                     });
}

static Values decomposeCell(Operation *op, OpBuilder &builder) {
  Cell cell = *Cell::of(op);
  ImplicitLocOpBuilder b(op->getLoc(), builder);
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  Value weight = denseWeight(b, cell.weight);
  Value projection = cell.projection ? denseWeight(b, cell.projection) : Value();
  auto floats = [&](int64_t size) { return RankedTensorType::get({size}, b.getF32Type()); };
  Recurrence recurrence{cell.batch, {cell.state}, {floats(cell.width)}, {result}, cell.reverse};
  if (cell.hasMemory()) {
    recurrence.states.push_back(cell.memory);
    recurrence.carried.push_back(floats(cell.units));
  }
  auto step = [&](ImplicitLocOpBuilder &b, Value token, ValueRange start) -> SmallVector<Value> {
    SmallVector<Value> last(start);
    if (cell.initial)
      last[0] = withInitial(b, cell, token, last[0]);
    Value x = rowAt(b, cell.gates, token), u = transformed(b, weight, last[0], cell.bias);
    // With a projection h has another width than the units, and no step reads it.
    ValueRange carried = projection ? ValueRange(last).drop_front() : ValueRange(last);
    SmallVector<Value> made;
    Value h = mapUnits(b, cell, x, u, carried, [](const Cell::Step &s) { return s.output; });
    made.push_back(projection ? transformed(b, projection, h, {}) : h);
    if (cell.hasMemory())
      made.push_back(
          mapUnits(b, cell, x, u, carried, [](const Cell::Step &s) { return s.memory; }));
    made.push_back(mapElements(b, sizesOf(b, made[0]), result.getElementType(), made[0],
                               dimsMap(b, 1, {0}),
                               [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; }));
    return made;
  };
  return buildRecurrence(b, rowCount(b, cell.gates), recurrence, step);
}

Values LstmOp::decompose(OpBuilder &builder) { return decomposeCell(*this, builder); }
Values GruOp::decompose(OpBuilder &builder) { return decomposeCell(*this, builder); }
Values RnnOp::decompose(OpBuilder &builder) { return decomposeCell(*this, builder); }
