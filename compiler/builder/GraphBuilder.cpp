// Values, segments and schedules of a graph under construction. Weights and recipes: Weights.cpp.
#include "compiler/builder/GraphBuilder.h"

#include "compiler/builder/Ops.h"
#include "dialects/attn/AttnOps.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace plexus::compiler {

static constexpr int32_t kFailed = PLX_NO_VALUE;

/// What diagnostics and the report call an op: its name, and the weights that it reads.
static Location sourceLocation(Builder &b, llvm::StringRef name, ValueRange operands) {
  std::string text = name.str();
  for (Value operand : operands)
    if (auto param = operand ? operand.getDefiningOp<plx::ParamOp>() : plx::ParamOp())
      text += " @" + param.getWeight().str();
  return NameLoc::get(b.getStringAttr(text));
}

void GraphBuilder::fail(Code code, const std::string &message) {
  if (error.isOk())
    error = Status(code, where() + message);
}

std::string GraphBuilder::where() const {
  if (!open)
    return "";
  auto name = SymbolTable::getSymbolName(open).getValue().str();
  return (isa<plx::ScheduleOp>(open) ? "schedule '" : "segment '") + name + "': ";
}

bool GraphBuilder::needOpen(bool schedule) {
  if (!ok())
    return false;
  if (open && isa<plx::ScheduleOp>(open) == schedule)
    return true;
  fail(Code::InvalidArgument,
       schedule ? "no schedule is being built" : "no segment is being built");
  return false;
}

plx_value GraphBuilder::addValue(Value v) {
  values.push_back(v);
  return static_cast<plx_value>(values.size() - 1);
}

bool GraphBuilder::lookup(plx_value id, Value &out) {
  if (id < 0 || static_cast<size_t>(id) >= values.size()) {
    fail(Code::InvalidArgument, "value " + std::to_string(id) +
                                    " does not exist here; values live in one segment or schedule");
    return false;
  }
  out = values[id];
  return true;
}

bool GraphBuilder::lookupAll(llvm::ArrayRef<plx_value> ids, llvm::SmallVectorImpl<Value> &out,
                             bool &whole) {
  for (plx_value id : ids) {
    if (!lookup(id, out.emplace_back()))
      return false;
    whole &= out.back() != nullptr;
  }
  return true;
}

std::optional<FunctionType> GraphBuilder::argTypes(llvm::ArrayRef<const plx_arg_desc *> args) {
  llvm::SmallVector<Type> types;
  for (const plx_arg_desc *a : args) {
    if (!a || !a->dtype || (a->rank && !a->shape) || a->rank > 8 || a->rows < PLX_ROWS_NONE ||
        a->rows > PLX_ROWS_OUTPUTS) {
      fail(Code::InvalidArgument, "malformed argument description");
      return std::nullopt;
    }
    llvm::StringRef dtype(a->dtype);
    if (dtype != "F32" && dtype != "I32") {
      fail(Code::Unsupported, "argument type " + dtype.str() + "; known are F32, I32");
      return std::nullopt;
    }
    llvm::SmallVector<int64_t> shape;
    if (a->rows != PLX_ROWS_NONE)
      shape.push_back(ShapedType::kDynamic);
    for (size_t i = 0; i < a->rank; ++i) {
      if (a->shape[i] <= 0) {
        fail(Code::InvalidArgument,
             "argument dimension " + std::to_string(a->shape[i]) + " is not positive");
        return std::nullopt;
      }
      shape.push_back(a->shape[i]);
    }
    types.push_back(
        RankedTensorType::get(shape, dtype == "F32" ? Type(b.getF32Type()) : Type(b.getI32Type())));
  }
  types.push_back(plx::BatchType::get(&context));
  return FunctionType::get(&context, types, {});
}

template <typename OpT>
OpT GraphBuilder::begin(llvm::StringRef name, FunctionType type,
                        llvm::ArrayRef<const plx_arg_desc *> args) {
  b.setInsertionPointToEnd(model.getBody().empty() ? &model.getBody().emplaceBlock()
                                                   : &model.getBody().front());
  auto op = OpT::create(b, b.getUnknownLoc(), name, type);
  for (auto [i, a] : llvm::enumerate(args))
    if (a->rows == PLX_ROWS_SEQUENCES || a->rows == PLX_ROWS_OUTPUTS)
      op.setArgAttr(i, plx::kRowsAttr, b.getStringAttr(a->rows == PLX_ROWS_SEQUENCES ? "S" : "R"));
  open = op;
  values.clear();
  for (Value arg : op.getBody().front().getArguments())
    addValue(arg);
  b.setInsertionPointToEnd(&op.getBody().front());
  return op;
}

