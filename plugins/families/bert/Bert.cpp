// BERT (Devlin et al., 2018): the encoder with its pooler, or with the masked-LM head.
#include "../common/Encoder.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

static void build(const Config &c, Builder &b) {
  const bool head = readArchitecture(c, {"BertModel", "BertForMaskedLM"}) == "BertForMaskedLM";
  const Encoder e = readEncoder(c, "bert");
  EncoderBuilder encoder(b, e);
  encoderInfo(b, e, c.integer("max_position_embeddings", 512), c.integer("type_vocab_size", 2),
              head);
  encoder.segments();
  if (head)
    maskedLmHead(c, b, encoder, e,
                 {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                  "cls.predictions.decoder", "cls.predictions.bias", e.activation});
  else
    c.unusedWeights({"cls.*"});
  encoder.schedule(head ? "head" : "");
}

PLX_FAMILY_PLUGIN("bert", "BERT encoders", build);
