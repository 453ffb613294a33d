// Host functions that choose tokens: rows of logits through the samplers to ids and distributions.
#include "runtime/engine/GenerationRun.h"
#include "runtime/engine/Philox.h"
#include "runtime/plugins/Structs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace plexus {
namespace {

constexpr float forbidden = -std::numeric_limits<float>::infinity();
constexpr uint32_t laneLimit = uint32_t(1) << 31;
constexpr size_t maxDists = 65536, maxPath = 1 << 20;

/// Scores to unnormalised probabilities, in place; false when nothing is left.
bool toWeights(std::span<float> scores) {
  float most = forbidden;
  for (const float score : scores)
    most = score > most ? score : most;
  if (!(most > forbidden))
    return false;
  const bool certain = most == std::numeric_limits<float>::infinity();
  for (float &score : scores)
    score = certain ? static_cast<float>(score == most)
                    : (score > forbidden ? std::exp(score - most) : 0.f);
  return true;
}

} // namespace

Expected<GenerationRun::Place> GenerationRun::readPlace(const plx_place *from) {
  plx_place place;
  PLX_RETURN_IF_ERROR(readStruct(from, place, "plx_place"));
  if (place.path_count > maxPath || (place.path_count && !place.path))
    return error(Code::InvalidArgument) << "plx_place.path_count is " << place.path_count
                                        << ", expected at most " << maxPath << " and an array";
  if (place.lane >= laneLimit)
    return error(Code::InvalidArgument)
           << "plx_place.lane is " << place.lane << ", expected less than " << laneLimit;
  auto to = output(place.output);
  PLX_RETURN_IF_ERROR(to.status().at("plx_place"));
  const auto position = static_cast<uint32_t>((*to)->ids().size() + place.path_count);
  // The upper half of the lanes is the races' own, apart from what `rng` gives.
  const NoisePlace noise = {options_.seed, static_cast<uint32_t>(place.output), position,
                            place.lane | laneLimit};
  return Place{*to, noise, {place.path, place.path_count}};
}

plx_candidates GenerationRun::loadCandidates(std::span<const float> scores, const Place &place) {
  const size_t count = scores.size();
  if (scratch_.identity.size() < count) {
    scratch_.identity.resize(count);
    std::iota(scratch_.identity.begin(), scratch_.identity.end(), 0);
    scratch_.ids.resize(count);
    scratch_.scores.resize(count);
  }
  std::copy_n(scratch_.identity.begin(), count, scratch_.ids.begin());
  std::copy(scores.begin(), scores.end(), scratch_.scores.begin());
  plx_candidates candidates = {};
  candidates.struct_size = sizeof(candidates);
  candidates.count = static_cast<int64_t>(count);
  candidates.ids = scratch_.ids.data();
  candidates.scores = scratch_.scores.data();
  candidates.position = place.noise.position;
  return candidates;
}

Expected<plx_candidates> GenerationRun::candidates(plx_row row, const Place &place,
                                                   int32_t lastStage, std::string_view function) {
  PLX_ASSIGN(const RowView view, results_.row(row));
  if (!view.ids.empty())
    return error(Code::Unsupported) << function << ": the row holds the top " << view.ids.size()
                                    << " only; samplers and sampling need a row of full logits";
  plx_candidates loaded = loadCandidates(view.scores, place);
  PLX_RETURN_IF_ERROR(place.output->chain().apply(loaded, lastStage, place.path));
  return loaded;
}

Status GenerationRun::noTokenLeft(const Place &place) const {
  return error(Code::InvalidArgument)
         << "no token is left to choose at position " << place.noise.position << " of output "
         << place.noise.output << ": the samplers or the logits (NaN) forbid them all";
}

Status GenerationRun::argmax(plx_row row, const plx_place *from, int32_t *ids, size_t count) {
  PLX_ASSIGN(const Place place, readPlace(from));
  if (!ids || count == 0)
    return error(Code::InvalidArgument) << "argmax: count is 0 or ids is NULL";
  if (place.output->chain().active(PLX_STAGE_PENALTY)) {
    PLX_ASSIGN(const plx_candidates scores, candidates(row, place, PLX_STAGE_PENALTY, "argmax"));
    const auto size = static_cast<size_t>(scores.count);
    largest({scores.ids, size}, {scores.scores, size}, {ids, count});
  } else {
    PLX_ASSIGN(const RowView view, results_.row(row));
    largest(view.ids, view.scores, {ids, count});
  }
  return ids[0] < 0 ? noTokenLeft(place) : Status::ok();
}

Status GenerationRun::sample(plx_row row, const plx_place *from, int32_t *ids, size_t count) {
  PLX_ASSIGN(const Place place, readPlace(from));
  if (!ids || count == 0)
    return error(Code::InvalidArgument) << "sample: count is 0 or ids is NULL";
  PLX_ASSIGN(const plx_candidates scores, candidates(row, place, PLX_STAGE_FILTER, "sample"));
  const auto size = static_cast<size_t>(scores.count);
  if (!toWeights({scores.scores, size}))
    return noTokenLeft(place);
  race({scores.ids, size}, {scores.scores, size}, place.noise, {ids, count});
  return Status::ok();
}

