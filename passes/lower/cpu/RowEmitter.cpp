//===- RowEmitter.cpp - the loops of one linalg op for one row --------------------------------===//
// Vector and scalar forms of a row.
//===----------------------------------------------------------------------------------------------===//
#include "passes/lower/cpu/RowEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/lower/cpu/Rows.h"
#include "passes/lower/cpu/emit/Code.h"

#include <limits>

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Vectors that a fold keeps in flight: enough to hide an addition's latency.
constexpr int64_t kAccumulators = 4;

/// Types whose vectors lie in memory as their elements do.
bool isVectorElement(Type type) { return type.isF32() || type.isBF16() || type.isF16(); }

bool dependsOn(AffineMap map, unsigned dim) {
  return llvm::any_of(map.getResults(), [&](AffineExpr expr) { return expr.isFunctionOfDim(dim); });
}

/// Whether neighbours along `dim` are neighbours in memory.
bool isContiguousAlong(AffineMap map, MemRefType type, unsigned dim) {
  if (map.getNumResults() == 0 || !isVectorElement(type.getElementType()) ||
      map.getResults().back() != getAffineDimExpr(dim, map.getContext()))
    return false;
  SmallVector<int64_t> strides;
  int64_t offset;
  return succeeded(type.getStridesAndOffset(strides, offset)) && strides.back() == 1 &&
         llvm::none_of(map.getResults().drop_back(),
                       [&](AffineExpr expr) { return expr.isFunctionOfDim(dim); });
}

/// The value that a fold begins with; NaN if `op` is none.
double identityOf(Operation *op) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (isa_and_nonnull<arith::AddFOp>(op))
    return 0;
  if (isa_and_nonnull<arith::MulFOp>(op))
    return 1;
  if (isa_and_nonnull<arith::MaximumFOp, arith::MaxNumFOp>(op))
    return -infinity;
  if (isa_and_nonnull<arith::MinimumFOp, arith::MinNumFOp>(op))
    return infinity;
  return std::numeric_limits<double>::quiet_NaN();
}

/// `x op y`, in the form of `fold`; a product may fuse into it.
Value combine(OpBuilder &builder, Operation *fold, Value x, Value y) {
  OperationState state(fold->getLoc(), fold->getName());
  state.addOperands({x, y});
  state.addTypes(x.getType());
  state.addAttribute("fastmath", arith::FastMathFlagsAttr::get(fold->getContext(),
                                                               arith::FastMathFlags::contract));
  return builder.create(state)->getResult(0);
}

} // namespace

RowEmitter::RowEmitter(OpBuilder &builder, linalg::GenericOp op, Value row,
                       function_ref<Value(Value)> rowBuffer, int64_t lanes)
    : builder(builder), loc(op.getLoc()), op(op), rowBuffer(rowBuffer), lanes(lanes) {
  indices.assign(op.getNumLoops(), Value());
  indices[0] = row;
  ranges = loopRanges(builder, op);
}

void RowEmitter::emit() {
  OpBuilder::InsertionGuard guard(builder);
  if (!planVectors())
    return emitScalars();
  enterParallel(inner);
  indices[inner] = constant(0);
  emitUniform();
  folds.empty() ? emitElements() : emitFolds();
}

//===--- Planning vectors ---------------------------------------------------------------------===//

bool RowEmitter::planVectors() {
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  if (op.getNumLoops() < 2 || reductions.size() > 1)
    return false;
  inner = reductions.empty() ? op.getNumLoops() - 1 : reductions.front();
  innerSize = op.getStaticLoopRanges()[inner];
  return innerSize > 1 && !ShapedType::isDynamic(innerSize) && planOperands() && planBody() &&
         planFolds();
}

