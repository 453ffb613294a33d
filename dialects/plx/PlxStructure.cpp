// Structure of a model: printed forms and verifiers.
#include "dialects/plx/PlxOps.h"
#include "dialects/plx/Syntax.h"
#include "dialects/plx/Verify.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::plx;

void ModelOp::build(OpBuilder &builder, OperationState &state, StringRef name) {
  state.getOrAddProperties<Properties>().sym_name = builder.getStringAttr(name);
  state.addRegion()->emplaceBlock();
}

//===--- Segment and schedule -----------------------------------------------------------------===//

template <typename Op>
static void buildFunction(OpBuilder &builder, OperationState &state, StringRef name,
                          FunctionType type) {
  auto &properties = state.getOrAddProperties<typename Op::Properties>();
  properties.sym_name = builder.getStringAttr(name);
  properties.function_type = TypeAttr::get(type);
  Block &entry = state.addRegion()->emplaceBlock();
  for (Type input : type.getInputs())
    entry.addArgument(input, state.location);
}

template <typename Op>
static ParseResult parseFunction(OpAsmParser &parser, OperationState &result) {
  auto makeType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                     function_interface_impl::VariadicFlag,
                     std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false, Op::getFunctionTypeAttrName(result.name), makeType,
      Op::getArgAttrsAttrName(result.name), Op::getResAttrsAttrName(result.name));
}

template <typename Op>
static void printFunction(OpAsmPrinter &printer, Op op) {
  function_interface_impl::printFunctionOp(printer, op, /*isVariadic=*/false,
                                           op.getFunctionTypeAttrName(), op.getArgAttrsAttrName(),
                                           op.getResAttrsAttrName());
}

void SegmentOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                      FunctionType type) {
  buildFunction<SegmentOp>(builder, state, name, type);
}
ParseResult SegmentOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseFunction<SegmentOp>(parser, result);
}
void SegmentOp::print(OpAsmPrinter &printer) { printFunction(printer, *this); }

void ScheduleOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                       FunctionType type) {
  buildFunction<ScheduleOp>(builder, state, name, type);
}
ParseResult ScheduleOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseFunction<ScheduleOp>(parser, result);
}
void ScheduleOp::print(OpAsmPrinter &printer) { printFunction(printer, *this); }

/// Upstream ops drop encodings without a word, so none of them may see one.
static LogicalResult verifyEncodings(Operation *op) {
  if (op->hasTrait<AcceptsPacked>())
    return success();
  for (auto [index, value] : llvm::enumerate(op->getOperands()))
    if (getPacked(value.getType()))
      return op->emitOpError("operand #") << index << " is a packed weight, " << value.getType()
                                          << "; only products, lookups and plx.unpack take one";
  for (auto [index, value] : llvm::enumerate(op->getResults()))
    if (getPacked(value.getType()))
      return op->emitOpError("result #") << index << " has a packed encoding, " << value.getType()
                                         << "; only plx.param makes one";
  return success();
}