Status GenerationRun::process(float *scores, size_t count, const plx_place *from,
                              int32_t lastStage) {
  PLX_ASSIGN(const Place place, readPlace(from));
  const auto vocabulary = static_cast<size_t>(models_[0]->backend->info().vocabSize);
  if (!scores || count != vocabulary)
    return error(Code::InvalidArgument)
           << "process: count is " << count << ", expected the vocabulary's " << vocabulary;
  if (!place.output->chain().active(lastStage))
    return Status::ok();
  plx_candidates loaded = loadCandidates({scores, count}, place);
  PLX_RETURN_IF_ERROR(place.output->chain().apply(loaded, lastStage, place.path));
  std::fill_n(scores, count, forbidden);
  for (int64_t i = 0; i < loaded.count; ++i) {
    if (loaded.ids[i] < 0 || static_cast<size_t>(loaded.ids[i]) >= count)
      return error(Code::InvalidArgument)
             << "process: a sampler left the id " << loaded.ids[i] << ", outside the vocabulary";
    scores[loaded.ids[i]] = loaded.scores[i];
  }
  return Status::ok();
}

uint64_t GenerationRun::random(uint32_t output, uint32_t position, uint32_t lane,
                               uint32_t draw) const {
  const PhiloxBlock block = philox(options_.seed, {output, position, lane & (laneLimit - 1), draw});
  return uint64_t(block[1]) << 32 | block[0];
}

Expected<Distribution *> GenerationRun::dist(plx_dist handle, std::string_view function) {
  for (const auto &[known, value] : dists_)
    if (known == handle)
      return value.get();
  return error(Code::InvalidArgument) << function << ": there is no distribution " << handle;
}

Distribution &GenerationRun::newDist(plx_dist &handle) {
  handle = nextHandle_++;
  if (freeDists_.empty()) {
    dists_.emplace_back(handle, std::make_unique<Distribution>());
  } else {
    dists_.emplace_back(handle, std::move(freeDists_.back()));
    freeDists_.pop_back();
  }
  return *dists_.back().second;
}

Status GenerationRun::distMake(plx_row row, const plx_place *from, plx_dist *out) {
  PLX_ASSIGN(const Place place, readPlace(from));
  if (!out || dists_.size() >= maxDists)
    return error(Code::ResourceExhausted)
           << "dist_make: at most " << maxDists << " distributions; dist_drop those of past steps";
  PLX_ASSIGN(const plx_candidates scores, candidates(row, place, PLX_STAGE_FILTER, "dist_make"));
  const auto size = static_cast<size_t>(scores.count);
  if (!newDist(*out).assignSoftmax({scores.ids, size}, {scores.scores, size})) {
    (void)distDrop(*out);
    *out = 0;
    return noTokenLeft(place);
  }
  return Status::ok();
}

Status GenerationRun::distMix(plx_dist a, plx_dist b, double weight, plx_dist *out) {
  PLX_ASSIGN(const Distribution *first, dist(a, "dist_mix"));
  PLX_ASSIGN(const Distribution *second, dist(b, "dist_mix"));
  if (!out || !(weight >= 0 && weight <= 1) || dists_.size() >= maxDists)
    return error(Code::InvalidArgument)
           << "dist_mix: weight is " << weight << ", expected 0 to 1 (and at most " << maxDists
           << " distributions)";
  newDist(*out).assignMix(*first, *second, weight);
  return Status::ok();
}

Status GenerationRun::distProb(plx_dist handle, int32_t id, double *out) {
  PLX_ASSIGN(const Distribution *of, dist(handle, "dist_prob"));
  if (!out)
    return error(Code::InvalidArgument) << "dist_prob: out is NULL";
  *out = of->prob(id);
  return Status::ok();
}

Status GenerationRun::distSample(plx_dist handle, const plx_place *from, int32_t *ids,
                                 size_t count) {
  PLX_ASSIGN(const Distribution *of, dist(handle, "dist_sample"));
  PLX_ASSIGN(const Place place, readPlace(from));
  if (!ids || count == 0)
    return error(Code::InvalidArgument) << "dist_sample: count is 0 or ids is NULL";
  race(of->ids, of->probs, place.noise, {ids, count});
  return Status::ok();
}

Status GenerationRun::distResidual(plx_dist target, plx_dist draft, plx_dist *out) {
  PLX_ASSIGN(const Distribution *from, dist(target, "dist_residual"));
  PLX_ASSIGN(const Distribution *less, dist(draft, "dist_residual"));
  if (!out || dists_.size() >= maxDists)
    return error(Code::ResourceExhausted)
           << "dist_residual: at most " << maxDists << " distributions";
  newDist(*out).assignResidual(*from, *less);
  return Status::ok();
}

Status GenerationRun::distDrop(plx_dist handle) {
  for (auto &entry : dists_)
    if (entry.first == handle) {
      freeDists_.push_back(std::move(entry.second));
      std::swap(entry, dists_.back());
      dists_.pop_back();
      return Status::ok();
    }
  return error(Code::InvalidArgument) << "dist_drop: there is no distribution " << handle;
}

} // namespace plexus
