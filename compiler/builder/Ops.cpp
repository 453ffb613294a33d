// Turns builder calls into ops by the dialects' tables (ops/).
#include "compiler/builder/Ops.h"

#include "compiler/builder/OpTable.h"
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/PlxOps.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Calls fn with every row of every dialect.
void eachRow(llvm::function_ref<void(const OpRow &)> fn) {
  for (const std::vector<OpRow> *rows :
       {&plxRows(), &attnRows(), &convRows(), &kanRows(), &ssmRows(), &brainRows()})
    for (const OpRow &row : *rows)
      fn(row);
}

const OpRow *findRow(llvm::StringRef name) {
  static const llvm::StringMap<const OpRow *> index = [] {
    llvm::StringMap<const OpRow *> made;
    eachRow([&](const OpRow &row) { made[row.name] = &row; });
    return made;
  }();
  return index.lookup(name);
}

const plx_attr *findAttr(llvm::ArrayRef<const plx_attr *> attrs, llvm::StringRef name) {
  for (const plx_attr *a : attrs)
    if (name == a->name)
      return a;
  return nullptr;
}

bool kindFits(Kind kind, const plx_attr &a) {
  switch (kind) {
  case Kind::I64:
    return a.kind == PLX_ATTR_INT;
  case Kind::F32:
  case Kind::F64:
  case Kind::Positive:
    return a.kind == PLX_ATTR_FLOAT || a.kind == PLX_ATTR_INT;
  case Kind::Unit:
    return a.kind == PLX_ATTR_BOOL;
  case Kind::Enum:
  case Kind::String:
    return a.kind == PLX_ATTR_STRING && a.s;
  case Kind::Rope:
    return true;
  case Kind::I64s:
  case Kind::F64s:
  case Kind::Ignored:
    return a.kind == PLX_ATTR_INTS;
  case Kind::F32s:
    return a.kind == PLX_ATTR_FLOATS;
  }
  return false;
}

double number(const plx_attr &a) { return a.kind == PLX_ATTR_INT ? double(a.i) : a.f; }

/// The IR attribute of one builder attribute; null for a false flag. Keywords that do not exist are
/// refused.
Expected<Attribute> convert(Builder &b, const AttrRow &row, const plx_attr &a) {
  switch (row.kind) {
  case Kind::I64:
    return Attribute(b.getI64IntegerAttr(a.i));
  case Kind::F32:
    return Attribute(b.getF32FloatAttr(number(a)));
  case Kind::F64:
    return Attribute(b.getF64FloatAttr(number(a)));
  case Kind::Positive:
    return number(a) > 0 ? Attribute(b.getF32FloatAttr(number(a))) : Attribute();
  case Kind::Unit:
    return a.i ? Attribute(b.getUnitAttr()) : Attribute();
  case Kind::String:
    return Attribute(b.getStringAttr(a.s));
  case Kind::I64s:
    return Attribute(b.getDenseI64ArrayAttr({a.ints, a.count}));
  case Kind::F32s:
    return Attribute(b.getDenseF32ArrayAttr({a.floats, a.count}));
  case Kind::F64s: {
    llvm::SmallVector<double> values;
    for (int64_t bits : llvm::ArrayRef(a.ints, a.count))
      values.push_back(llvm::bit_cast<double>(bits));
    return Attribute(b.getDenseF64ArrayAttr(values));
  }
  case Kind::Enum:
    if (Attribute value = row.parse(b.getContext(), a.s))
      return value;
    return error(Code::Unsupported)
           << "unknown " << a.name << " '" << a.s << "'; known are " << row.known;
  case Kind::Rope:
  case Kind::Ignored:
    return Attribute();
  }
  return Attribute();
}

/// A list of frequencies as a table, null where it is absent.
Expected<DenseElementsAttr> frequencies(Builder &b, llvm::ArrayRef<const plx_attr *> attrs,
                                        const char *name, int64_t dims) {
  const plx_attr *list = findAttr(attrs, name);
  if (!list)
    return DenseElementsAttr();
  if (list->kind != PLX_ATTR_FLOATS)
    return error(Code::InvalidArgument) << "rope needs " << name << " as floats";
  if (static_cast<int64_t>(list->count) * 2 != dims)
    return error(Code::InvalidArgument) << "rope over " << dims << " dims needs " << dims / 2
                                        << " frequencies in " << name << ", got " << list->count;
  auto type = RankedTensorType::get({static_cast<int64_t>(list->count)}, b.getF32Type());
  return DenseElementsAttr::get(type, llvm::ArrayRef<float>(list->floats, list->count));
}

