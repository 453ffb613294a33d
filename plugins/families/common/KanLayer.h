// Layers of Kolmogorov-Arnold networks from their entries in a config: what the families kan and
// kan-transformer share. docs/dialects/kan.md lists the fields.
#pragma once

#include <plexus/family.hpp>
#include <plexus/kan.hpp>

#include <cmath>

namespace plexus::families {

using namespace plexus::graph;

/// One layer: the config fields under `path` ("layers.0.") and the weights under `prefix`, which
/// may have a "{layer}" in it; then `shapes` is the prefix in a layer that the file has.
class KanLayer {
public:
  KanLayer(const Config &c, Builder &b, std::string path, std::string prefix,
           std::string shapes = {})
      : c(c), b(b), path(std::move(path)), prefix(std::move(prefix)),
        shapes(shapes.empty() ? this->prefix : std::move(shapes)) {}

  int64_t in() const { return c.integer(path + "in"); }
  int64_t out() const { return c.integer(path + "out"); }
  std::string basis() const { return c.string(path + "basis", ""); }

  /// x [.., in] to [.., out].
  Value build(Value x) {
    using Form = Value (KanLayer::*)(Value);
    static constexpr std::pair<const char *, Form> forms[] = {
        {"bspline", &KanLayer::bspline},     {"rbf", &KanLayer::rbf},
        {"chebyshev", &KanLayer::chebyshev}, {"fourier", &KanLayer::fourier},
        {"wavelet", &KanLayer::wavelet},     {"rational", &KanLayer::rational},
        {"select", &KanLayer::select}};
    std::string known;
    for (auto [name, form] : forms) {
      if (basis() == name)
        return (this->*form)(x);
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    c.refuse(path + "basis", "'" + basis() + "'", known);
    return x;
  }

private:
  bool has(const char *weight) const { return c.hasWeight(shapes + weight); }
  Value weight(const char *name) { return b.param(prefix + name); }
  Value transposed(const char *name) {
    return b.param(prefix + name + ".edges", b.transpose(b.source(prefix + name), {1, 0}));
  }
  void ignore(const char *field) {
    const std::string whole = path + field;
    c.inert({whole.c_str()});
  }

  Value bspline(Value x) {
    // What the grid tensor was made from.
    for (const char *field : {"grid", "grid_range", "nonuniform", "grid_eps"})
      ignore(field);
    kan::SplineOptions options{c.integer(path + "order"), c.string(path + "base", "silu")};
    if (const int64_t points = c.integer(path + "table", c.integer("table", 0)))
      return table(x, points, options);
    return kan::bspline(
        b, x, kan::splineWeights(b, prefix, has("spline_scaler"), has("base_weight")), options);
  }

  /// Edges sampled at `points` + 1 places; the knots are read, so they cannot differ by block.
  Value table(Value x, int64_t points, const kan::SplineOptions &options) {
    if (points < 1 || points > 4096 || prefix.find('{') != std::string::npos) {
      c.refuse(path + "table", std::to_string(points), "1 to 4096, in the family kan");
      return x;
    }
    std::vector<float> knots = c.weightValues(prefix + "grid");
    const auto count = static_cast<int64_t>(knots.size());
    if (!b.ok() || count % in() || count / in() < options.order + 2) {
      b.fail(3, prefix + "grid is not [in, splines + order + 1]");
      return x;
    }
    Recipe coef = b.source(prefix + "spline_weight");
    coef = has("spline_scaler")
               ? b.einsum("oij,oi->ijo", {coef, b.source(prefix + "spline_scaler")})
               : b.transpose(coef, {1, 2, 0});
    kan::Spline s = kan::table(b, prefix + "table", knots, in(), options.order, coef, points);
    if (has("base_weight"))
      s.base = transposed("base_weight");
    c.unusedWeights({"*grid"});
    return kan::bspline(b, x, s, kan::tableOptions(options.base));
  }

  Value rbf(Value x) {
    const int64_t count = c.integer(path + "grid");
    const double width = (c.number(path + "grid_max") - c.number(path + "grid_min")) / (count - 1);
    Value z = x;
    if (c.flag(path + "layernorm", false))
      z = b.layerNorm(x, weight("layernorm.weight"), weight("layernorm.bias"), 1e-5);
    Recipe coef = b.reshape(b.source(prefix + "spline_weight"), {out(), in(), count});
    Value y = kan::rbf(b, z, weight("grid"), b.param(prefix + "coef", b.transpose(coef, {1, 2, 0})),
                       width);
    if (!c.flag(path + "base", false))
      return y;
    Value bias = has("base_bias") ? weight("base_bias") : Value();
    return b.add(y, b.linear(b.activation(x, "silu"), weight("base_weight"), bias));
  }

  Value chebyshev(Value x) {
    ignore("degree"); // the coefficients' count
    Recipe coef = b.transpose(b.source(prefix + "coeffs"), {0, 2, 1});
    Value y = kan::chebyshev(b, x, b.param(prefix + "coef", coef));
    if (!c.flag(path + "layernorm", false))
      return y;
    return b.layerNorm(y, weight("layernorm.weight"), weight("layernorm.bias"), 1e-5);
  }

  Value fourier(Value x) {
    const int64_t waves = c.integer(path + "grid");
    Recipe coef = b.transpose(b.source(prefix + "coeffs"), {2, 0, 3, 1}); // [in, 2, waves, out]
    Value bias;
    if (has("bias"))
      bias = b.param(prefix + "bias", b.reshape(b.source(prefix + "bias"), {out()}));
    return kan::fourier(b, x, b.param(prefix + "coef", b.reshape(coef, {in(), 2 * waves, out()})),
                        bias);
  }

  Value wavelet(Value x) {
    const std::string kind = c.string(path + "wavelet", "");
    if (kind != "mexican_hat" && kind != "morlet" && kind != "dog") {
      c.refuse(path + "wavelet", "'" + kind + "'", "mexican_hat, morlet, dog");
      return x;
    }
    kan::Wavelet w;
    w.translation = transposed("translation");
    w.scale = transposed("scale");
    const bool base = c.flag(path + "base", false);
    if (!c.flag(path + "batch_norm", false)) {
      w.weight = transposed("wavelet_weight");
      w.base = base ? transposed("base_weight") : Value();
      return kan::wavelet(b, x, w, kind);
    }
    // Running statistics are an affine map of each output: it joins the weights.
    auto values = [&](const char *name) { return c.weightValues(prefix + name); };
    std::vector<float> gain = values("bn.weight"), shift = values("bn.bias"),
                       mean = values("bn.running_mean"), variance = values("bn.running_var");
    if (!b.ok() || gain.size() != shift.size() || gain.size() != mean.size() ||
        gain.size() != variance.size() || static_cast<int64_t>(gain.size()) != out()) {
      b.fail(3, prefix + "bn.* must have " + std::to_string(out()) + " entries each");
      return x;
    }
    for (size_t o = 0; o < gain.size(); ++o) {
      gain[o] = static_cast<float>(gain[o] / std::sqrt(double(variance[o]) + 1e-5));
      shift[o] -= mean[o] * gain[o];
    }
    Recipe scale = b.constant(gain, {out()});
    auto scaled = [&](const char *name) {
      return b.param(prefix + name + ".edges",
                     b.einsum("oi,o->io", {b.source(prefix + name), scale}));
    };
    w.weight = scaled("wavelet_weight");
    w.base = base ? scaled("base_weight") : Value();
    w.bias = b.param(prefix + "shift", b.constant(shift, {out()}));
    c.unusedWeights({"*bn.weight", "*bn.bias", "*bn.running_mean", "*bn.running_var",
                     "*bn.num_batches_tracked"});
    return kan::wavelet(b, x, w, kind);
  }

  Value rational(Value x) {
    const int64_t groups = c.integer(path + "groups");
    const int64_t own = c.integer(path + "numerator_groups", 1);
    auto matrix = [&](const char *name, int64_t rows) {
      std::vector<int64_t> shape = c.weightShape(shapes + name);
      int64_t columns = 1;
      for (int64_t size : shape)
        columns *= size;
      return b.param(prefix + name + ".rows",
                     b.reshape(b.source(prefix + name), {rows, columns / rows}));
    };
    Value r = kan::rational(b, x, matrix("numerator", own), matrix("denominator", groups));
    return b.linear(r, weight("weight"), has("bias") ? weight("bias") : Value());
  }

  Value select(Value x) {
    std::vector<std::string> functions;
    for (int64_t o = 0, n = c.size(path + "functions"); o < n; ++o)
      functions.push_back(c.string(path + "functions." + std::to_string(o), ""));
    return kan::select(b, b.linear(x, weight("weight"), has("bias") ? weight("bias") : Value()),
                       functions);
  }

  const Config &c;
  Builder &b;
  std::string path, prefix, shapes;
};

} // namespace plexus::families