LogicalResult SegmentOp::verifyRegions() {
  if (!isa_and_present<ReturnOp>(getBody().front().empty() ? nullptr : &getBody().front().back()))
    return emitOpError("must end in plx.return");
  WalkResult result = getBody().walk([](Operation *op) {
    return failed(verifyEncodings(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult ScheduleOp::verifyRegions() {
  if (getFunctionType().getNumResults())
    return emitOpError("has no results; its outputs are those of plx.outputs");
  Block &body = getBody().front();
  if (body.empty() || !isa<OutputsOp>(body.back()))
    return emitOpError("must end in plx.outputs");
  for (Operation &op : body)
    if (!isa<RunOp, OutputsOp>(op))
      return op.emitOpError("cannot stand in a schedule: only plx.run and plx.outputs can");
  return success();
}

LogicalResult ReturnOp::verify() {
  auto segment = cast<SegmentOp>((*this)->getParentOp());
  TypeRange found = getValues().getTypes();
  if (found != TypeRange(segment.getResultTypes()))
    return emitOpError("returns (")
           << found << "), expected the results of @" << segment.getSymName() << ", ("
           << segment.getResultTypes() << ")";
  return success();
}

//===--- Run ----------------------------------------------------------------------------------===//

void RunOp::build(OpBuilder &builder, OperationState &state, SegmentOp segment, ValueRange inputs,
                  std::optional<int64_t> layer, ArrayRef<float> scalars) {
  build(builder, state, segment.getResultTypes(), segment.getSymName(), inputs,
        layer ? builder.getI64IntegerAttr(*layer) : IntegerAttr(),
        scalars.empty() ? DenseF32ArrayAttr() : builder.getDenseF32ArrayAttr(scalars));
}

LogicalResult RunOp::verify() {
  if (getLayer() && static_cast<int64_t>(*getLayer()) < 0)
    return emitOpError("layer must not be negative, found ") << static_cast<int64_t>(*getLayer());
  return success();
}

/// Checks that the run says what the segment's weights and states need to know: the layer.
static LogicalResult verifyLayer(RunOp run, SegmentOp segment, SymbolTableCollection &symbols) {
  if (run.getLayer())
    return success();
  if (SmallVector<StringAttr> states = collectStates(segment); !states.empty())
    return run.emitOpError("of @") << segment.getSymName() << " needs a layer: it uses the state @"
                                   << states.front().getValue();
  for (StringAttr name : collectParams(segment)) {
    auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(run, name);
    if (weight && weight.isPerLayer())
      return run.emitOpError("of @") << segment.getSymName() << " needs a layer: the source of @"
                                     << name.getValue() << " has a {layer} hole";
  }
  return success();
}

LogicalResult RunOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto segment = symbols.lookupNearestSymbolFrom<SegmentOp>(*this, getSegmentAttr());
  if (!segment)
    return emitOpError("names no segment of the model: ") << getSegmentAttr();
  FunctionType type = segment.getFunctionType();
  if (TypeRange(getInputs()) != TypeRange(type.getInputs()))
    return emitOpError("gives (") << TypeRange(getInputs()) << ") to " << getSegmentAttr()
                                  << ", expected (" << type.getInputs() << ")";
  if (TypeRange(getOutputs()) != TypeRange(type.getResults()))
    return emitOpError("takes (") << TypeRange(getOutputs()) << ") from " << getSegmentAttr()
                                  << ", expected (" << type.getResults() << ")";
  int64_t found = getScalars() ? getScalars()->size() : 0;
  if (int64_t expected = countScalars(segment); found != expected)
    return emitOpError("gives ") << found << " scalars to " << getSegmentAttr() << ", expected "
                                 << expected;
  return verifyLayer(*this, segment, symbols);
}

//===--- Outputs ------------------------------------------------------------------------------===//

ParseResult plx::parseNamedValues(OpAsmParser &parser, ArrayAttr &names,
                                  SmallVectorImpl<OpAsmParser::UnresolvedOperand> &values,
                                  SmallVectorImpl<Type> &types) {
  SmallVector<Attribute> parsed;
  auto parseOne = [&]() -> ParseResult {
    StringAttr name;
    if (parser.parseAttribute(name) || parser.parseEqual() ||
        parser.parseOperand(values.emplace_back()))
      return failure();
    parsed.push_back(name);
    return success();
  };
  if (parser.parseCommaSeparatedList(parseOne) || parser.parseColonTypeList(types))
    return failure();
  names = parser.getBuilder().getArrayAttr(parsed);
  return success();
}

void plx::printNamedValues(OpAsmPrinter &printer, Operation *, ArrayAttr names, OperandRange values,
                           TypeRange types) {
  llvm::interleaveComma(llvm::zip(names, values), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair);
  });
  printer << " : " << types;
}

LogicalResult OutputsOp::verify() {
  if (getNames().size() != getValues().size())
    return emitOpError("has ") << getNames().size() << " names for " << getValues().size()
                               << " values";
  if (getNames().empty())
    return emitOpError("needs at least one output");
  llvm::StringSet<> seen;
  for (auto name : getNames().getAsRange<StringAttr>())
    if (!seen.insert(name.getValue()).second)
      return emitOpError("names two outputs ") << name;
  return success();
}

//===--- Weights and states -------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  return inferRecipeType(getRecipe(), getWeightType(), [&] { return emitOpError(); });
}

bool WeightOp::isPerLayer() {
  return llvm::any_of(recipeSources(getRecipe()),
                      [](StringRef name) { return name.contains("{layer}"); });
}

LogicalResult ParamOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError("names no weight of the model: ") << getWeightAttr();
  if (weight.getType() != getType())
    return emitOpError("of ") << getWeightAttr() << " has type " << getType()
                              << ", expected the weight's " << weight.getType();
  return success();
}

LogicalResult StateOp::verify() {
  auto type = dyn_cast<StateTypeInterface>(getType());
  if (!type)
    return emitOpError("must have the type of a state (such as !attn.kv), found ") << getType();
  if (!type.supportsKind(getKind()))
    return emitOpError("of kind ") << stringifyStateKind(getKind()) << " cannot hold " << getType();
  int64_t window = getWindow() ? static_cast<int64_t>(*getWindow()) : 0;
  if (getKind() == StateKind::Ring && window < 1)
    return emitOpError("of kind ring needs a window of one token or more");
  if (failed(verifyTokenCount(*this, "window", window)))
    return failure();
  if (getKind() != StateKind::Ring && getWindow())
    return emitOpError("of kind ")
           << stringifyStateKind(getKind()) << " has no window; use kind = ring";
  return success();
}

LogicalResult GetStateOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto state = symbols.lookupNearestSymbolFrom<StateOp>(*this, getStateAttr());
  if (!state)
    return emitOpError("names no state of the model: ") << getStateAttr();
  if (state.getType() != getType())
    return emitOpError("of ") << getStateAttr() << " has type " << getType()
                              << ", expected the state's " << state.getType();
  return success();
}

//===--- Taps ---------------------------------------------------------------------------------===//

namespace {
/// What hooks see: keeps taps in their order, and alive when nothing uses them.
struct TapResource : SideEffects::Resource::Base<TapResource> {
  StringRef getName() final { return "plx.tap"; }
};
} // namespace

void TapOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), TapResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), TapResource::get());
}
