// A tokenizer as the engine's text codec.
#pragma once

#include "runtime/engine/TextCodec.h"
#include "runtime/text/Tokenizer.h"

namespace plexus {

std::shared_ptr<const TextCodec> makeTokenizerCodec(std::shared_ptr<const Tokenizer> tokenizer);

} // namespace plexus