bool RowEmitter::planOperands() {
  bool isFold = op.getNumReductionLoops() > 0;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (op.isDpsInit(&operand) && dependsOn(map, inner) == isFold)
      return false;
    if (!dependsOn(map, inner))
      continue;
    auto type = dyn_cast<MemRefType>(buffer(operand).getType());
    if (rowBuffer(operand.get())) // its map has lost the row
      map = map.dropResult(0);
    if (!type || !isContiguousAlong(map, type, inner))
      return false;
    varying.insert(op.getMatchingBlockArgument(&operand));
  }
  return true;
}

bool RowEmitter::planBody() {
  auto isVarying = [&](Value value) { return varying.contains(value); };
  if (op.getNumReductionLoops() > 0)
    varying.insert_range(op.getRegionOutputArgs());
  for (Operation &each : op.getBody()->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(each)) {
      if (index.getDim() == inner)
        return false;
      continue;
    }
    if (!llvm::any_of(each.getOperands(), isVarying)) {
      if (each.getNumRegions() > 0 || !(isMemoryEffectFree(&each) || isa<memref::LoadOp>(each)))
        return false;
      continue;
    }
    bool isElementwise = each.hasTrait<OpTrait::Elementwise>() && each.getNumResults() == 1;
    if (!isElementwise || !each.getResult(0).getType().isIntOrFloat())
      return false;
    varying.insert(each.getResult(0));
  }
  return true;
}

/// Each output of a reduction must be its accumulator combined with something that knows no
/// accumulator.
bool RowEmitter::planFolds() {
  if (op.getNumReductionLoops() == 0)
    return true;
  for (auto [accumulator, result] :
       llvm::zip(op.getRegionOutputArgs(), op.getBody()->getTerminator()->getOperands())) {
    Operation *fold = result.getDefiningOp();
    if (std::isnan(identityOf(fold)) || !accumulator.hasOneUse() || !result.hasOneUse() ||
        *accumulator.getUsers().begin() != fold || !accumulator.getType().isF32())
      return false;
    folds.push_back(fold);
  }
  return true;
}

//===--- Emitting vectors ---------------------------------------------------------------------===//

/// What the vectors have in common, as scalars.
void RowEmitter::emitUniform() {
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    if (!varying.contains(argument) && !argument.use_empty())
      uniform.map(argument, load(operand));
  }
  for (Operation &each : op.getBody()->without_terminator())
    if (auto index = dyn_cast<linalg::IndexOp>(each))
      uniform.map(index.getResult(), indices[index.getDim()]);
    else if (llvm::none_of(each.getResults(), [&](Value v) { return varying.contains(v); }))
      cloneWithFastMath(each, uniform);
}

Value RowEmitter::widened(Value value, int64_t width) {
  if (isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(builder, loc, VectorType::get({width}, value.getType()),
                                     value);
}

/// The body at [at, at + width) of the inner loop: what is yielded, or for folds what is folded in.
RowEmitter::Values RowEmitter::vectorBody(int64_t width, Value at) {
  IRMapping mapping = uniform;
  indices[inner] = at;
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    bool isAccumulator = !folds.empty() && op.isDpsInit(&operand);
    if (isAccumulator || !varying.contains(argument) || argument.use_empty())
      continue;
    auto type = VectorType::get({width}, argument.getType());
    mapping.map(argument,
                vector::LoadOp::create(builder, loc, type, buffer(operand), position(operand)));
  }
  for (Operation &each : op.getBody()->without_terminator()) {
    if (each.getNumResults() != 1 || !varying.contains(each.getResult(0)) ||
        llvm::is_contained(folds, &each))
      continue;
    for (Value operand : each.getOperands())
      mapping.map(operand, widened(mapping.lookupOrDefault(operand), width));
    Value result = cloneWithFastMath(each, mapping)->getResult(0);
    result.setType(VectorType::get({width}, each.getResult(0).getType()));
  }
  Values results;
  for (auto [number, value] : llvm::enumerate(op.getBody()->getTerminator()->getOperands())) {
    if (!folds.empty()) {
      bool first = folds[number]->getOperand(0) == op.getRegionOutputArgs()[number];
      value = folds[number]->getOperand(first ? 1 : 0);
    }
    results.push_back(widened(mapping.lookupOrDefault(value), width));
  }
  return results;
}