Expected<Attribute> ropeAttr(Builder &b, llvm::ArrayRef<const plx_attr *> attrs) {
  const plx_attr *dims = findAttr(attrs, "dims");
  if (dims->kind != PLX_ATTR_INT)
    return error(Code::InvalidArgument) << "rope needs dims as an int";
  PLX_ASSIGN(auto invFreq, frequencies(b, attrs, "inv_freq", dims->i));
  PLX_ASSIGN(auto longInvFreq, frequencies(b, attrs, "long_inv_freq", dims->i));
  const plx_attr *scaling = findAttr(attrs, "attention_scaling"),
                 *interleaved = findAttr(attrs, "interleaved"),
                 *context = findAttr(attrs, "original_context"),
                 *ntk = findAttr(attrs, "ntk_factor");
  std::string problem;
  ScopedDiagnosticHandler handler(b.getContext(), [&](Diagnostic &d) {
    problem = d.str();
    return success();
  });
  Attribute rope = attn::RopeAttr::getChecked(
      [&] { return emitError(b.getUnknownLoc()); }, b.getContext(), dims->i, invFreq,
      interleaved && interleaved->i, b.getF32FloatAttr(scaling ? number(*scaling) : 1.0),
      longInvFreq, context ? context->i : 0, ntk ? b.getF32FloatAttr(number(*ntk)) : FloatAttr());
  if (!rope)
    return error(Code::InvalidArgument) << problem;
  return rope;
}

/// The leading dims of `type` with `last` as the last one.
Type withLast(RankedTensorType type, int64_t last) {
  llvm::SmallVector<int64_t> shape(type.getShape());
  if (!shape.empty())
    shape.back() = last;
  return RankedTensorType::get(shape, type.getElementType());
}

/// The result's type, or null where operands and attributes do not allow one; the op's verifier has
/// the last word.
Type resultType(Builder &b, Result rule, llvm::ArrayRef<Value> operands,
                llvm::ArrayRef<const plx_attr *> attrs) {
  auto tensor = [&](size_t i) {
    return i < operands.size() ? llvm::dyn_cast<RankedTensorType>(operands[i].getType())
                               : RankedTensorType();
  };
  auto first = tensor(0);
  if (rule == Result::Scalar)
    return b.getF32Type();
  if (rule == Result::Indices)
    return RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  if (!first || first.getRank() == 0)
    return {};
  switch (rule) {
  case Result::Same:
  case Result::Rows:
    return first;
  case Result::Linear:
    return tensor(1) && tensor(1).getRank() == 2 ? withLast(first, tensor(1).getDimSize(0))
                                                 : Type();
  case Result::Embedding:
    return tensor(1) && tensor(1).getRank() == 2
               ? RankedTensorType::get({first.getDimSize(0), tensor(1).getDimSize(1)},
                                       b.getF32Type())
               : Type();
  case Result::Slice:
    return withLast(first, findAttr(attrs, "size")->i);
  case Result::Reshape: {
    const plx_attr *shape = findAttr(attrs, "shape");
    llvm::SmallVector<int64_t> dims;
    if (first.isDynamicDim(0))
      dims.push_back(ShapedType::kDynamic);
    for (size_t i = 0; i < shape->count; ++i)
      if (shape->ints[i] > 0)
        dims.push_back(shape->ints[i]);
      else
        return {};
    return RankedTensorType::get(dims, first.getElementType());
  }
  case Result::Concat: {
    int64_t last = 0;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!tensor(i) || tensor(i).getRank() != first.getRank())
        return {};
      last += tensor(i).getShape().back();
    }
    return withLast(first, last);
  }
  case Result::Attention: {
    if (auto kv = llvm::dyn_cast<attn::KVType>(operands[1].getType()))
      return withLast(first, kv.getValueDim());
    return operands.size() == 4 && tensor(2) && tensor(2).getRank() == 3
               ? withLast(first, tensor(2).getDimSize(2))
               : Type();
  }
  default:
    return {};
  }
}

Status checkAttrs(const OpRow &row, llvm::ArrayRef<const plx_attr *> attrs) {
  for (const plx_attr *a : attrs) {
    if (!a || !a->name)
      return error(Code::InvalidArgument) << "an attribute without a name";
    auto it = llvm::find_if(row.attrs,
                            [&](const AttrRow &r) { return llvm::StringRef(r.name) == a->name; });
    if (it == row.attrs.end())
      return error(Code::Unsupported) << "unknown attribute '" << a->name << "'";
    if (!kindFits(it->kind, *a))
      return error(Code::InvalidArgument) << "attribute '" << a->name << "' is of another type";
  }
  for (const AttrRow &r : row.attrs)
    if (r.required && !findAttr(attrs, r.name))
      return error(Code::InvalidArgument) << "needs the attribute '" << r.name << "'";
  return Status::ok();
}

