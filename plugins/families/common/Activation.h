// The names that configs give activation functions, as the builder's activation kinds.
#pragma once

#include <plexus/family.hpp>

#include <utility>

namespace plexus::families {

/// Kind of the activation named by config field `path` (transformers' ACT2FN); refuses unknown
/// ones.
inline std::string readActivation(const graph::Config &c, const std::string &path,
                                  const std::string &otherwise) {
  static constexpr std::pair<const char *, const char *> kinds[] = {
      {"silu", "silu"},
      {"swish", "silu"},
      {"gelu", "gelu"},
      {"gelu_python", "gelu"},
      {"gelu_new", "gelu_tanh"},
      {"gelu_pytorch_tanh", "gelu_tanh"},
      {"gelu_python_tanh", "gelu_tanh"},
      {"gelu_fast", "gelu_tanh"},
      {"gelu_accurate", "gelu_tanh"},
      {"quick_gelu", "gelu_quick"},
      {"relu", "relu"},
      {"relu2", "relu2"},
      {"relu6", "relu6"},
      {"leaky_relu", "leaky_relu"},
      {"hardswish", "hard_swish"},
      {"tanh", "tanh"},
      {"sigmoid", "sigmoid"},
      {"mish", "mish"},
      {"linear", "identity"}};
  const std::string name = c.string(path, otherwise);
  std::string known;
  for (auto [from, to] : kinds) {
    if (name == from)
      return to;
    known += (known.empty() ? "" : ", ") + std::string(from);
  }
  c.refuse(path, "'" + name + "'", known);
  return "identity";
}

/// Refuses switches that are on: what they switch, this family has not.
inline void refuseSwitches(const graph::Config &c, std::initializer_list<const char *> paths) {
  for (const char *path : paths)
    if (c.flag(path, false))
      c.refuse(path, "true", "false");
}

/// Refuses a model whose first architecture is not one of `known`; returns it.
inline std::string readArchitecture(const graph::Config &c,
                                    std::initializer_list<const char *> known) {
  const std::string name = c.string("architectures.0", *known.begin());
  std::string list;
  for (const char *k : known) {
    if (name == k)
      return name;
    list += (list.empty() ? "" : ", ") + std::string(k);
  }
  c.refuse("architectures", "'" + name + "'", list);
  return *known.begin();
}

} // namespace plexus::families