int32_t GraphBuilder::segmentBegin(llvm::StringRef name, llvm::ArrayRef<const plx_arg_desc *> args,
                                   plx_value *out, plx_value *batch) {
  if (!ok())
    return kFailed;
  if (open)
    return fail(Code::InvalidArgument, "segment '" + name.str() + "' begins before this one ended"),
           kFailed;
  if (segments.count(name.str()))
    return fail(Code::InvalidArgument, "segment '" + name.str() + "' is built twice"), kFailed;
  auto type = argTypes(args);
  if (!type)
    return kFailed;
  segments[name.str()] = begin<plx::SegmentOp>(name, *type, args);
  for (size_t i = 0; i < args.size(); ++i)
    out[i] = static_cast<plx_value>(i);
  *batch = static_cast<plx_value>(args.size());
  return static_cast<int32_t>(args.size());
}

/// Creates an op and verifies it; on failure erases it and reports the verifier's words.
Operation *GraphBuilder::createVerified(OperationState &state) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    if (text.empty())
      text = d.str();
    return success();
  });
  Operation *op = b.create(state);
  if (succeeded(verify(op, /*verifyRecursively=*/false)))
    return op;
  op->erase();
  llvm::StringRef message(text);
  message.consume_front("'" + state.name.getStringRef().str() + "' op ");
  fail(Code::Mismatch, state.name.getStringRef().str() + ": " + message.str());
  return nullptr;
}

int32_t GraphBuilder::storeResults(Operation *op, plx_value *results, size_t capacity) {
  if (!op)
    return kFailed;
  if (op->getNumResults() > capacity)
    return fail(Code::InvalidArgument, "room for " + std::to_string(capacity) + " results, " +
                                           std::to_string(op->getNumResults()) + " needed"),
           kFailed;
  for (auto [i, v] : llvm::enumerate(op->getResults()))
    results[i] = addValue(v);
  return static_cast<int32_t>(op->getNumResults());
}

int32_t GraphBuilder::op(llvm::StringRef name, llvm::ArrayRef<plx_value> operands,
                         llvm::ArrayRef<const plx_attr *> attrs, plx_value *results,
                         size_t capacity) {
  if (!needOpen(false))
    return kFailed;
  llvm::SmallVector<Value> in;
  bool whole = true;
  for (plx_value id : operands) {
    bool absent = id == PLX_NO_VALUE && takesAbsent(name);
    if (!absent && !lookup(id, in.emplace_back()))
      return kFailed;
    if (absent)
      in.emplace_back();
    else
      whole &= in.back() != nullptr;
  }
  if (!whole) { // Made from a missing weight: the import reports that.
    for (size_t i = 0; i < capacity; ++i)
      results[i] = addValue({});
    return static_cast<int32_t>(capacity);
  }
  llvm::StringRef ir = irName(name);
  OperationState state(sourceLocation(b, name, in), ir.empty() ? "plx.unknown" : ir);
  if (Status s = buildOp(state, name, in, attrs); !s.isOk())
    return fail(s.code(), name.str() + ": " + s.message()), kFailed;
  return storeResults(createVerified(state), results, capacity);
}

int32_t GraphBuilder::segmentEnd(llvm::ArrayRef<plx_value> results) {
  if (!needOpen(false))
    return kFailed;
  auto segment = cast<plx::SegmentOp>(open);
  llvm::SmallVector<Value> out;
  for (plx_value id : results) {
    Value v;
    if (!lookup(id, v))
      return kFailed;
    if (v)
      out.push_back(v);
  }
  if (out.size() != results.size()) { // A weight is missing; the segment cannot be finished.
    segments[segment.getSymName().str()] = nullptr;
    segment.erase();
  } else {
    auto types = llvm::to_vector(ValueRange(out).getTypes());
    segment.setFunctionType(FunctionType::get(&context, segment.getArgumentTypes(), types));
    plx::ReturnOp::create(b, b.getUnknownLoc(), out);
  }
  open = nullptr;
  values.clear();
  return 0;
}

int32_t GraphBuilder::shape(plx_value id, int64_t *dims, size_t capacity) {
  Value v;
  if (!ok() || !lookup(id, v))
    return kFailed;
  auto type = v ? dyn_cast<RankedTensorType>(v.getType()) : RankedTensorType();
  if (!type)
    return 0;
  for (auto [i, d] : llvm::enumerate(type.getShape()))
    if (i < capacity)
      dims[i] = ShapedType::isDynamic(d) ? -1 : d;
  return static_cast<int32_t>(type.getRank());
}

