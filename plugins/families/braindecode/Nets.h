// What the nets of the braindecode library have in common: their config and their first and last
// layers. Maps are [N, filters, channels, samples] throughout, whatever order the library uses.
#pragma once

#include <plexus/brain.hpp>
#include <plexus/family.hpp>

namespace plexus::families {

using namespace plexus::graph;

/// The facts that every net is built from.
struct Net {
  const Config &c;
  Builder &b;
  int64_t channels, samples, outputs;
};

/// One net: x [N, 1, channels, samples] to its output, without the row axis of any shape.
using NetBuilder = Value (*)(const Net &, Value x);
Value eegNet(const Net &, Value x);
Value shallowFbcspNet(const Net &, Value x);
Value deep4Net(const Net &, Value x);
/// Builds its segments and schedule itself.
void eegConformer(const Net &);

/// Kind of the activation that field `path` names as a class of torch.nn, or braindecode's Square
/// and SafeLog; refuses others.
std::string readModule(const Config &c, const char *path, const char *otherwise);
/// That activation of x.
Value activate(Builder &b, Value x, const std::string &kind);

/// "mean" or "max".
std::string readPool(const Config &c, const char *path, const char *otherwise);

/// The temporal and the spatial convolution: conv_time_spat.*, or conv_time.* alone where the first
/// layer is not split. `stride` is that of the unsplit one.
Value firstLayer(const Net &net, Value x, bool batchNorm, int64_t stride);

/// final_layer.conv_classifier over all that is left, or over final_conv_length samples.
Value classifier(const Net &net, Value x);

/// A bias that is there or not.
inline Value optionalParam(const Net &net, const std::string &name) {
  return net.c.hasWeight(name) ? net.b.param(name) : Value{};
}

} // namespace plexus::families
