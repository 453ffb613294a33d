// Layers of hybrids whose layers are a gated delta rule or attention.
#pragma once

#include "DeltaNet.h"
#include "Stack.h"

namespace plexus::families {

struct DeltaHybrid {
  const graph::Config &c;
  graph::Builder &b;
  std::string prefix, act;
  int64_t hidden;
  double eps;
  bool bias; ///< Of attention.
  StackAttention attention;
  DeltaNet delta;

  std::string name(const std::string &tail) const { return prefix + "layers.{layer}." + tail; }
  graph::Value weight(const std::string &tail) { return b.param(name(tail)); }
  graph::Value linear(graph::Value x, const std::string &tail, bool biased = false) {
    return b.linear(x, weight(tail + ".weight"), biased ? weight(tail + ".bias") : graph::Value{});
  }
};

} // namespace plexus::families