int32_t GraphBuilder::scheduleBegin(llvm::StringRef name, llvm::ArrayRef<const char *> inputNames,
                                    llvm::ArrayRef<const plx_arg_desc *> args, plx_value *out) {
  if (!ok())
    return kFailed;
  if (open)
    return fail(Code::InvalidArgument,
                "schedule '" + name.str() + "' begins before this one ended"),
           kFailed;
  auto type = argTypes(args);
  if (!type)
    return kFailed;
  auto schedule = begin<plx::ScheduleOp>(name, *type, args);
  for (auto [i, input] : llvm::enumerate(inputNames))
    schedule.setArgAttr(i, plx::kNameAttr, b.getStringAttr(input));
  hiddenValues.clear();
  for (size_t i = 0; i < args.size(); ++i)
    out[i] = static_cast<plx_value>(i);
  return static_cast<int32_t>(args.size());
}

int32_t GraphBuilder::run(llvm::StringRef segment, int64_t layer,
                          llvm::ArrayRef<plx_value> operands, llvm::ArrayRef<float> scalars,
                          plx_value *results, size_t capacity) {
  if (!needOpen(true))
    return kFailed;
  auto it = segments.find(segment.str());
  if (it == segments.end())
    return fail(Code::NotFound, "no segment '" + segment.str() + "' was built"), kFailed;
  llvm::SmallVector<Value> in;
  bool whole = it->second != nullptr;
  if (!lookupAll(operands, in, whole))
    return kFailed;
  if (!whole) {
    for (size_t i = 0; i < capacity; ++i)
      results[i] = addValue({});
    return static_cast<int32_t>(capacity);
  }
  auto schedule = cast<plx::ScheduleOp>(open);
  in.push_back(schedule.getBody().front().getArguments().back());
  auto loc = NameLoc::get(b.getStringAttr(
      layer < 0 ? segment.str() : segment.str() + " of layer " + std::to_string(layer)));
  OperationState state(loc, plx::RunOp::getOperationName());
  plx::RunOp::build(b, state, cast<plx::SegmentOp>(it->second), in,
                    layer < 0 ? std::nullopt : std::optional<int64_t>(layer), scalars);
  return storeResults(createVerified(state), results, capacity);
}

int32_t GraphBuilder::hidden(llvm::ArrayRef<plx_value> ids) {
  if (!needOpen(true))
    return kFailed;
  hiddenValues.assign(ids.begin(), ids.end());
  return 0;
}

int32_t GraphBuilder::scheduleEnd(llvm::ArrayRef<const char *> names,
                                  llvm::ArrayRef<plx_value> outputs) {
  if (!needOpen(true))
    return kFailed;
  llvm::SmallVector<Attribute> outNames;
  llvm::SmallVector<Value> out;
  auto add = [&](const std::string &name, plx_value id) {
    Value v;
    if (lookup(id, v) && v) {
      outNames.push_back(b.getStringAttr(name));
      out.push_back(v);
    }
  };
  for (auto [name, id] : llvm::zip_equal(names, outputs))
    add(name, id);
  for (auto [i, id] : llvm::enumerate(hiddenValues))
    add("hidden_states." + std::to_string(i), id);
  if (!ok())
    return kFailed;
  plx::OutputsOp::create(b, b.getUnknownLoc(), b.getArrayAttr(outNames), out);
  open = nullptr;
  values.clear();
  return 0;
}

int32_t GraphBuilder::info(llvm::StringRef key, Attribute value) {
  if (!ok())
    return kFailed;
  static const llvm::StringRef known[] = {
      "task", "context", "layers", "hidden_size", "vocab_size", "token_types", "position_padding"};
  if (!llvm::is_contained(known, key))
    return fail(Code::Unsupported, "unknown fact '" + key.str() + "' about the model"), kFailed;
  model->setAttr(key, value);
  return 0;
}

Expected<OwningOpRef<ModuleOp>> GraphBuilder::finish() {
  if (ok() && open)
    fail(Code::InvalidArgument, "it was never ended");
  if (!ok())
    return error;
  if (!missing.empty()) {
    std::string list;
    for (const std::string &name : missing)
      list += "\n  " + name;
    return plexus::error(Code::NotFound) << "weights that are not there:" << list;
  }
  checkLayers();
  if (!ok())
    return error;
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    llvm::raw_string_ostream os(text);
    os << (text.empty() ? "" : "; ") << d.str();
    return success();
  });
  if (failed(verify(*module)))
    return plexus::error(Code::Mismatch) << "the graph is not valid: " << text;
  return std::move(module);
}

} // namespace plexus::compiler
