// Mistral (Jiang et al., 2023): Llama's decoder with a sliding window in every layer.
#include "../common/Decoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  Decoder d = readDecoder(c, "Mistral", {.kvHeads = 8, .context = 131072});
  d.window.assign(d.window.size(),
                  c.integer("sliding_window", c.isNull("sliding_window") ? 0 : 4096));
  DecoderBuilder(c, b, d).build();
}

PLX_FAMILY_PLUGIN("mistral", "Mistral decoders", build);
