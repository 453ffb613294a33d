// Ports, frames and options: what callers of a run see of a schedule, kept as attributes of the
// schedule and the model.
#include "compiler/builder/GraphBuilder.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// The attributes that a description may have, as IR attributes; null for one that is not known.
Attribute convert(Builder &b, const plx_attr &a) {
  switch (a.kind) {
  case PLX_ATTR_INT:
    return b.getI64IntegerAttr(a.i);
  case PLX_ATTR_FLOAT:
    return b.getF64FloatAttr(a.f);
  case PLX_ATTR_BOOL:
    return b.getBoolAttr(a.i != 0);
  case PLX_ATTR_STRING:
    return a.s ? Attribute(b.getStringAttr(a.s)) : Attribute();
  case PLX_ATTR_FLOATS:
    return b.getDenseF32ArrayAttr({a.floats, a.count});
  default:
    return {};
  }
}

/// Names of attributes with their kinds, by what is described.
struct Word {
  llvm::StringLiteral what, attr;
  int32_t kind;
};
constexpr Word kWords[] = {
    {"port", "axes", PLX_ATTR_STRING},     {"port", "fill", PLX_ATTR_FLOAT},
    {"frames", "size", PLX_ATTR_INT},      {"frames", "hop", PLX_ATTR_INT},
    {"frames", "pad", PLX_ATTR_INT},       {"frames", "whole", PLX_ATTR_BOOL},
    {"port", "least", PLX_ATTR_INT},       {"option", "integer", PLX_ATTR_BOOL},
    {"option", "default", PLX_ATTR_FLOAT}, {"option", "known", PLX_ATTR_FLOATS},
};

/// `in` of `op` with the entries of `fields` added to those under `name`.
void addTo(Operation *op, llvm::StringRef in, llvm::StringRef name,
           ArrayRef<NamedAttribute> fields) {
  MLIRContext *context = op->getContext();
  auto all = op->getAttrOfType<DictionaryAttr>(in);
  NamedAttrList outer(all ? all.getValue() : ArrayRef<NamedAttribute>());
  auto before = dyn_cast_if_present<DictionaryAttr>(outer.get(name));
  NamedAttrList inner(before ? before.getValue() : ArrayRef<NamedAttribute>());
  for (NamedAttribute field : fields)
    inner.set(field.getName(), field.getValue());
  outer.set(name, inner.getDictionary(context));
  op->setAttr(in, outer.getDictionary(context));
}

} // namespace

int32_t GraphBuilder::describe(llvm::StringRef what, llvm::StringRef name,
                               llvm::ArrayRef<const plx_attr *> attrs) {
  if (!ok())
    return PLX_NO_VALUE;
  llvm::SmallVector<NamedAttribute> fields;
  for (const plx_attr *a : attrs) {
    const Word *word = llvm::find_if(kWords, [&](const Word &w) {
      return a && a->name && w.what == what && w.attr == a->name && w.kind == a->kind;
    });
    Attribute value = word == std::end(kWords) ? Attribute() : convert(b, *a);
    if (!value)
      return fail(Code::Unsupported, "a description '" + what.str() + "' of '" + name.str() +
                                         "' does not take '" + (a && a->name ? a->name : "") + "'"),
             PLX_NO_VALUE;
    fields.push_back(b.getNamedAttr(a->name, value));
  }
  if (what == "option") {
    addTo(model, plx::kOptionsAttr, name, fields);
    return 0;
  }
  if (!needOpen(true))
    return PLX_NO_VALUE;
  if (what == "port")
    addTo(open, plx::kPortsAttr, name, fields);
  else if (what == "frames")
    open->setAttr(plx::kFramesAttr, b.getDictionaryAttr(fields));
  else
    return fail(Code::Unsupported, "unknown description '" + what.str() + "'"), PLX_NO_VALUE;
  return 0;
}

} // namespace plexus::compiler
