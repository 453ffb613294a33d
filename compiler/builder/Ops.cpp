// The builder's op set. One row an op; docs/writing-a-family.md documents them in this order.
#include "compiler/builder/Ops.h"

#include "dialects/attn/AttnOps.h"
#include "dialects/plx/PlxOps.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Positive: a float whose 0 means that it is not there. Ignored: read by the result's type only.
enum class Kind { I64, F32, Positive, Unit, Activation, Pool, String, Rope, Ignored };

struct AttrRow {
  const char *name;
  Kind kind;
  bool required = true;
  const char *irName = nullptr; ///< Where it differs.
};

/// How the result's type follows from operands and attributes.
enum class Result {
  None,
  Same,
  Rows,
  Linear,
  Embedding,
  Reshape,
  Slice,
  Concat,
  Indices,
  Scalar,
  Attention
};

struct OpRow {
  const char *name;
  const char *irName;
  unsigned minOperands, maxOperands;
  Result result;
  std::vector<AttrRow> attrs = {};
};

const std::vector<OpRow> &table() {
  static const std::vector<OpRow> rows = {
      {"embedding", "plx.embedding", 2, 2, Result::Embedding},
      {"linear", "plx.linear", 2, 3, Result::Linear},
      {"rms_norm",
       "plx.rms_norm",
       2,
       2,
       Result::Same,
       {{"eps", Kind::F32}, {"unit_offset", Kind::Unit, false}}},
      {"layer_norm", "plx.layer_norm", 2, 3, Result::Same, {{"eps", Kind::F32}}},
      {"l2_normalize", "plx.l2_normalize", 1, 1, Result::Same, {{"eps", Kind::F32}}},
      {"softmax", "plx.softmax", 1, 1, Result::Same},
      {"activation", "plx.activation", 1, 1, Result::Same, {{"kind", Kind::Activation}}},
      {"glu", "plx.glu", 2, 2, Result::Same, {{"kind", Kind::Activation}}},
      {"add", "plx.add", 2, 2, Result::Same},
      {"sub", "plx.sub", 2, 2, Result::Same},
      {"mul", "plx.mul", 2, 2, Result::Same},
      {"scale", "plx.scale", 1, 2, Result::Same, {{"factor", Kind::F32, false}}},
      {"softcap", "plx.softcap", 1, 1, Result::Same, {{"cap", Kind::F32}}},
      {"scalar", "plx.scalar", 0, 0, Result::Scalar, {{"index", Kind::I64}}},
      {"reshape", "plx.reshape", 1, 1, Result::Reshape, {{"shape", Kind::Ignored}}},
      {"slice", "plx.slice", 1, 1, Result::Slice, {{"begin", Kind::I64}, {"size", Kind::I64}}},
      {"concat", "plx.concat", 1, 64, Result::Concat},
      {"tap", "plx.tap", 1, 1, Result::Same, {{"name", Kind::String}}},
      {"positions", "plx.positions", 1, 1, Result::Indices, {{"offset", Kind::I64, false}}},
      {"token_types", "plx.token_types", 1, 1, Result::Indices},
      {"select_rows", "plx.select_rows", 2, 2, Result::Rows},
      {"pool", "plx.pool", 2, 2, Result::Rows, {{"mode", Kind::Pool}}},
      {"rope",
       "attn.rope",
       2,
       2,
       Result::Same,
       {{"dims", Kind::Rope},
        {"inv_freq", Kind::Rope},
        {"attention_scaling", Kind::Rope, false},
        {"interleaved", Kind::Rope, false},
        {"long_inv_freq", Kind::Rope, false},
        {"original_context", Kind::Rope, false},
        {"ntk_factor", Kind::Rope, false}}},
      {"kv_write", "attn.kv_write", 4, 4, Result::None},
      {"attention",
       "attn.attention",
       3,
       4,
       Result::Attention,
       {{"scale", Kind::F32},
        {"causal", Kind::Unit, false},
        {"window", Kind::I64, false},
        {"softcap", Kind::Positive, false}}},
  };
  return rows;
}

