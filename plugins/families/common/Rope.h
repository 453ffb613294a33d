// Rotary frequencies from a config's rope_parameters: every scaling kind whose frequencies are
// arithmetic of the config. The formulas are those of transformers' modeling_rope_utils.
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

/// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, with a smooth passage.
inline void scaleLlama3(const Config &c, const std::string &path, std::vector<float> &inv) {
  const float factor = c.number(path + ".factor"), low = c.number(path + ".low_freq_factor"),
              high = c.number(path + ".high_freq_factor"),
              original = c.number(path + ".original_max_position_embeddings");
  for (float &f : inv) {
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
inline void scaleYarn(const Config &c, const std::string &path, double base, Rope &r) {
  const double original =
      c.number(path + ".original_max_position_embeddings", c.number("max_position_embeddings"));
  const double factor = c.number(path + ".factor", c.number("max_position_embeddings") / original);
  auto magnitude = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; };
  const double m = c.number(path + ".mscale", 0), all = c.number(path + ".mscale_all_dim", 0);
  r.attentionScaling = static_cast<float>(c.number(
      path + ".attention_factor", m && all ? magnitude(m) / magnitude(all) : magnitude(1)));

  auto dimOfRotations = [&](double rotations) {
    return r.dims * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(base));
  };
  double low = dimOfRotations(c.number(path + ".beta_fast", 32));
  double high = dimOfRotations(c.number(path + ".beta_slow", 1));
  if (c.flag(path + ".truncate", true)) {
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

} // namespace rope

/// Reads rope_parameters at `path` for heads of `dims` rotated dimensions. A kind that is not known
/// is refused by name.
inline Rope readRope(const Config &c, int64_t dims, double defaultBase = 10000.0,
                     const std::string &path = "rope_parameters") {
  Rope r;
  r.dims = dims;
  const double base = c.number(path + ".rope_theta", defaultBase);
  r.invFreq = rope::plain(base, dims);
  if (double partial = c.number(path + ".partial_rotary_factor", 1.0); partial != 1.0)
    c.refuse(path + ".partial_rotary_factor", std::to_string(partial), "1");
  // Divisors of the frequencies, as GGUF files give them instead of a scaling kind's parameters.
  const std::vector<float> factors = c.numbers(path + ".frequency_factors");
  if (!factors.empty() && factors.size() != r.invFreq.size())
    c.refuse(path + ".frequency_factors", std::to_string(factors.size()) + " long",
             std::to_string(r.invFreq.size()) + " factors");
  else
    for (size_t i = 0; i < factors.size(); ++i)
      r.invFreq[i] /= factors[i];
  const std::string kind = c.string(path + ".rope_type", "default");
  if (kind == "linear") {
    for (float &f : r.invFreq)
      f /= static_cast<float>(c.number(path + ".factor"));
  } else if (kind == "llama3") {
    rope::scaleLlama3(c, path, r.invFreq);
  } else if (kind == "yarn") {
    rope::scaleYarn(c, path, base, r);
  } else if (kind == "dynamic") {
    // Dynamic NTK changes frequencies only past max_position_embeddings, which is the context that
    // this model is given: inside it the plain frequencies are exact.
    c.number(path + ".factor");
  } else if (kind != "default") {
    c.refuse(path + ".rope_type", "'" + kind + "'", "default, linear, llama3, yarn, dynamic");
  }
  // Divisors of each frequency, as GGUF files give the Llama 3.1 scaling.
  if (auto factors = c.numbers(path + ".frequency_factors"); !factors.empty()) {
    if (factors.size() != r.invFreq.size())
      c.refuse(path + ".frequency_factors", std::to_string(factors.size()) + " long",
               "one for each pair of rotated dimensions");
    else
      for (size_t i = 0; i < factors.size(); ++i)
        r.invFreq[i] /= factors[i];
  }
  return r;
}

} // namespace plexus::families
