// Thin C wrappers over ConfigReader and the weights.
#include "frontends/huggingface/SourceApi.h"

#include <algorithm>

namespace plexus::frontends {
namespace {

ModelSource &self(plx_model_source *m) { return *reinterpret_cast<ModelSource *>(m); }

/// 1 with *out set, 0 where absent; a value of another type is remembered by the reader, which
/// fails the import with its name.
template <typename T, typename Out>
int32_t answer(const std::optional<T> &value, Out *out) {
  if (value)
    *out = static_cast<Out>(*value);
  return value ? 1 : 0;
}

int32_t has(plx_model_source *m, const char *path) { return self(m).config.has(path); }
int32_t isNull(plx_model_source *m, const char *path) { return self(m).config.isNull(path); }
int32_t getInt(plx_model_source *m, const char *path, int64_t *out) {
  return answer(self(m).config.getInt(path), out);
}
int32_t getFloat(plx_model_source *m, const char *path, double *out) {
  return answer(self(m).config.getFloat(path), out);
}
int32_t getBool(plx_model_source *m, const char *path, int32_t *out) {
  return answer(self(m).config.getBool(path), out);
}
int32_t getString(plx_model_source *m, const char *path, const char **out) {
  const std::string *value = self(m).config.getString(path);
  if (value)
    *out = value->c_str();
  return value ? 1 : 0;
}
int64_t arraySize(plx_model_source *m, const char *path) {
  auto size = self(m).config.getArraySize(path);
  return size ? static_cast<int64_t>(*size) : -1;
}
void inert(plx_model_source *m, const char *const *paths, size_t count) {
  for (size_t i = 0; i < count; ++i)
    self(m).config.ignore(paths[i]);
}
int32_t weight(plx_model_source *m, const char *name, int64_t *dims, size_t capacity,
               size_t *rank) {
  const TensorView *view = self(m).weights->find(name);
  if (!view)
    return 0;
  *rank = view->shape.size();
  std::copy_n(view->shape.begin(), std::min(capacity, view->shape.size()), dims);
  return 1;
}
void unused(plx_model_source *m, const char *const *patterns, size_t count) {
  for (size_t i = 0; i < count; ++i)
    self(m).allowedUnused.emplace_back(patterns[i]);
}

int32_t values(plx_model_source *m, const char *name, float *out, size_t count) {
  const TensorView *view = self(m).weights->find(name);
  if (!view)
    return 0;
  if (static_cast<size_t>(view->elements()) != count)
    return -1;
  return decodeElements(*view, 0, view->elements(), out).isOk() ? 1 : -1;
}

} // namespace

const plx_source_api *sourceApi() {
  static const plx_source_api api = {sizeof(plx_source_api),
                                     nullptr,
                                     has,
                                     getInt,
                                     getFloat,
                                     getBool,
                                     getString,
                                     arraySize,
                                     inert,
                                     weight,
                                     unused,
                                     isNull,
                                     values};
  return &api;
}

} // namespace plexus::frontends
