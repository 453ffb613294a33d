// ShallowFBCSPNet and Deep4Net (Schirrmeister et al., 2017) as braindecode writes them.
#include "Nets.h"

#include <algorithm>

namespace plexus::families {

static constexpr double kEps = 1e-5;

/// "mode" over `size` samples, every `stride`.
static Value shrink(Builder &b, Value x, const std::string &mode, int64_t size, int64_t stride) {
  brain::Window w;
  w.strides = {1, stride};
  return brain::pool(b, x, mode, {1, size}, w);
}

Value shallowFbcspNet(const Net &net, Value x) {
  const Config &c = net.c;
  Builder &b = net.b;
  const bool normed = c.flag("batch_norm", true);
  c.inert({"batch_norm_alpha", "n_filters_time", "n_filters_spat", "filter_time_length"});
  x = firstLayer(net, x, normed, 1);
  if (normed)
    x = brain::batchNorm(b, x, "bnorm", kEps);
  x = activate(b, x, readModule(c, "conv_nonlin", "Square"));
  x = shrink(b, x, readPool(c, "pool_mode", "mean"), c.integer("pool_time_length", 75),
             c.integer("pool_time_stride", 15));
  x = activate(b, x, readModule(c, "activation_pool_nonlin", "SafeLog"));
  return classifier(net, x);
}

/// Sizes along time; a window too short for them has all scaled down (the split first filter, whose
/// length its weights say, apart).
struct Deep4Sizes {
  int64_t filters[4], pool, stride;
};

static Deep4Sizes readSizes(const Net &net) {
  const Config &c = net.c;
  Deep4Sizes s{{c.integer("filter_time_length", 10), c.integer("filter_length_2", 10),
                c.integer("filter_length_3", 10), c.integer("filter_length_4", 10)},
               c.integer("pool_time_length", 3),
               c.integer("pool_time_stride", 3)};
  int64_t least = 1;
  for (int i = 3; i >= 0; --i)
    least = s.stride * (least - 1) + s.pool + s.filters[i] - 1;
  if (net.samples >= least)
    return s;
  const double factor = double(net.samples) / double(least);
  auto scale = [&](int64_t &size) { size = std::max<int64_t>(1, int64_t(double(size) * factor)); };
  std::for_each(std::begin(s.filters), std::end(s.filters), scale);
  scale(s.pool);
  scale(s.stride);
  return s;
}

Value deep4Net(const Net &net, Value x) {
  const Config &c = net.c;
  Builder &b = net.b;
  const bool normed = c.flag("batch_norm", true), early = c.flag("stride_before_pool", false);
  const Deep4Sizes sizes = readSizes(net);
  const int64_t convStride = early ? sizes.stride : 1, poolStride = early ? 1 : sizes.stride;
  c.inert({"batch_norm_alpha", "n_filters_time", "n_filters_spat", "n_filters_2", "n_filters_3",
           "n_filters_4"});
  auto finish = [&](Value v, const std::string &norm, const std::string &activation,
                    const std::string &mode, const std::string &after) {
    if (normed)
      v = brain::batchNorm(b, v, norm, kEps);
    v = activate(b, v, activation);
    return activate(b, shrink(b, v, mode, sizes.pool, poolStride), after);
  };
  x = finish(firstLayer(net, x, normed, convStride), "bnorm",
             readModule(c, "activation_first_conv_nonlin", "ELU"),
             readPool(c, "first_pool_mode", "max"), readModule(c, "first_pool_nonlin", "Identity"));
  const std::string activation = readModule(c, "activation_later_conv_nonlin", "ELU"),
                    mode = readPool(c, "later_pool_mode", "max"),
                    after = readModule(c, "later_pool_nonlin", "Identity");
  for (int i = 2; i <= 4; ++i) {
    const std::string number = std::to_string(i), name = "conv_" + number;
    const std::vector<int64_t> w = c.weightShape(name + ".weight");
    if (w.size() != 4) {
      b.fail(2, name + ".weight is missing or no 4-D tensor");
      return x;
    }
    Value kernel =
        b.param(name + ".kernel", b.reshape(b.source(name + ".weight"), {w[0], w[1], 1, w[2]}));
    brain::Window window;
    window.strides = {1, convStride};
    x = brain::conv(b, x, kernel, normed ? Value{} : b.param(name + ".bias"), window);
    x = finish(x, "bnorm_" + number, activation, mode, after);
  }
  return classifier(net, x);
}

} // namespace plexus::families