void RowEmitter::emitElements() {
  emit::Code code{builder, loc};
  code.pieces(innerSize, lanes, [&](Value at, VectorType type) {
    Values results = vectorBody(type.getNumElements(), at);
    for (auto [output, result] : llvm::zip(op.getDpsInitsMutable(), results))
      vector::StoreOp::create(builder, loc, result, buffer(output), position(output));
  });
}

/// `sums` with [at, at + width) folded in; a short piece is filled up with what changes nothing.
RowEmitter::Values RowEmitter::foldPieces(int64_t width, Value at, ValueRange sums) {
  emit::Code code{builder, loc};
  Values next;
  for (auto [sum, value, fold] : llvm::zip_equal(sums, vectorBody(width, at), folds)) {
    Value whole = value;
    if (width < lanes)
      whole = vector::InsertStridedSliceOp::create(
          builder, loc, value, code.constant(sum.getType(), identityOf(fold)), {0}, {1});
    next.push_back(combine(builder, fold, sum, whole));
  }
  return next;
}

void RowEmitter::emitFolds() {
  emit::Code code{builder, loc};
  int64_t count = folds.size(), vectors = innerSize / lanes;
  int64_t inFlight = std::clamp<int64_t>(vectors, 1, kAccumulators);
  Values sums; // [inFlight][count]
  for (int64_t i = 0; i < inFlight * count; ++i)
    sums.push_back(code.constant(code.floats(lanes), identityOf(folds[i % count])));
  int64_t step = inFlight * lanes, full = innerSize / step * step;
  if (full > 0)
    sums =
        code.loop(code.index(0), code.index(full), step, sums, [&](Value at, ValueRange carried) {
          Values next;
          for (int64_t i = 0; i < inFlight; ++i)
            llvm::append_range(
                next, foldPieces(lanes, code.add(at, i * lanes), carried.slice(i * count, count)));
          return next;
        });
  Values total(ArrayRef(sums).take_front(count));
  for (int64_t i = 1; i < inFlight; ++i)
    for (int64_t j = 0; j < count; ++j)
      total[j] = combine(builder, folds[j], total[j], sums[i * count + j]);
  for (int64_t at = full; at < innerSize; at += lanes)
    total = foldPieces(std::min(lanes, innerSize - at), code.index(at), total);
  for (auto [output, sum, fold] : llvm::zip_equal(op.getDpsInitsMutable(), total, folds)) {
    Value result = combine(builder, fold, load(output), reduced(fold, sum));
    memref::StoreOp::create(builder, loc, result, buffer(output), position(output));
  }
}

/// Folds the lanes of a vector, halves first. `lanes` is a power of two.
Value RowEmitter::reduced(Operation *fold, Value vector) {
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    auto part = [&](int64_t from) {
      return vector::ExtractStridedSliceOp::create(builder, loc, vector, {from}, {half}, {1});
    };
    vector = combine(builder, fold, part(0), part(half));
  }
  return vector::ExtractOp::create(builder, loc, vector, ArrayRef<int64_t>{0});
}

//===--- Emitting scalars ---------------------------------------------------------------------===//

void RowEmitter::emitScalars() {
  SmallVector<unsigned> reduction;
  op.getReductionDims(reduction);
  enterParallel(std::nullopt);
  Values sums;
  for (OpOperand &output : op.getDpsInitsMutable())
    sums.push_back(needsInit(output) ? load(output) : Value());
  sums = reduction.empty() ? body(sums) : reduce(reduction, sums);
  for (auto [output, value] : llvm::zip(op.getDpsInitsMutable(), sums))
    memref::StoreOp::create(builder, loc, value, buffer(output), position(output));
}

bool RowEmitter::needsInit(OpOperand &output) {
  return !op.getMatchingBlockArgument(&output).use_empty() || op.getNumReductionLoops() > 0;
}

