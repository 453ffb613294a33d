// A model family of one's own: an embedding, feed-forward blocks with residuals, and a tied head.
#include <plexus/family.hpp>
#include <plexus/plugin.hpp>

using namespace plexus::graph;

static void build(const Config &c, Builder &b) {
  const int64_t hidden = c.integer("hidden_size"), layers = c.integer("num_hidden_layers");
  b.info("task", "causal-lm");
  b.info("context", c.integer("max_position_embeddings"));
  b.info("layers", layers);
  b.info("hidden_size", hidden);
  b.info("vocab_size", c.integer("vocab_size"));

  auto embed = b.segment("embed", {Builder::ids()}); // [T] ids to [T, hidden]
  b.endSegment({b.embedding(embed.args[0], b.param("embed.weight"))});

  auto ffn = b.segment("ffn", {Builder::rows({hidden})}); // compiled once, run for every layer
  auto x = ffn.args[0], h = b.rmsNorm(x, b.param("layers.{layer}.norm.weight"), 1e-5);
  h = b.activation(b.linear(h, b.param("layers.{layer}.up.weight")), "gelu");
  b.endSegment({b.add(x, b.linear(h, b.param("layers.{layer}.down.weight")))});

  auto head = b.segment("head", {Builder::rows({hidden})});
  b.endSegment({b.linear(b.selectRows(head.args[0], head.batch), b.param("embed.weight"))});

  auto in = b.schedule("forward", {"input_ids"}, {Builder::ids()});
  auto y = b.run("embed", -1, {in[0]});
  for (int64_t l = 0; l < layers; ++l)
    y = b.run("ffn", l, {y});
  b.endSchedule({{"logits", b.run("head", -1, {y})}});
}

PLX_FAMILY_PLUGIN("my-family", "An example", build);