/// Which groups of operands are there, where some may be absent. attention takes (q, state, batch)
/// or (q, k, v, batch).
void setGroups(Builder &b, OperationState &state, const OpRow &row,
               llvm::ArrayRef<Value> operands) {
  llvm::SmallVector<int32_t> sizes;
  if (row.groups)
    for (unsigned i = 0; i < row.maxOperands; ++i)
      sizes.push_back(i < operands.size() && operands[i] ? 1 : 0);
  else if (row.result == Result::Attention) // In the order of the op's definition.
    sizes = operands.size() == 3 ? llvm::SmallVector<int32_t>{1, 1, 0, 0, 1}
                                 : llvm::SmallVector<int32_t>{1, 0, 1, 1, 1};
  else
    return;
  state.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr(sizes));
}

/// The operands' types, for messages.
std::string typesText(llvm::ArrayRef<Value> operands) {
  std::string types;
  llvm::raw_string_ostream os(types);
  for (Value v : operands) {
    os << (types.empty() ? "" : ", ");
    if (v)
      os << v.getType();
    else
      os << "none";
  }
  return types;
}

/// The op's own word on its results, from the operands and attributes of `state`.
Status inferTypes(OperationState &state) {
  std::optional<RegisteredOperationName> info = state.name.getRegisteredInfo();
  auto *infer = info ? info->getInterface<InferTypeOpInterface>() : nullptr;
  if (!infer)
    return error(Code::Internal) << "the op does not infer its results";
  std::string problem;
  ScopedDiagnosticHandler handler(state.getContext(), [&](Diagnostic &d) {
    if (problem.empty())
      problem = d.str();
    return success();
  });
  DictionaryAttr attrs = state.attributes.getDictionary(state.getContext());
  llvm::SmallVector<std::byte, 256> storage(info->getOpPropertyByteSize() + alignof(max_align_t));
  auto address = llvm::alignTo(reinterpret_cast<uintptr_t>(storage.data()), alignof(max_align_t));
  OpaqueProperties properties(info->getOpPropertyByteSize() ? reinterpret_cast<void *>(address)
                                                            : nullptr);
  auto emitError = [&] { return mlir::emitError(state.location); };
  if (properties)
    info->initOpProperties(properties, OpaqueProperties(nullptr));
  bool read = !properties || succeeded(info->setOpPropertiesFromAttribute(state.name, properties,
                                                                          attrs, emitError));
  llvm::SmallVector<Type> types;
  bool inferred =
      read && succeeded(infer->inferReturnTypes(state.getContext(), state.location, state.operands,
                                                attrs, properties, state.regions, types));
  if (properties)
    info->destroyOpProperties(properties);
  if (!inferred)
    return error(Code::Mismatch) << (problem.empty() ? "operands do not fit each other: " +
                                                           typesText(llvm::to_vector(
                                                               llvm::ArrayRef(state.operands)))
                                                     : problem);
  state.addTypes(types);
  return Status::ok();
}

Status addResults(OperationState &state, const OpRow &row, llvm::ArrayRef<Value> operands,
                  llvm::ArrayRef<const plx_attr *> attrs) {
  if (row.result == Result::None)
    return Status::ok();
  if (row.result == Result::Infer)
    return inferTypes(state);
  Builder b(state.getContext());
  Type type = resultType(b, row.result, operands, attrs);
  if (!type)
    return error(Code::Mismatch) << "operands do not fit each other: " << typesText(operands);
  state.addTypes(type);
  return Status::ok();
}

} // namespace

llvm::StringRef irName(llvm::StringRef name) {
  const OpRow *row = findRow(name);
  return row ? row->irName : "";
}

bool takesAbsent(llvm::StringRef name) {
  const OpRow *row = findRow(name);
  return row && row->groups;
}

Status buildOp(OperationState &state, llvm::StringRef name, llvm::ArrayRef<Value> operands,
               llvm::ArrayRef<const plx_attr *> attrs) {
  const OpRow *row = findRow(name);
  if (!row) {
    std::string known;
    eachRow([&](const OpRow &r) { known += (known.empty() ? "" : ", ") + std::string(r.name); });
    return error(Code::Unsupported) << "no such op; known are " << known;
  }
  if (operands.size() < row->minOperands || operands.size() > row->maxOperands)
    return error(Code::InvalidArgument)
           << "takes " << row->minOperands
           << (row->maxOperands > row->minOperands ? " to " + std::to_string(row->maxOperands) : "")
           << " operands, got " << operands.size();
  PLX_RETURN_IF_ERROR(checkAttrs(*row, attrs));
  Builder b(state.getContext());
  for (const AttrRow &r : row->attrs)
    if (const plx_attr *a = findAttr(attrs, r.name)) {
      PLX_ASSIGN(Attribute value, convert(b, r, *a));
      if (value)
        state.addAttribute(r.name, value);
    }
  if (llvm::StringRef(row->name) == "rope") {
    PLX_ASSIGN(Attribute value, ropeAttr(b, attrs));
    state.addAttribute("rope", value);
  }
  for (Value operand : operands)
    if (operand)
      state.addOperands(operand);
  setGroups(b, state, *row, operands);
  return addResults(state, *row, operands, attrs);
}

} // namespace plexus::compiler