void RowEmitter::enter(unsigned dim) {
  auto loop = scf::ForOp::create(builder, loc, constant(0), ranges[dim], constant(1));
  indices[dim] = loop.getInductionVar();
  builder.setInsertionPointToStart(loop.getBody());
}

/// Nested loops over `dims`, which carry the sums.
RowEmitter::Values RowEmitter::reduce(ArrayRef<unsigned> dims, ArrayRef<Value> sums) {
  auto loop =
      scf::ForOp::create(builder, loc, constant(0), ranges[dims.front()], constant(1), sums);
  indices[dims.front()] = loop.getInductionVar();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Values carried(loop.getRegionIterArgs());
  Values next = dims.size() > 1 ? reduce(dims.drop_front(), carried) : body(carried);
  scf::YieldOp::create(builder, loc, next);
  return llvm::to_vector_of<Value>(loop.getResults());
}

/// The op's body at the current indices.
RowEmitter::Values RowEmitter::body(ArrayRef<Value> sums) {
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (!argument.use_empty())
      mapping.map(argument, load(*input));
  }
  for (auto [output, sum] : llvm::zip(op.getDpsInitsMutable(), sums))
    if (sum)
      mapping.map(op.getMatchingBlockArgument(&output), sum);
  for (Operation &each : op.getBody()->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(each))
      mapping.map(index.getResult(), indices[index.getDim()]);
    else
      cloneWithFastMath(each, mapping);
  }
  Values results;
  for (Value value : op.getBody()->getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(value));
  return results;
}

/// Products may fuse into sums everywhere; the sums of a reduction may be split over lanes.
Operation *RowEmitter::cloneWithFastMath(Operation &original, IRMapping &mapping) {
  Operation *clone = builder.clone(original, mapping);
  auto math = dyn_cast<arith::ArithFastMathInterface>(clone);
  if (!math)
    return clone;
  auto flags = arith::FastMathFlags::contract;
  bool combines =
      op.getNumReductionLoops() > 0 && llvm::any_of(original.getOperands(), [&](Value operand) {
        auto argument = dyn_cast<BlockArgument>(operand);
        return argument && argument.getOwner() == op.getBody() &&
               argument.getArgNumber() >= op.getNumDpsInputs();
      });
  if (combines)
    flags = flags | arith::FastMathFlags::reassoc;
  auto old = math.getFastMathFlagsAttr();
  clone->setAttr(
      math.getFastMathAttrName(),
      arith::FastMathFlagsAttr::get(clone->getContext(),
                                    flags | (old ? old.getValue() : arith::FastMathFlags::none)));
  return clone;
}

//===--- Both ---------------------------------------------------------------------------------===//

/// Loops over the parallel dimensions beside the row.
void RowEmitter::enterParallel(std::optional<unsigned> except) {
  auto iterators = op.getIteratorTypesArray();
  for (unsigned dim = 1; dim < op.getNumLoops(); ++dim)
    if (iterators[dim] == utils::IteratorType::parallel && dim != except)
      enter(dim);
}

Value RowEmitter::load(OpOperand &operand) {
  if (!isa<MemRefType>(operand.get().getType()))
    return operand.get();
  return memref::LoadOp::create(builder, loc, buffer(operand), position(operand));
}

Value RowEmitter::buffer(OpOperand &operand) {
  Value row = rowBuffer(operand.get());
  return row ? row : operand.get();
}

/// The operand's indices; a one-row buffer has none for the row.
RowEmitter::Values RowEmitter::position(OpOperand &operand) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  ArrayRef<AffineExpr> exprs = map.getResults();
  if (rowBuffer(operand.get()))
    exprs = exprs.drop_front();
  Values result;
  for (AffineExpr expr : exprs)
    result.push_back(emitIndex(builder, loc, expr, indices));
  return result;
}

Value RowEmitter::constant(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

} // namespace plexus::compiler
