// RWKV-4 (Peng et al., 2023).
//
//   x += O (sigmoid(R xr) * wkv(K xk, V xv)),  x += sigmoid(R xr) * V relu(K xk)^2,  where xk etc.
//   mix the normed row with the one before it
#include "../common/Stack.h"

#include "../common/Activation.h"

#include <algorithm>
#include <plexus/plugin.hpp>
#include <plexus/ssm.hpp>

using namespace plexus::graph;
using plexus::families::Stack;

namespace {

struct Rwkv {
  const Config &c;
  Builder &b;
  std::string prefix;
  int64_t hidden, mixed, layers, rescale;
  double eps;

  Value weight(const std::string &name) { return b.param(prefix + "blocks.{layer}." + name); }
  Value norm(Value x, const std::string &name) {
    return b.layerNorm(x, weight(name + ".weight"), weight(name + ".bias"), eps);
  }
  /// m x + (1 - m) (the row before), m being `<part>.time_mix_<name>`: a convolution of two taps.
  Value shifted(Value x, Value batch, const std::string &part, const std::string &name) {
    const std::string source = prefix + "blocks.{layer}." + part + ".time_mix_" + name;
    Recipe mix = b.reshape(b.source(source), {1, hidden});
    Value taps = b.param(source + ".taps", b.concat(0, {b.offset(b.scaled(mix, -1), 1), mix}));
    ssm::CausalConv conv;
    conv.state = b.state(part);
    return ssm::causalConv(b, x, taps, batch, conv);
  }
  /// A product of a block's output, divided as the residual is from the blocks' group `group` on.
  Value output(Value x, const std::string &name, int64_t group) {
    const std::string source = prefix + "blocks.{layer}." + name + ".weight";
    if (group == 0)
      return b.linear(x, b.param(source));
    const std::string own = source + ".scaled" + std::to_string(group);
    return b.linear(x, b.param(own, b.scaled(b.source(source), std::ldexp(1.0, -int(group)))));
  }
  int64_t groupOf(int64_t layer) const { return rescale > 0 ? layer / rescale : 0; }
  bool halvesAfter(int64_t layer) const { return rescale > 0 && (layer + 1) % rescale == 0; }

  std::string timeName(int64_t l) const {
    return "time" + std::to_string(groupOf(l)) + (l == 0 ? "_first" : "");
  }
  std::string channelName(int64_t l) const {
    return "channel" + std::to_string(groupOf(l)) + (halvesAfter(l) ? "_halved" : "");
  }

  void time(int64_t l) {
    auto s = b.segment(timeName(l), {Builder::rows({hidden})});
    Value x = l == 0 ? norm(s.args[0], "pre_ln") : s.args[0], h = norm(x, "ln1");
    auto mix = [&](const char *name) {
      Value row = shifted(h, s.batch, "attention", name);
      return b.linear(row, weight(std::string("attention.") + name + ".weight"));
    };
    Value k = mix("key"), v = mix("value"), r = b.activation(mix("receptance"), "sigmoid");
    Value y = ssm::wkv(b, k, v, weight("attention.time_decay"), weight("attention.time_first"),
                       s.batch, b.state("wkv"));
    b.endSegment(
        {b.add(x, b.tap(output(b.mul(r, y), "attention.output", groupOf(l)), "time.out"))});
  }

  void channel(int64_t l) {
    auto s = b.segment(channelName(l), {Builder::rows({hidden})});
    Value x = s.args[0], h = norm(x, "ln2");
    auto mix = [&](const char *name) {
      Value row = shifted(h, s.batch, "feed_forward", name);
      return b.linear(row, weight(std::string("feed_forward.") + name + ".weight"));
    };
    Value k = b.activation(mix("key"), "relu2"), r = b.activation(mix("receptance"), "sigmoid");
    Value y = b.add(x, b.mul(r, output(k, "feed_forward.value", groupOf(l))));
    b.endSegment({halvesAfter(l) ? b.scale(y, 0.5) : y});
  }
};

void build(const Config &c, Builder &b) {
  const bool head =
      plexus::families::readArchitecture(c, {"RwkvForCausalLM", "RwkvModel"}) == "RwkvForCausalLM";
  const int64_t hidden = c.integer("hidden_size");
  Rwkv m{c,
         b,
         c.hasWeight("rwkv.embeddings.weight") ? "rwkv." : "",
         hidden,
         c.integer("attention_hidden_size", hidden),
         c.integer("num_hidden_layers"),
         c.integer("rescale_every", 6),
         c.number("layer_norm_epsilon", 1e-5)};
  c.integer("intermediate_size", 4 * hidden); // The weights' shapes say it.
  b.carryState("attention", {1, hidden});
  b.carryState("feed_forward", {1, hidden});
  b.carryState("wkv", {3, m.mixed});
  std::vector<std::string> made;
  for (int64_t l = 0; l < m.layers; ++l) {
    auto once = [&](const std::string &name, void (Rwkv::*make)(int64_t)) {
      if (std::find(made.begin(), made.end(), name) != made.end())
        return;
      made.push_back(name);
      (m.*make)(l);
    };
    once(m.timeName(l), &Rwkv::time);
    once(m.channelName(l), &Rwkv::channel);
  }
  const bool tied = c.flag("tie_word_embeddings", false);
  if (tied || !head)
    c.unusedWeights({"head.weight"});
  auto table = [&] { return b.param(m.prefix + "embeddings.weight"); };
  Stack stack;
  stack.hidden = hidden;
  stack.layers = m.layers;
  stack.vocab = c.integer("vocab_size");
  stack.context = plexus::families::kEndless;
  c.inert({"context_length"}); // Of the training; a recurrence has no positions.
  stack.head = head;
  stack.embed = [&](Value ids) { return b.embedding(ids, table()); };
  stack.finalNorm = [&](Value x) {
    return b.layerNorm(x, b.param(m.prefix + "ln_out.weight"), b.param(m.prefix + "ln_out.bias"),
                       1e-5);
  };
  stack.logits = [&](Value x) { return b.linear(x, tied ? table() : b.param("head.weight")); };
  stack.segments = [&](int64_t l) {
    return std::vector<std::string>{m.timeName(l), m.channelName(l)};
  };
  stack.build(b);
}

} // namespace

PLX_FAMILY_PLUGIN("rwkv", "RWKV-4 models", build);
