// Generated definitions of the ops of plx, and the questions that passes ask of a model.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Syntax.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::plx;

#include "dialects/plx/PlxOpInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/plx/PlxOps.cpp.inc"

//===--- Sizes --------------------------------------------------------------------------------===//

StringRef plx::stringify(SizeSymbol symbol) {
  static constexpr StringLiteral names[] = {"T", "S", "R"};
  return names[static_cast<int>(symbol)];
}

std::optional<SizeSymbol> plx::parseSizeSymbol(StringRef text) {
  for (SizeSymbol symbol : {SizeSymbol::Tokens, SizeSymbol::Sequences, SizeSymbol::Outputs})
    if (text == stringify(symbol))
      return symbol;
  return std::nullopt;
}

static std::optional<SizeSymbol> sizeSymbolOf(BatchField field) {
  switch (field) {
  case BatchField::Past:
    return SizeSymbol::Sequences;
  case BatchField::OutputRow:
    return SizeSymbol::Outputs;
  case BatchField::TokenBegin: // S + 1
    return std::nullopt;
  default:
    return SizeSymbol::Tokens;
  }
}

static std::optional<SizeSymbol> sizeSymbolOf(BlockArgument argument) {
  auto function = dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
  if (!function)
    return std::nullopt;
  auto rows = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kRowsAttr);
  return rows ? parseSizeSymbol(rows) : SizeSymbol::Tokens;
}

static std::optional<SizeSymbol> sizeSymbolOf(RunOp run, unsigned result) {
  auto segment = SymbolTable::lookupNearestSymbolFrom<SegmentOp>(run, run.getSegmentAttr());
  if (!segment)
    return std::nullopt;
  return sizeSymbol(segment.getBody().front().getTerminator()->getOperand(result));
}

static bool hasDynamicRows(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() > 0 && type.isDynamicDim(0);
}

std::optional<SizeSymbol> plx::sizeSymbol(Value value) {
  // Iterative: a chain of producers may be long.
  while (value && hasDynamicRows(value)) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return sizeSymbolOf(argument);
    Operation *op = value.getDefiningOp();
    if (isa<SelectRowsOp>(op))
      return SizeSymbol::Outputs;
    if (isa<PoolOp>(op))
      return SizeSymbol::Sequences;
    if (isa<PositionsOp, TokenTypesOp>(op))
      return SizeSymbol::Tokens;
    if (auto field = dyn_cast<BatchFieldOp>(op))
      return sizeSymbolOf(field.getField());
    if (auto run = dyn_cast<RunOp>(op))
      return sizeSymbolOf(run, cast<OpResult>(value).getResultNumber());
    if (auto rows = dyn_cast<ResultRowsOpInterface>(op))
      return rows.getResultRows(cast<OpResult>(value).getResultNumber());
    auto operand = llvm::find_if(op->getOperands(), hasDynamicRows);
    if (operand == op->operand_end())
      return std::nullopt;
    value = *operand;
  }
  return std::nullopt;
}

//===--- Tables of a segment ------------------------------------------------------------------===//

SmallVector<StringAttr> plx::collectParams(SegmentOp segment) {
  llvm::SmallSetVector<StringAttr, 8> names;
  segment.walk([&](ParamOp op) { names.insert(op.getWeightAttr().getAttr()); });
  return names.takeVector();
}

SmallVector<StringAttr> plx::collectStates(SegmentOp segment) {
  llvm::SmallSetVector<StringAttr, 8> names;
  segment.walk([&](GetStateOp op) { names.insert(op.getStateAttr().getAttr()); });
  return names.takeVector();
}

int64_t plx::countScalars(SegmentOp segment) {
  int64_t count = 0;
  segment.walk(
      [&](ScalarOp op) { count = std::max(count, static_cast<int64_t>(op.getIndex()) + 1); });
  return count;
}
