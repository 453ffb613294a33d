// RoBERTa (Liu et al., 2019): BERT's encoder with positions that count from padding_idx + 1.
#include "../common/Encoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  const bool head =
      readArchitecture(c, {"RobertaModel", "RobertaForMaskedLM"}) == "RobertaForMaskedLM";
  const Encoder e = readEncoder(c, "roberta");
  EncoderBuilder encoder(b, e);
  const int64_t padding = c.integer("pad_token_id", 1);
  encoderInfo(b, e, c.integer("max_position_embeddings", 512) - padding - 1,
              c.integer("type_vocab_size", 2), head);
  b.info("position_padding", padding);
  encoder.segments();
  if (head)
    maskedLmHead(
        c, b, encoder, e,
        {"lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias", "gelu"});
  else
    c.unusedWeights({"lm_head.*"});
  encoder.schedule(head ? "head" : "");
}

PLX_FAMILY_PLUGIN("roberta", "RoBERTa encoders", build);
