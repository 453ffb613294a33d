// Qwen2 and Qwen2.5: Llama's decoder with biases on q, k and v, and windows in some layers.
#include "../common/Qwen.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  Decoder d = readDecoder(c, "Qwen2", {.kvHeads = 32, .context = 32768});
  d.qkvBias = true;
  readQwenWindows(c, d);
  DecoderBuilder(c, b, d).build();
}

PLX_FAMILY_PLUGIN("qwen2", "Qwen2 and Qwen2.5 decoders", build);
