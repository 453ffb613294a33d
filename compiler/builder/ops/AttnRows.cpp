// The builder's ops of attn. docs/writing-a-family.md documents them in this order.
#include "compiler/builder/OpTable.h"

namespace plexus::compiler {

const std::vector<OpRow> &attnRows() {
  static const std::vector<OpRow> rows = {
      {"rope",
       "attn.rope",
       2,
       2,
       Result::Same,
       {{"dims", Kind::Rope},
        {"inv_freq", Kind::Rope},
        {"attention_scaling", Kind::Rope, false},
        {"interleaved", Kind::Rope, false},
        {"long_inv_freq", Kind::Rope, false},
        {"original_context", Kind::Rope, false},
        {"ntk_factor", Kind::Rope, false}}},
      {"kv_write", "attn.kv_write", 4, 4, Result::None},
      {"attention",
       "attn.attention",
       3,
       4,
       Result::Attention,
       {{"scale", Kind::F32},
        {"causal", Kind::Unit, false},
        {"window", Kind::I64, false},
        {"softcap", Kind::Positive, false}}},
  };
  return rows;
}

} // namespace plexus::compiler
