// The samplers of one output, in order, with their history.
#pragma once

#include "runtime/plugins/Host.h"

#include <plexus/sampler.h>

#include <span>

namespace plexus {

/// The option keys and values of a generation.
using OptionList = std::vector<std::pair<std::string, std::string>>;

/// The ids of the default chain that the host has, in the order in which the field applies them.
std::vector<std::string> defaultSamplers(const PluginHost &host);

class SamplerChain {
public:
  SamplerChain() = default;
  SamplerChain(SamplerChain &&other) noexcept : entries_(std::move(other.entries_)) {}
  SamplerChain &operator=(SamplerChain &&other) noexcept;
  ~SamplerChain();

  /// Makes the samplers `ids` (those that would change nothing are left out) and gives them the
  /// prompt. Sorted by stage, within one in the order of `ids`.
  static Expected<SamplerChain> create(PluginHost &host, std::span<const std::string> ids,
                                       const OptionList &options, int64_t vocabSize,
                                       std::span<const int32_t> prompt);
  Expected<SamplerChain> clone() const;

  /// Whether any sampler up to a stage is there.
  bool active(int32_t lastStage) const;
  /// Runs the samplers up to `lastStage` as they stand behind `path`. Errors name the sampler.
  Status apply(plx_candidates &candidates, int32_t lastStage, std::span<const int32_t> path);
  /// The history grows for good.
  Status accept(std::span<const int32_t> ids);

private:
  struct Entry {
    plx_sampler sampler;
    std::string id;
    std::shared_ptr<LoadedPlugin> plugin;
  };
  static Status check(const Entry &entry);
  static Status applyOne(Entry &entry, plx_candidates &candidates);
  Status rollback(size_t count);

  std::vector<Entry> entries_;
};

/// The distribution that sampling with these options draws from behind `prompt`, dense over
/// [logits.size()]: what `sample` does, without a generation.
Expected<std::vector<float>> samplingProbabilities(PluginHost &host, const OptionList &options,
                                                   std::span<const int32_t> prompt,
                                                   std::span<const float> logits);

} // namespace plexus
