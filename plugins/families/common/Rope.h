// Rotary frequencies from a config's rope_parameters: every scaling kind of transformers'
// modeling_rope_utils, whose formulas these are.
#pragma once

#include <plexus/family.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace plexus::families {

using graph::Builder;
using graph::Config;
using graph::Rope;

namespace rope {

/// base^(-2i/dims) for i in 0..dims/2, in float32 as the reference computes it.
inline std::vector<float> plain(double base, int64_t dims) {
  std::vector<float> inv;
  for (int64_t i = 0; i < dims; i += 2)
    inv.push_back(1.0f / std::pow(static_cast<float>(base), static_cast<float>(i) / dims));
  return inv;
}

/// What a scaling is computed from, at `path` of the config.
struct Scaling {
  const Config &c;
  std::string path;
  double base, context; ///< rope_theta; positions that the model is made for.

  double number(const char *name) const { return c.number(path + "." + name); }
  double number(const char *name, double otherwise) const {
    return c.number(path + "." + name, otherwise);
  }
  /// Positions of the training before the context was stretched.
  double original() const { return number("original_max_position_embeddings", context); }
};

inline void scaleLinear(const Scaling &s, Rope &r) {
  for (float &f : r.invFreq)
    f /= static_cast<float>(s.number("factor"));
}

/// Only the first pairs turn, the others stand still.
inline void scaleProportional(const Scaling &s, Rope &r) {
  const auto turning = static_cast<size_t>(s.number("partial_rotary_factor", 1.0) * r.dims / 2);
  for (size_t i = 0; i < r.invFreq.size(); ++i)
    r.invFreq[i] = i < turning ? r.invFreq[i] / static_cast<float>(s.number("factor", 1.0)) : 0.0f;
}

/// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, with a smooth passage.
inline void scaleLlama3(const Scaling &s, Rope &r) {
  const float factor = s.number("factor"), low = s.number("low_freq_factor"),
              high = s.number("high_freq_factor"), original = s.original();
  for (float &f : r.invFreq) {
    const float wavelength = 2 * std::numbers::pi_v<float> / f;
    if (wavelength > original / low) {
      f /= factor;
    } else if (wavelength >= original / high) {
      const float smooth = (original / wavelength - low) / (high - low);
      f = (1 - smooth) * f / factor + smooth * f;
    }
  }
}

/// YaRN (Peng et al., 2023): interpolates low frequencies, keeps high ones, scales attention.
inline void scaleYarn(const Scaling &s, Rope &r) {
  const double original = s.original(), factor = s.number("factor", s.context / original);
  auto magnitude = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; };
  const double m = s.number("mscale", 0), all = s.number("mscale_all_dim", 0);
  r.attentionScaling = static_cast<float>(
      s.number("attention_factor", m && all ? magnitude(m) / magnitude(all) : magnitude(1)));

  auto dimOfRotations = [&](double rotations) {
    return r.dims * std::log(original / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(s.base));
  };
  double low = dimOfRotations(s.number("beta_fast", 32));
  double high = dimOfRotations(s.number("beta_slow", 1));
  if (s.c.flag(s.path + ".truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(r.dims - 1));
  if (low == high)
    high += 0.001;
  for (size_t i = 0; i < r.invFreq.size(); ++i) {
    const float ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    r.invFreq[i] = r.invFreq[i] / static_cast<float>(factor) * ramp + r.invFreq[i] * (1 - ramp);
  }
}

/// The frequencies, each divided by its own factor of the list at `path`.
inline std::vector<float> divided(const Config &c, const std::string &path,
                                  std::vector<float> inv) {
  const std::vector<float> factors = c.numbers(path);
  if (factors.size() != inv.size())
    c.refuse(path, std::to_string(factors.size()) + " long",
             "one number for each of " + std::to_string(inv.size()) + " pairs");
  for (size_t i = 0; i < std::min(factors.size(), inv.size()); ++i)
    inv[i] /= factors[i];
  return inv;
}

/// LongRoPE (Ding et al., 2024): searched factors, one list for sequences as long as those of the
/// training and one for longer ones. Keys in the cache stay as they were turned.
inline void scaleLongRope(const Scaling &s, Rope &r) {
  const double original = s.original(), factor = s.number("factor", s.context / original);
  const double attention = factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
  r.attentionScaling = static_cast<float>(s.number("attention_factor", attention));
  r.longInvFreq = divided(s.c, s.path + ".long_factor", r.invFreq);
  r.invFreq = divided(s.c, s.path + ".short_factor", std::move(r.invFreq));
  r.originalContext = static_cast<int64_t>(original);
}

/// Dynamic NTK: past the context, the base grows with the sequence.
inline void scaleDynamic(const Scaling &s, Rope &r) {
  r.ntkFactor = static_cast<float>(s.number("factor"));
  r.originalContext = static_cast<int64_t>(s.context);
}

struct Kind {
  const char *name;
  void (*scale)(const Scaling &, Rope &);
};
inline constexpr Kind kKinds[] = {
    {"default", [](const Scaling &, Rope &) {}},
    {"linear", scaleLinear},
    {"llama3", scaleLlama3},
    {"yarn", scaleYarn},
    {"longrope", scaleLongRope},
    {"dynamic", scaleDynamic},
    {"proportional", scaleProportional},
};

} // namespace rope

/// The frequencies of rope_parameters for `dims` rotated dimensions and a model of `context`
/// positions. A kind that is not known is refused by name.
inline Rope readFrequencies(const Config &c, int64_t dims, int64_t context) {
  const std::string path = "rope_parameters";
  Rope r;
  r.dims = dims;
  const double base = c.number(path + ".rope_theta", 10000.0);
  r.invFreq = rope::plain(base, dims);
  // Divisors of the frequencies, as GGUF files give them instead of a scaling kind's parameters.
  if (c.size(path + ".frequency_factors") >= 0)
    r.invFreq = rope::divided(c, path + ".frequency_factors", std::move(r.invFreq));
  const std::string name = c.string(path + ".rope_type", "default");
  std::string known;
  for (const rope::Kind &kind : rope::kKinds) {
    if (name == kind.name) {
      kind.scale({c, path, base, static_cast<double>(context)}, r);
      return r;
    }
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  c.refuse(path + ".rope_type", "'" + name + "'", known);
  return r;
}

/// The same for heads that turn as a whole.
inline Rope readRope(const Config &c, int64_t dims, int64_t context) {
  const std::string path = "rope_parameters";
  if (c.string(path + ".rope_type", "default") != "proportional")
    if (double partial = c.number(path + ".partial_rotary_factor", 1.0); partial != 1.0)
      c.refuse(path + ".partial_rotary_factor", std::to_string(partial), "1");
  return readFrequencies(c, dims, context);
}

/// The same for heads of `headDim` of which the first part turns: a factor of the config, or
/// `otherwise`.
inline Rope readPartialRope(const Config &c, int64_t headDim, int64_t context, double otherwise) {
  const double factor = c.number("rope_parameters.partial_rotary_factor",
                                 c.number("partial_rotary_factor", otherwise));
  const auto dims = static_cast<int64_t>(static_cast<double>(headDim) * factor);
  if (dims < 2 || dims > headDim || dims % 2)
    c.refuse("partial_rotary_factor", std::to_string(factor),
             "parts of the head with an even number of entries");
  return readFrequencies(c, std::clamp<int64_t>(dims / 2 * 2, 2, std::max<int64_t>(headDim, 2)),
                         context);
}

} // namespace plexus::families
