#include "runtime/engine/SamplerChain.h"

#include "runtime/engine/Distribution.h"
#include "runtime/plugins/Structs.h"

#include <algorithm>
#include <numeric>

namespace plexus {
namespace {

/// The options that a provision understands, as the ABI wants them.
class OptionArray {
public:
  OptionArray(const OptionList &options, const std::vector<std::string> &keys) {
    for (const auto &[key, value] : options)
      if (std::find(keys.begin(), keys.end(), key) != keys.end())
        options_.push_back({sizeof(plx_option), nullptr, toStr(key), toStr(value)});
    for (const plx_option &option : options_)
      pointers_.push_back(&option);
  }
  const plx_option *const *data() const { return pointers_.data(); }
  size_t size() const { return pointers_.size(); }

private:
  std::vector<plx_option> options_;
  std::vector<const plx_option *> pointers_;
};

/// Ok, or the sampler's error with its name. The name is put together only then: this runs each
/// step.
Status outcome(ErrorReceiver &receiver, plx_status code, const std::string &id) {
  return code == PLX_OK ? Status::ok() : receiver.status(code, "sampler '" + id + "'");
}

} // namespace

std::vector<std::string> defaultSamplers(const PluginHost &host) {
  // Samplers that are not installed are missed only when one of their options is given.
  std::vector<std::string> ids = {"repetition_penalty",
                                  "presence_penalty",
                                  "frequency_penalty",
                                  "temperature",
                                  "top_k",
                                  "top_p",
                                  "min_p"};
  std::erase_if(ids, [&](const std::string &id) { return !host.provision("sampler", id); });
  return ids;
}

SamplerChain &SamplerChain::operator=(SamplerChain &&other) noexcept {
  std::swap(entries_, other.entries_);
  return *this;
}
SamplerChain::~SamplerChain() {
  for (Entry &entry : entries_)
    if (entry.sampler.destroy)
      entry.sampler.destroy(entry.sampler.self);
}

Status SamplerChain::check(const Entry &entry) {
  plx_sampler copy;
  PLX_RETURN_IF_ERROR(readStruct(&entry.sampler, copy, "plx_sampler").at(entry.id));
  if (copy.stage < PLX_STAGE_MASK || copy.stage > PLX_STAGE_FILTER)
    return error(Code::InvalidArgument)
           << "sampler '" << entry.id << "': stage is " << copy.stage << ", expected 0 to 3";
  if (!copy.clone || !copy.destroy || !copy.accept != !copy.rollback)
    return error(Code::InvalidArgument)
           << "sampler '" << entry.id
           << "': clone and destroy must be set, accept and rollback both or neither";
  return Status::ok();
}

Expected<SamplerChain> SamplerChain::create(PluginHost &host, std::span<const std::string> ids,
                                            const OptionList &options, int64_t vocabSize,
                                            std::span<const int32_t> prompt) {
  SamplerChain chain;
  for (const std::string &id : ids) {
    PLX_ASSIGN(Provider provider, host.find("sampler", id));
    const auto *factory =
        static_cast<const plx_sampler_factory *>(provider.plugin->factory(PLX_SAMPLER_FACTORY_ID));
    plx_sampler_factory checked;
    PLX_RETURN_IF_ERROR(
        readStruct(factory, checked, "plx_sampler_factory").at(provider.plugin->path()));
    const OptionArray given(options, provider.provision->options);
    Entry entry = {{}, id, provider.plugin};
    entry.sampler.struct_size = sizeof(plx_sampler);
    ErrorReceiver receiver;
    const plx_status code = checked.create
                                ? checked.create(toStr(id), given.data(), given.size(), vocabSize,
                                                 &entry.sampler, receiver.get())
                                : PLX_UNSUPPORTED;
    PLX_RETURN_IF_ERROR(outcome(receiver, code, id));
    if (!entry.sampler.apply)
      continue;
    const auto place = std::upper_bound(
        chain.entries_.begin(), chain.entries_.end(), entry.sampler.stage,
        [](int32_t stage, const Entry &other) { return stage < other.sampler.stage; });
    PLX_RETURN_IF_ERROR(check(*chain.entries_.insert(place, std::move(entry))));
  }
  PLX_RETURN_IF_ERROR(chain.accept(prompt));
  return chain;
}

Expected<SamplerChain> SamplerChain::clone() const {
  SamplerChain copy;
  for (const Entry &entry : entries_) {
    Entry twin = {{}, entry.id, entry.plugin};
    twin.sampler.struct_size = sizeof(plx_sampler);
    ErrorReceiver receiver;
    const plx_status code = entry.sampler.clone(entry.sampler.self, &twin.sampler, receiver.get());
    PLX_RETURN_IF_ERROR(outcome(receiver, code, entry.id));
    copy.entries_.push_back(std::move(twin));
    PLX_RETURN_IF_ERROR(check(copy.entries_.back()));
  }
  return copy;
}

bool SamplerChain::active(int32_t lastStage) const {
  return !entries_.empty() && entries_.front().sampler.stage <= lastStage;
}

Status SamplerChain::apply(plx_candidates &candidates, int32_t lastStage,
                           std::span<const int32_t> path) {
  PLX_RETURN_IF_ERROR(accept(path));
  Status applied;
  for (Entry &entry : entries_)
    if (applied && entry.sampler.stage <= lastStage)
      applied = applyOne(entry, candidates);
  // Also behind an error: a strategy may go on with what it has.
  const Status back = rollback(path.size());
  return applied ? back : applied;
}

Status SamplerChain::applyOne(Entry &entry, plx_candidates &candidates) {
  const int64_t before = candidates.count;
  ErrorReceiver receiver;
  const plx_status code = entry.sampler.apply(entry.sampler.self, &candidates, receiver.get());
  PLX_RETURN_IF_ERROR(outcome(receiver, code, entry.id));
  const bool keepsAll = entry.sampler.stage <= PLX_STAGE_PENALTY;
  if (candidates.count >= 0 && candidates.count <= before &&
      (!keepsAll || candidates.count == before))
    return Status::ok();
  const int64_t found = candidates.count;
  candidates.count = 0; // nobody may follow it
  return error(Code::InvalidArgument)
         << "sampler '" << entry.id << "' set the number of candidates to " << found << ", it was "
         << before << (keepsAll ? " and may not change in its stage" : "");
}

Status SamplerChain::accept(std::span<const int32_t> ids) {
  if (ids.empty())
    return Status::ok();
  for (Entry &entry : entries_) {
    if (!entry.sampler.accept)
      continue;
    ErrorReceiver receiver;
    const plx_status code =
        entry.sampler.accept(entry.sampler.self, ids.data(), ids.size(), receiver.get());
    PLX_RETURN_IF_ERROR(outcome(receiver, code, entry.id));
  }
  return Status::ok();
}

Status SamplerChain::rollback(size_t count) {
  if (count == 0)
    return Status::ok();
  for (Entry &entry : entries_) {
    if (!entry.sampler.rollback)
      continue;
    ErrorReceiver receiver;
    const plx_status code = entry.sampler.rollback(entry.sampler.self, count, receiver.get());
    PLX_RETURN_IF_ERROR(outcome(receiver, code, entry.id));
  }
  return Status::ok();
}

Expected<std::vector<float>> samplingProbabilities(PluginHost &host, const OptionList &options,
                                                   std::span<const int32_t> prompt,
                                                   std::span<const float> logits) {
  PLX_ASSIGN(SamplerChain chain, SamplerChain::create(host, defaultSamplers(host), options,
                                                      static_cast<int64_t>(logits.size()), prompt));
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> scores(logits.begin(), logits.end());
  plx_candidates candidates = {};
  candidates.struct_size = sizeof(candidates);
  candidates.count = static_cast<int64_t>(ids.size());
  candidates.ids = ids.data();
  candidates.scores = scores.data();
  PLX_RETURN_IF_ERROR(chain.apply(candidates, PLX_STAGE_FILTER, {}));
  const auto left = static_cast<size_t>(candidates.count);
  Distribution distribution;
  if (!distribution.assignSoftmax({ids.data(), left}, {scores.data(), left}))
    return error(Code::InvalidArgument) << "the samplers forbid every token";
  std::vector<float> dense(logits.size());
  for (size_t i = 0; i < distribution.ids.size(); ++i)
    if (const auto id = static_cast<size_t>(distribution.ids[i]); id < dense.size())
      dense[id] = distribution.probs[i];
  return dense;
}

} // namespace plexus
