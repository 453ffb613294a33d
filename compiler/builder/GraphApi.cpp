// Thin C wrappers: null checks on what comes from outside, then the GraphBuilder.
#include "compiler/builder/GraphApi.h"

#include <algorithm>
#include <cstring>
#include <string_view>

using namespace mlir;

namespace plexus::compiler {
namespace {

GraphBuilder &self(plx_graph *g) { return *reinterpret_cast<GraphBuilder *>(g); }
llvm::StringRef text(const char *s) { return s ? llvm::StringRef(s) : llvm::StringRef(); }
template <typename T>
llvm::ArrayRef<T> list(const T *data, size_t count) {
  return data ? llvm::ArrayRef<T>(data, count) : llvm::ArrayRef<T>();
}

plx_recipe source(plx_graph *g, const char *name) { return self(g).source(text(name)); }
plx_recipe concat(plx_graph *g, int64_t axis, const plx_recipe *parts, size_t n) {
  return self(g).concat(axis, list(parts, n));
}
plx_recipe slice(plx_graph *g, plx_recipe of, int64_t axis, int64_t begin, int64_t size) {
  return self(g).slice(of, axis, begin, size);
}
plx_recipe transpose(plx_graph *g, plx_recipe of, const int64_t *perm, size_t rank) {
  return self(g).transpose(of, list(perm, rank));
}
plx_recipe reshape(plx_graph *g, plx_recipe of, const int64_t *shape, size_t rank) {
  return self(g).reshape(of, list(shape, rank));
}
plx_recipe scale(plx_graph *g, plx_recipe of, double factor) { return self(g).scale(of, factor); }
plx_recipe offset(plx_graph *g, plx_recipe of, double addend) { return self(g).offset(of, addend); }
plx_recipe constant(plx_graph *g, const float *data, const int64_t *shape, size_t rank) {
  return self(g).constant(data, list(shape, rank));
}
int32_t weight(plx_graph *g, const char *name, plx_recipe recipe) {
  return self(g).weight(text(name), recipe);
}
int32_t state(plx_graph *g, const char *name, const plx_state_desc *desc) {
  if (desc && desc->struct_size >= offsetof(plx_state_desc, shape)) {
    plx_state_desc known{}; // Plugins built before the last fields give fewer.
    std::memcpy(&known, desc, std::min<size_t>(desc->struct_size, sizeof known));
    return self(g).state(text(name), known);
  }
  self(g).fail(Code::InvalidArgument, "malformed state description");
  return PLX_NO_VALUE;
}
int32_t segmentBegin(plx_graph *g, const char *name, const plx_arg_desc *const *args, size_t n,
                     plx_value *values, plx_value *batch) {
  return self(g).segmentBegin(text(name), list(args, n), values, batch);
}
plx_value param(plx_graph *g, const char *name) { return self(g).param(text(name)); }
plx_value getState(plx_graph *g, const char *name) { return self(g).getState(text(name)); }
int32_t op(plx_graph *g, const char *name, const plx_value *operands, size_t n,
           const plx_attr *const *attrs, size_t attrCount, plx_value *results, size_t capacity) {
  return self(g).op(text(name), list(operands, n), list(attrs, attrCount), results, capacity);
}
int32_t segmentEnd(plx_graph *g, const plx_value *results, size_t n) {
  return self(g).segmentEnd(list(results, n));
}
int32_t shape(plx_graph *g, plx_value v, int64_t *dims, size_t capacity) {
  return self(g).shape(v, dims, capacity);
}
int32_t scheduleBegin(plx_graph *g, const char *name, const char *const *inputs,
                      const plx_arg_desc *const *args, size_t n, plx_value *values) {
  return self(g).scheduleBegin(text(name), list(inputs, n), list(args, n), values);
}
int32_t run(plx_graph *g, const char *segment, int64_t layer, const plx_value *operands, size_t n,
            const float *scalars, size_t scalarCount, plx_value *results, size_t capacity) {
  return self(g).run(text(segment), layer, list(operands, n), list(scalars, scalarCount), results,
                     capacity);
}
int32_t hidden(plx_graph *g, const plx_value *values, size_t n) {
  return self(g).hidden(list(values, n));
}
int32_t scheduleEnd(plx_graph *g, const char *const *names, const plx_value *outputs, size_t n) {
  return self(g).scheduleEnd(list(names, n), list(outputs, n));
}
int32_t infoString(plx_graph *g, const char *key, const char *value) {
  return self(g).info(text(key), self(g).builder().getStringAttr(text(value)));
}
int32_t infoInt(plx_graph *g, const char *key, int64_t value) {
  return self(g).info(text(key), self(g).builder().getI64IntegerAttr(value));
}
void fail(plx_graph *g, int32_t code, const char *message) {
  const bool known = code > 0 && code <= static_cast<int32_t>(Code::Io);
  self(g).fail(known ? static_cast<Code>(code) : Code::Internal,
               message ? message : "the family gave no message");
}
int32_t ok(plx_graph *g) { return self(g).ok(); }
plx_recipe recipe(plx_graph *g, const char *kind, const plx_recipe *parts, size_t n,
                  const plx_attr *const *attrs, size_t attrCount) {
  return self(g).namedRecipe(text(kind), list(parts, n), list(attrs, attrCount));
}
int32_t describe(plx_graph *g, const char *what, const char *name, const plx_attr *const *attrs,
                 size_t n) {
  return self(g).describe(text(what), text(name), list(attrs, n));
}

} // namespace

const plx_graph_api *graphApi() {
  static const plx_graph_api api = {sizeof(plx_graph_api),
                                    nullptr,
                                    source,
                                    concat,
                                    slice,
                                    transpose,
                                    reshape,
                                    scale,
                                    offset,
                                    constant,
                                    weight,
                                    state,
                                    segmentBegin,
                                    param,
                                    getState,
                                    op,
                                    segmentEnd,
                                    shape,
                                    scheduleBegin,
                                    run,
                                    hidden,
                                    scheduleEnd,
                                    infoString,
                                    infoInt,
                                    fail,
                                    ok,
                                    recipe,
                                    describe};
  return &api;
}

} // namespace plexus::compiler
