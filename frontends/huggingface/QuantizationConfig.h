// What a config.json says of weights that were quantized before: GPTQ and AWQ as transformers
// writes them.
#pragma once

#include "runtime/support/Status.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace plexus::frontends {

enum class QuantizedLayout {
  Gptq, ///< qweight [K bits/32, N], packed along K; arXiv:2210.17323
  Awq   ///< qweight [K, N bits/32], packed along N in AWQ's order; arXiv:2306.00978
};

struct QuantizationConfig {
  QuantizedLayout layout = QuantizedLayout::Gptq;
  int bits = 4;
  int64_t group = 128; ///< Neighbours along K that share a scale; -1: all of them.
  /// GPTQ's first checkpoint format stores each zero point less 1.
  bool zerosLessOne = false;
};

/// Takes `quantization_config` out of `config`; nothing where it has none. Unsupported, by name,
/// for methods and options that are not read, with what would be.
Expected<std::optional<QuantizationConfig>> takeQuantizationConfig(nlohmann::json &config,
                                                                   const std::string &source);

} // namespace plexus::frontends
