// Llama (Touvron et al., 2023), all generations, and every model published in its format.
#include "../common/Decoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  Decoder d = readDecoder(c, "Llama", {.context = 2048});
  d.qkvBias = d.outBias = c.flag("attention_bias", false);
  d.mlpBias = c.flag("mlp_bias", false);
  DecoderBuilder(c, b, d).build();
}

PLX_FAMILY_PLUGIN("llama", "Llama decoders and models in their format", build);
