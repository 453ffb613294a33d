// EEGNet (Lawhern et al., 2018) as braindecode writes it.
#include "Nets.h"

namespace plexus::families {

/// The head on the flattened map, its rows renormed to norm_rate.
static Value constrainedHead(const Net &net, Value x) {
  Builder &b = net.b;
  const std::vector<int64_t> map = b.shape(x);
  if (map.size() != 4)
    return x;
  const std::string name = "final_layer.linearconstraint.";
  const std::string original = name + "parametrizations.weight.original";
  Recipe w = b.source(net.c.hasWeight(original) ? original : name + "weight");
  w = b.renorm(w, net.c.number("norm_rate", 0.25));
  return b.linear(b.reshape(x, {map[1] * map[2] * map[3]}), b.param(name + "kernel", w),
                  optionalParam(net, name + "bias"));
}

Value eegNet(const Net &net, Value x) {
  const Config &c = net.c;
  Builder &b = net.b;
  const int64_t f1 = c.integer("F1", 8), d = c.integer("D", 2);
  const int64_t f2 = c.integer("F2", f1 * d);
  const int64_t length = c.integer("kernel_length", 64);
  const int64_t depthwise = c.integer("depthwise_kernel_length", 16);
  const std::string mode = readPool(c, "pool_mode", "mean");
  const std::string activation = readModule(c, "activation", "ELU");
  const double eps = c.number("batch_norm_eps", 1e-3);
  const bool affine = c.flag("batch_norm_affine", true);
  c.inert({"batch_norm_momentum", "third_kernel_size", "norm_rate", "F2"});
  auto norm = [&](Value v, const char *name) { return brain::batchNorm(b, v, name, eps, affine); };
  auto along = [](int64_t kernel, int64_t groups) { // zeros on both sides: an even kernel adds one
    brain::Window w;
    w.begin = w.end = {0, kernel / 2};
    w.groups = groups;
    return w;
  };
  auto shrink = [&](Value v, int64_t size) {
    brain::Window w;
    w.strides = {1, size};
    return brain::pool(b, activate(b, v, activation), mode, {1, size}, w);
  };
  x = brain::conv(b, x, b.param("conv_temporal.weight"), {}, along(length, 1));
  x = norm(x, "bnorm_temporal");
  const std::string original = "conv_spatial.parametrizations.weight.original";
  Recipe spatial = b.source(c.hasWeight(original) ? original : "conv_spatial.weight");
  spatial = b.renorm(spatial, c.number("conv_spatial_max_norm", 1));
  brain::Window groups;
  groups.groups = f1;
  x = norm(brain::conv(b, x, b.param("conv_spatial.kernel", spatial), {}, groups), "bnorm_1");
  x = shrink(x, c.integer("pool1_kernel_size", 4));
  x = brain::conv(b, x, b.param("conv_separable_depth.weight"), {}, along(depthwise, f1 * d));
  x = brain::conv(b, x, b.param("conv_separable_point.weight"));
  x = shrink(norm(x, "bnorm_2"), c.integer("pool2_kernel_size", 8));
  (void)f2; // the weights say it
  return c.flag("final_layer_with_constraint", false) ? constrainedHead(net, x)
                                                      : classifier(net, x);
}

} // namespace plexus::families
