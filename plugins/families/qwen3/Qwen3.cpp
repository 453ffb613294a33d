// Qwen3 (dense): Llama's decoder with an RMS norm on each head's query and key.
#include "../common/Qwen.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  Decoder d = readDecoder(c, "Qwen3", {.kvHeads = 32, .headDim = 128, .context = 32768});
  d.qkvBias = d.outBias = c.flag("attention_bias", false);
  d.qkNorm = true;
  readQwenWindows(c, d);
  DecoderBuilder(c, b, d).build();
}

PLX_FAMILY_PLUGIN("qwen3", "Qwen3 dense decoders", build);
