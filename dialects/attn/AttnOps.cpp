// Attention and its state: printed forms, shapes, effects, checks.
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/Verify.h"

using namespace mlir;
using namespace mlir::attn;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Checks that `value` is [T, heads, dim] with the given static sizes.
static LogicalResult verifyHeads(Operation *op, StringRef name, Value value, int64_t heads,
                                 int64_t dim) {
  if (failed(plx::verifyEqual(op, name, "heads", shapeOf(value)[1], heads)))
    return failure();
  return plx::verifyEqual(op, name, "head size", shapeOf(value)[2], dim);
}

static LogicalResult verifyRope(Operation *op, RopeAttr rope, Value turned) {
  if (rope && rope.getDims() > shapeOf(turned)[2])
    return op->emitOpError("'rope' turns ")
           << rope.getDims() << " entries of a head of " << shapeOf(turned)[2];
  return success();
}

//===--- Rope and KV write --------------------------------------------------------------------===//

LogicalResult RopeOp::verify() { return verifyRope(*this, getRope(), getInput()); }

LogicalResult KVWriteOp::verify() {
  KVType state = getState().getType();
  if (failed(verifyHeads(*this, "key", getKey(), state.getHeads(), state.getKeyDim())) ||
      failed(verifyHeads(*this, "value", getValue(), state.getHeads(), state.getValueDim())))
    return failure();
  if (state.getRope() && getRope() != state.getRope())
    return emitOpError("'state' keeps keys as they are before its rope, which must be the op's");
  return verifyRope(*this, getRope().value_or(RopeAttr()), getKey());
}

void KVWriteOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Write::get(), &getStateMutable());
}

//===--- Attention ----------------------------------------------------------------------------===//

/// Operands are `query, state, batch` or `query, key, value, batch`; types as a function type.
ParseResult AttentionOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand, 4> operands;
  FunctionType type;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOperandList(operands) || parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(type))
    return failure();
  if (operands.size() != 3 && operands.size() != 4)
    return parser.emitError(loc,
                            "expected 'query, state, batch' or 'query, key, value, batch', found ")
           << operands.size() << " operands";
  bool overState = operands.size() == 3;
  auto &segments = result.getOrAddProperties<Properties>().operandSegmentSizes;
  llvm::copy(overState ? std::array<int32_t, 5>{1, 1, 0, 0, 1}
                       : std::array<int32_t, 5>{1, 0, 1, 1, 1},
             segments.begin());
  result.addTypes(type.getResults());
  return parser.resolveOperands(operands, type.getInputs(), loc, result.operands);
}

void AttentionOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getOperands();
  SmallVector<StringRef> elided = {getOperandSegmentSizesAttrName()};
  if (getWindow() == 0)
    elided.push_back(getWindowAttrName());
  printer.printOptionalAttrDict((*this)->getAttrs(), elided);
  printer << " : ";
  printer.printFunctionalType(*this);
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                            AttentionOp::Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto query = dyn_cast<RankedTensorType>(adaptor.getQuery().getType());
  if (!query || query.getRank() != 3)
    return failure();
  int64_t valueDim;
  if (adaptor.getState()) {
    auto state = dyn_cast<KVType>(adaptor.getState().getType());
    if (!state)
      return failure();
    valueDim = state.getValueDim();
  } else {
    auto value = adaptor.getValue() ? dyn_cast<RankedTensorType>(adaptor.getValue().getType())
                                    : RankedTensorType();
    if (!value || value.getRank() != 3)
      return failure();
    valueDim = value.getDimSize(2);
  }
  types.push_back(RankedTensorType::get({query.getDimSize(0), query.getDimSize(1), valueDim},
                                        query.getElementType()));
  return success();
}

void AttentionOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (getState())
    effects.emplace_back(MemoryEffects::Read::get(), &getStateMutable()[0]);
}

/// Checks the sizes of what is attended to; returns the number of key heads.
static FailureOr<int64_t> verifyMemory(AttentionOp op) {
  if (op.getState() ? (op.getKey() || op.getValue()) : (!op.getKey() || !op.getValue()))
    return op.emitOpError("needs either a 'state' or both 'key' and 'value'");
  int64_t keyDim = shapeOf(op.getQuery())[2];
  if (op.getState()) {
    KVType state = op.getState().getType();
    if (failed(plx::verifyEqual(op, "state", "key size", state.getKeyDim(), keyDim)))
      return failure();
    return state.getHeads();
  }
  int64_t heads = shapeOf(op.getKey())[1];
  if (failed(plx::verifyEqual(op, "key", "head size", shapeOf(op.getKey())[2], keyDim)) ||
      failed(plx::verifyEqual(op, "value", "heads", shapeOf(op.getValue())[1], heads)))
    return failure();
  return heads;
}

LogicalResult AttentionOp::verify() {
  FailureOr<int64_t> keyHeads = verifyMemory(*this);
  if (failed(keyHeads))
    return failure();
  int64_t heads = shapeOf(getQuery())[1];
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(shapeOf(getQuery())[2]))
    return emitOpError("'query' must have static heads and head size, found ")
           << getQuery().getType();
  if (*keyHeads < 1 || heads % *keyHeads)
    return emitOpError("'query' has ")
           << heads << " heads, expected a multiple of the " << *keyHeads << " key heads";
  if (failed(plx::verifyTokenCount(*this, "window", getWindow())))
    return failure();
  if (getSoftcap() && (getSoftcap()->isNegative() || getSoftcap()->isZero()))
    return emitOpError("'softcap' must be positive, found ") << getSoftcap()->convertToDouble();
  return verifyRope(*this, getRope().value_or(RopeAttr()), getQuery());
}

//===--- Accessors ----------------------------------------------------------------------------===//

template <typename Op>
static LogicalResult verifyView(Op op, int64_t dim) {
  auto expected = RankedTensorType::get(
      {ShapedType::kDynamic, ShapedType::kDynamic, op.getState().getType().getHeads(), dim},
      Float32Type::get(op.getContext()));
  if (op.getType() != expected)
    return op.emitOpError("'result' has type ") << op.getType() << ", expected " << expected;
  return success();
}

LogicalResult KVKeysOp::verify() { return verifyView(*this, getState().getType().getKeyDim()); }
LogicalResult KVValuesOp::verify() { return verifyView(*this, getState().getType().getValueDim()); }

void KVKeysOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getStateMutable());
}
void KVValuesOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), &getStateMutable());
}

LogicalResult VisibleOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                          VisibleOp::Adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic},
                                        IntegerType::get(context, 1)));
  return success();
}

LogicalResult VisibleOp::verify() { return plx::verifyTokenCount(*this, "window", getWindow()); }

#define GET_OP_CLASSES
#include "dialects/attn/AttnOps.cpp.inc"
