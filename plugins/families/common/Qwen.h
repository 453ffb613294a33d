// What Qwen2 and Qwen3 share beyond the decoder: which layers slide.
#pragma once

#include "Decoder.h"

namespace plexus::families {

/// Windows by layer_types where the config has them, otherwise from max_window_layers on.
inline void readQwenWindows(const Config &c, Decoder &d) {
  const bool use = c.flag("use_sliding_window", false);
  const int64_t absent = c.isNull("sliding_window") ? 0 : 4096;
  const int64_t window = use ? c.integer("sliding_window", absent) : 0;
  const int64_t firstWindowed = c.integer("max_window_layers", 28);
  c.inert({"sliding_window"}); // Without use_sliding_window it says nothing.
  const int64_t types = c.size("layer_types");
  if (types >= 0 && types != d.layers)
    c.refuse("layer_types", std::to_string(types) + " entries long",
             "one for each of num_hidden_layers");
  for (int64_t l = 0; l < d.layers; ++l) {
    const std::string path = "layer_types." + std::to_string(l);
    const std::string kind =
        c.string(path, l >= firstWindowed && window ? "sliding_attention" : "full_attention");
    if (kind != "full_attention" && kind != "sliding_attention")
      c.refuse(path, "'" + kind + "'", "full_attention, sliding_attention");
    if (kind == "sliding_attention" && !window)
      c.refuse(path, "sliding_attention without use_sliding_window and sliding_window",
               "both together");
    d.window[l] = kind == "sliding_attention" ? window : 0;
  }
}

} // namespace plexus::families