const OpRow *findRow(llvm::StringRef name) {
  for (const OpRow &row : table())
    if (name == row.name)
      return &row;
  return nullptr;
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
  case Kind::Positive:
    return a.kind == PLX_ATTR_FLOAT || a.kind == PLX_ATTR_INT;
  case Kind::Unit:
    return a.kind == PLX_ATTR_BOOL;
  case Kind::Activation:
  case Kind::Pool:
  case Kind::String:
    return a.kind == PLX_ATTR_STRING && a.s;
  case Kind::Rope:
    return true;
  case Kind::Ignored:
    return a.kind == PLX_ATTR_INTS;
  }
  return false;
}

double number(const plx_attr &a) { return a.kind == PLX_ATTR_INT ? double(a.i) : a.f; }

/// The IR attribute of one builder attribute; null for a false flag. Names of enumerated kinds that
/// do not exist are refused.
Expected<Attribute> convert(Builder &b, Kind kind, const plx_attr &a) {
  switch (kind) {
  case Kind::I64:
    return Attribute(b.getI64IntegerAttr(a.i));
  case Kind::F32:
    return Attribute(b.getF32FloatAttr(number(a)));
  case Kind::Positive:
    return number(a) > 0 ? Attribute(b.getF32FloatAttr(number(a))) : Attribute();
  case Kind::Unit:
    return a.i ? Attribute(b.getUnitAttr()) : Attribute();
  case Kind::String:
    return Attribute(b.getStringAttr(a.s));
  case Kind::Activation:
    if (auto k = plx::symbolizeActivationKind(a.s))
      return Attribute(plx::ActivationKindAttr::get(b.getContext(), *k));
    return error(Code::Unsupported) << "unknown activation kind '" << a.s << "'";
  case Kind::Pool:
    if (auto k = plx::symbolizePoolMode(a.s))
      return Attribute(plx::PoolModeAttr::get(b.getContext(), *k));
    return error(Code::Unsupported)
           << "unknown pooling mode '" << a.s << "'; known are mean, cls, max, last";
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

/// attention takes (q, state, batch) or (q, k, v, batch): which groups of operands are there.
void setSegments(Builder &b, OperationState &state, const OpRow &row, size_t operands) {
  if (llvm::StringRef(row.name) != "attention")
    return;
  // In the order of the op's definition: query, state, key, value, batch.
  llvm::SmallVector<int32_t> sizes = operands == 3 ? llvm::SmallVector<int32_t>{1, 1, 0, 0, 1}
                                                   : llvm::SmallVector<int32_t>{1, 0, 1, 1, 1};
  state.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr(sizes));
}

} // namespace

llvm::StringRef irName(llvm::StringRef name) {
  const OpRow *row = findRow(name);
  return row ? row->irName : "";
}

Status buildOp(OperationState &state, llvm::StringRef name, llvm::ArrayRef<Value> operands,
               llvm::ArrayRef<const plx_attr *> attrs) {
  const OpRow *row = findRow(name);
  if (!row) {
    std::string known;
    for (const OpRow &r : table())
      known += (known.empty() ? "" : ", ") + std::string(r.name);
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
      PLX_ASSIGN(Attribute value, convert(b, r.kind, *a));
      if (value)
        state.addAttribute(r.name, value);
    }
  if (llvm::StringRef(row->name) == "rope") {
    PLX_ASSIGN(Attribute value, ropeAttr(b, attrs));
    state.addAttribute("rope", value);
  }
  state.addOperands(operands);
  setSegments(b, state, *row, operands.size());
  if (row->result != Result::None) {
    Type type = resultType(b, row->result, operands, attrs);
    if (!type) {
      std::string types;
      for (Value v : operands) {
        llvm::raw_string_ostream os(types);
        os << (types.empty() ? "" : ", ") << v.getType();
      }
      return error(Code::Mismatch) << "operands do not fit each other: " << types;
    }
    state.addTypes(type);
  }
  return Status::ok();
}

} // namespace plexus::compiler
