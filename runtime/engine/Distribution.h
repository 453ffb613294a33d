// Probability distributions over tokens, and choices from them that are coupled across
// distributions.
#pragma once

#include "runtime/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace plexus {

/// Where the noise of a choice comes from: equal places give equal noise for equal ids.
struct NoisePlace {
  uint64_t seed = 0;
  uint32_t output = 0, position = 0, lane = 0;
};

/// Probabilities of some ids, ascending by id; all others have none. They sum to 1 up to rounding.
struct Distribution {
  std::vector<int32_t> ids;
  std::vector<float> probs;

  double prob(int32_t id) const;

  /// softmax of the scores; entries of -infinity or NaN are dropped. False when none is left.
  /// `ids` need not be in order.
  bool assignSoftmax(std::span<const int32_t> ids, std::span<const float> scores);
  /// weight * a + (1 - weight) * b.
  void assignMix(const Distribution &a, const Distribution &b, double weight);
  /// max(0, target - draft), normalised; the target where nothing is left (Leviathan et al. 2023,
  /// "Fast inference from transformers via speculative decoding", algorithm 1).
  void assignResidual(const Distribution &target, const Distribution &draft);

private:
  void normalise();
};

/// The exponential race: entry i finishes at -log(u_i) / p_i, where u_i is keyed by place and id.
/// The first to finish is a sample of p; the order of arrival is sampling without replacement (the
/// Gumbel-top-k of Kool et al. 2019, in exponential form). Because u does not depend on p, races of
/// similar distributions at one place have mostly the same winner, and the winner for p depends on
/// nothing else. Fills `winners` in order of arrival, -1 where too few entries have weight.
/// `ids` empty: entry i is id i.
void race(std::span<const int32_t> ids, std::span<const float> weights, const NoisePlace &place,
          std::span<int32_t> winners);

/// The ids of the largest scores, descending, ties by lower id; NaN and -infinity never; -1 for
/// rest. `ids` empty: entry i is id i.
void largest(std::span<const int32_t> ids, std::span<const float> scores,
             std::span<int32_t> winners);

} // namespace plexus
