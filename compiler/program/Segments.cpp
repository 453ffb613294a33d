// Segments of a model, as the program's structs.
#include "compiler/program/ProgramBuilder.h"

#include "passes/raise/Taps.h"

#include "llvm/ADT/STLExtras.h"

namespace plexus::compiler {

using namespace mlir;

namespace {

std::string text(Location location) {
  std::string out;
  llvm::raw_string_ostream(out) << location;
  return out;
}

/// Type of a segment's or schedule's value. The leading `?` is what `rows` counts.
Expected<ValueType> valueType(Operation *op, Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return failAt(op, Code::Unsupported, "values between segments are tensors");
  PLX_ASSIGN(DType dtype, readDType(op, type.getElementType()));
  ValueType out{Rows::None, {type.getShape().begin(), type.getShape().end()}, dtype};
  if (!out.shape.empty() && type.isDynamicDim(0)) {
    auto symbol = plx::sizeSymbol(value);
    if (!symbol)
      return failAt(op, Code::Internal, "the rows of a value are not known");
    static constexpr Rows kRows[] = {Rows::Tokens, Rows::Sequences, Rows::Outputs};
    out.rows = kRows[static_cast<size_t>(*symbol)];
    out.shape.erase(out.shape.begin());
  }
  if (llvm::any_of(out.shape, [](int64_t size) { return ShapedType::isDynamic(size); }))
    return failAt(op, Code::Unsupported, "only the leading dimension of a value may be dynamic");
  return out;
}

Status readTapped(plx::SegmentOp plain, plx::SegmentOp tapped, Segment &segment) {
  if (plx::collectParams(plain) != plx::collectParams(tapped) ||
      plx::collectStates(plain) != plx::collectStates(tapped))
    return failAt(tapped, Code::Internal, "its weights or states differ from the plain variant's");
  segment.tapped.emplace();
  segment.tapped->symbol = symbolOf(tapped.getName());
  segment.tapped->scratch = segment.tapped->symbol + "_scratch";
  Status status;
  tapped.walk([&](plx::TapOp tap) {
    auto type = valueType(tap, tap.getResult());
    if (!type)
      return status = type.status(), WalkResult::interrupt();
    segment.tapped->taps.push_back({tap.getName().str(), *std::move(type)});
    return WalkResult::advance();
  });
  return status;
}

} // namespace

Status failAt(Operation *op, Code code, const llvm::Twine &message) {
  return Status(code, (text(op->getLoc()) + ": " + message).str());
}

Expected<DType> readDType(Operation *op, Type type) {
  if (type.isF32())
    return DType::F32;
  if (type.isBF16())
    return DType::BF16;
  if (type.isF16())
    return DType::F16;
  if (type.isInteger(32))
    return DType::I32;
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return failAt(op, Code::Unsupported, "a value of element type " + name + " cannot be stored");
}

Status readTypes(Operation *op, ValueRange values, std::vector<ValueType> &out) {
  for (Value value : values) {
    if (isa<plx::BatchType>(value.getType()))
      continue;
    PLX_ASSIGN(ValueType type, valueType(op, value));
    out.push_back(std::move(type));
  }
  return Status::ok();
}

std::string symbolOf(llvm::StringRef segment) { return ("plx_" + segment).str(); }

Expected<Segment> readSegment(plx::ModelOp model, plx::SegmentOp op, const Program &program) {
  Segment segment;
  segment.name = op.getName().str();
  segment.symbol = symbolOf(op.getName());
  segment.scratch = segment.symbol + "_scratch";
  Block &body = op.getBody().front();
  PLX_RETURN_IF_ERROR(readTypes(op, body.getArguments(), segment.inputs));
  PLX_RETURN_IF_ERROR(readTypes(op, body.getTerminator()->getOperands(), segment.outputs));
  for (StringAttr name : plx::collectParams(op))
    segment.weights.push_back(name.str());
  for (StringAttr name : plx::collectStates(op)) {
    segment.states.push_back(program.findState(name.str()));
    if (segment.states.back() < 0)
      return failAt(op, Code::Internal, "there is no state @" + name.getValue());
  }
  segment.scalars = static_cast<int>(plx::countScalars(op));
  if (auto tapped = model.lookupSymbol<plx::SegmentOp>((op.getName() + kTappedSuffix).str()))
    PLX_RETURN_IF_ERROR(readTapped(op, tapped, segment));
  return segment;
}

} // namespace plexus::compiler
