// GPT-2 (Radford et al. 2019) written down as in the paper, without states: a model with known
// answers for tests of the engine.
#pragma once

#include "runtime/io/Safetensors.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace plexus::test {

class ReferenceGpt2 {
public:
  /// A model folder of the conformance packs: config.json, model.safetensors in f32.
  explicit ReferenceGpt2(const std::string &folder);

  /// [vocabSize] logits behind the last of these ids, computed anew from all of them.
  std::vector<float> logits(std::span<const int32_t> ids) const;
  int64_t vocabSize = 0, context = 0;

private:
  using Rows = std::vector<std::vector<double>>;
  const float *weight(const std::string &name) const;
  std::vector<double> layerNorm(const std::vector<double> &x, const std::string &name) const;
  /// x W + b, W stored [in, out].
  std::vector<double> linear(const std::vector<double> &x, const std::string &name,
                             int64_t out) const;
  void attend(Rows &x, const std::string &layer) const;

  std::shared_ptr<const SafetensorsFile> file_;
  int64_t layers_ = 0, heads_ = 0, width_ = 0;
  double epsilon_ = 0;
};

} // namespace plexus::test
