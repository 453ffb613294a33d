// The "truncation" and "padding" sections of tokenizer.json.
#pragma once

#include "runtime/text/JsonFields.h"
#include "runtime/text/TokenizerTypes.h"

namespace plexus::text {

/// The two sections, where `json` (a whole tokenizer.json, or any object that has them) carries
/// them.
Expected<std::optional<TokenizerTruncation>> readTruncation(const Json &json);
Expected<std::optional<TokenizerPadding>> readPadding(const Json &json);

} // namespace plexus::text
