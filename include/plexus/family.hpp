// C++ for writing a model family: the config and the weight index of family.h, and the glue of a
// plugin. A family is a function; docs/writing-a-family.md shows one whole.
#pragma once

#include <plexus/family.h>
#include <plexus/graph.hpp>

#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace plexus::graph {

/// config.json as a family reads it. A required field that is missing, or one of another type,
/// fails the build with its name; reading goes on with a harmless value, so a family need not
/// check.
class Config {
public:
  Config(const plx_source_api *api, plx_model_source *source, Builder &builder)
      : api(api), m(source), b(builder) {}

  bool has(const std::string &path) const { return api->has(m, path.c_str()) == 1; }
  /// There and null, which may mean something else than its absence.
  bool isNull(const std::string &path) const {
    const bool known = api->struct_size > offsetof(plx_source_api, is_null);
    return known && api->is_null(m, path.c_str()) == 1;
  }
  std::optional<int64_t> optInt(const std::string &path) const {
    int64_t v = 0;
    return api->get_int(m, path.c_str(), &v) == 1 ? std::optional(v) : std::nullopt;
  }
  std::optional<double> optFloat(const std::string &path) const {
    double v = 0;
    return api->get_float(m, path.c_str(), &v) == 1 ? std::optional(v) : std::nullopt;
  }
  int64_t integer(const std::string &path) const {
    return required(optInt(path), path, int64_t{1});
  }
  int64_t integer(const std::string &path, int64_t otherwise) const {
    return optInt(path).value_or(otherwise);
  }
  double number(const std::string &path) const { return required(optFloat(path), path, 1.0); }
  double number(const std::string &path, double otherwise) const {
    return optFloat(path).value_or(otherwise);
  }
  bool flag(const std::string &path, bool otherwise) const {
    int32_t v = otherwise;
    api->get_bool(m, path.c_str(), &v);
    return v != 0;
  }
  std::string string(const std::string &path, const std::string &otherwise) const {
    const char *v = nullptr;
    return api->get_string(m, path.c_str(), &v) == 1 ? std::string(v) : otherwise;
  }
  /// Elements of an array, -1 where there is none.
  int64_t size(const std::string &path) const { return api->array_size(m, path.c_str()); }
  std::vector<float> numbers(const std::string &path) const {
    std::vector<float> out;
    for (int64_t i = 0, n = size(path); i < n; ++i)
      out.push_back(static_cast<float>(number(path + "." + std::to_string(i))));
    return out;
  }
  /// Fields that do not change what the model computes at inference.
  void inert(std::initializer_list<const char *> paths) const {
    api->inert(m, paths.begin(), paths.size());
  }
  /// Refuses a value that the family does not know, naming the ones that it does.
  void refuse(const std::string &path, const std::string &found, const std::string &known) const {
    b.fail(4, path + " is " + found + "; this family knows " + known);
  }

  bool hasWeight(const std::string &name) const { return !weightShape(name).empty(); }
  /// The weight's sizes, empty where there is none.
  std::vector<int64_t> weightShape(const std::string &name) const {
    int64_t dims[8];
    size_t rank = 0;
    if (api->weight(m, name.c_str(), dims, 8, &rank) != 1)
      return {};
    return {dims, dims + rank};
  }
  /// The weight's numbers, row-major; empty where there is none.
  std::vector<float> weightValues(const std::string &name) const {
    std::vector<int64_t> shape = weightShape(name);
    size_t count = 1;
    for (int64_t size : shape)
      count *= static_cast<size_t>(size);
    std::vector<float> out(shape.empty() ? 0 : count);
    if (!shape.empty() && api->values(m, name.c_str(), out.data(), count) != 1)
      b.fail(9, "the numbers of " + name + " cannot be read");
    return out;
  }
  /// Weights of the file that this model does not need, as patterns with '*'.
  void unusedWeights(std::initializer_list<const char *> patterns) const {
    api->unused(m, patterns.begin(), patterns.size());
  }

private:
  template <typename T>
  T required(std::optional<T> v, const std::string &path, T harmless) const {
    if (!v)
      b.fail(2, "config.json has no field '" + path + "', which this family needs");
    return v.value_or(harmless);
  }
  const plx_source_api *api;
  plx_model_source *m;
  Builder &b;
};

/// Wraps `void build(const Config &, Builder &)` into the C entry of a family.
template <void (*Build)(const Config &, Builder &)>
int32_t buildFamily(const plx_source_api *sourceApi, plx_model_source *source,
                    const plx_graph_api *graphApi, plx_graph *g) {
  try {
    Builder builder(graphApi, g);
    Build(Config(sourceApi, source, builder), builder);
    return builder.ok() ? 0 : 1;
  } catch (const std::exception &e) {
    graphApi->fail(g, 9, e.what());
  } catch (...) {
    graphApi->fail(g, 9, "the family threw an unknown exception");
  }
  return 9;
}

} // namespace plexus::graph

/// The whole outside of a plugin with one family, at file scope, after <plexus/plugin.hpp>:
///   PLX_FAMILY_PLUGIN("llama", "Llama decoders", build)
/// with `void build(const plexus::graph::Config &, plexus::graph::Builder &)`. `id` is the
/// model_type.
#define PLX_FAMILY_PLUGIN(id, summary, build)                                                      \
  static const plx_family plxFamily_ = {sizeof(plx_family), nullptr, id,                           \
                                        &::plexus::graph::buildFamily<build>};                     \
  PLX_PLUGIN(id, "1.0.0",                                                                          \
             "[{\"kind\":\"family\",\"id\":\"" id "\",\"model_types\":[\"" id                      \
             "\"],\"summary\":\"" summary "\"}]",                                                  \
             {PLX_FAMILY_FACTORY id, &plxFamily_})
