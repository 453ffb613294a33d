// config.json and generation_config.json of a Hugging Face directory, brought into one dialect.
#pragma once

#include "runtime/support/Status.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::frontends {

/// Parses and normalises the text of a config.json. `source` (its path) opens every message.
///
/// Accepted beyond JSON: bare NaN, Infinity and -Infinity, and {"__float__": "Infinity"} for them.
/// The result is in the dialect of transformers 5, whichever was given:
/// - `dtype` for `torch_dtype`, without "torch.";
/// - `rope_parameters` with `rope_type` and `rope_theta` for `rope_scaling` and, beside it,
///   `rope_theta`, `rotary_emb_base`, `partial_rotary_factor`, `rotary_pct` and, with a scaling,
///   `original_max_position_embeddings`; a kind "su" is "longrope".
/// The same in sub-configs (`text_config` ...). Both dialects at once must say the same.
Expected<nlohmann::json> parseConfig(std::string_view text, const std::string &source);

/// parseConfig of the file `path`.
Expected<nlohmann::json> readConfig(const std::string &path);

/// Tokens that delimit sequences. `eos` may have several; empty: generation never stops by itself.
struct SpecialTokens {
  std::vector<int64_t> eos;
  std::optional<int64_t> bos, pad, decoderStart;
};

/// From generation_config.json (may be null) where it says something, otherwise from config.json.
/// Corrupt when an id is no non-negative integer (or list of them, for eos).
Expected<SpecialTokens> readSpecialTokens(const nlohmann::json &config,
                                          const nlohmann::json &generation,
                                          const std::string &source);

} // namespace plexus::frontends
