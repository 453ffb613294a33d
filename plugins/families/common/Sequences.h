// What families over float sequences share: the encoder and decoder around their layers, complex
// weights stored as pairs.
#pragma once

#include <plexus/family.hpp>
#include <plexus/ssm.hpp>

#include <string>
#include <vector>

namespace plexus::families {

/// Longest sequence that a run may feed: states do not grow with it.
inline constexpr int64_t kSequenceContext = int64_t(1) << 24;

inline void describeSequences(graph::Builder &b, int64_t layers, int64_t width) {
  b.info("task", "sequence");
  b.info("context", kSequenceContext);
  b.info("layers", layers);
  b.info("hidden_size", width);
}

/// Kind of the activation that packs name at `path`.
inline std::string readSequenceActivation(const graph::Config &c, const std::string &path) {
  static constexpr std::pair<const char *, const char *> kinds[] = {
      {"gelu_erf", "gelu"}, {"gelu", "gelu"}, {"gelu_tanh", "gelu_tanh"}, {"silu", "silu"},
      {"relu", "relu"},     {"tanh", "tanh"}, {"identity", "identity"}};
  const std::string name = c.string(path, "gelu_erf");
  for (auto [from, to] : kinds)
    if (name == from)
      return to;
  c.refuse(path, "'" + name + "'", "gelu_erf, gelu_tanh, silu, relu, tanh, identity");
  return "gelu";
}

/// config field `path`: zoh, bilinear or dirac.
inline std::string readDiscretization(const graph::Config &c, const std::string &path) {
  const std::string name = c.string(path, "zoh");
  if (name != "zoh" && name != "bilinear" && name != "dirac")
    c.refuse(path, "'" + name + "'", "zoh, bilinear, dirac");
  return name;
}

/// Weights with a last axis of 2, real and imaginary.
struct ComplexWeights {
  graph::Builder &b;

  /// One part (0 real, 1 imaginary) of a [.., 2] source as a matrix [rows, columns].
  graph::Recipe part(const std::string &source, size_t axes, int64_t which, int64_t rows,
                     int64_t columns) {
    return b.reshape(b.slice(b.source(source), static_cast<int64_t>(axes), which, 1),
                     {rows, columns});
  }
  /// The matrix of a product from H real columns to P complex ones: [2 P, H] of a source [P, H, 2].
  graph::Value into(const std::string &source, int64_t states, int64_t width) {
    return b.param(source, b.concat(0, {part(source, 2, 0, states, width),
                                        part(source, 2, 1, states, width)}));
  }
  /// The matrix of `Re C s` for columns [begin, begin + states) of a source [H, all, 2], s as real
  /// and imaginary parts: [H, 2 states].
  graph::Value outOf(const std::string &source, int64_t width, int64_t all, int64_t begin,
                     int64_t states) {
    auto columns = [&](int64_t which) {
      return b.slice(part(source, 2, which, width, all), 1, begin, states);
    };
    const std::string name = begin ? source + ".backward" : source;
    return b.param(name, b.concat(1, {columns(0), b.scaled(columns(1), -1)}));
  }
};

/// x W^T + bias by the names of torch.
inline graph::Value affine(graph::Builder &b, graph::Value x, const std::string &name) {
  return b.linear(x, b.param(name + ".weight"), b.param(name + ".bias"));
}

/// A segment of one product, `name`.weight and `name`.bias.
inline void affineSegment(graph::Builder &b, const std::string &name, int64_t columns) {
  auto s = b.segment(name, {graph::Builder::rows({columns})});
  b.endSegment({affine(b, s.args[0], name)});
}

} // namespace plexus::families
