// A tokenizer of EEG written in C++, in the manner of LaBraM and EnCodec: each patch of one channel
// through a convolution and a linear map, then the nearest codes of two codebooks in a cascade.
#include <plexus/brain.hpp>
#include <plexus/plexus.hpp>

#include <cmath>
#include <cstdio>

namespace brain = plexus::graph::brain;

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

static constexpr int64_t kSamples = 200, kFilters = 4, kKernel = 15, kStride = 8, kWidth = 16,
                         kBooks = 2, kCodes = 64;

/// Numbers that stand for what training would have found.
static plexus::graph::Value weight(plexus::graph::Builder &b, const char *name,
                                   std::initializer_list<int64_t> shape, float step) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(0.3f * std::sin(step * static_cast<float>(i)));
  return b.param(name, b.constant(values, shape));
}

int main() {
  auto graph = plexus::Graph::create("eeg-tokens");
  if (!graph)
    return fail(graph.error());
  plexus::graph::Builder b = graph->builder();

  auto s = b.segment("tokenize", {b.rows({kSamples})});
  brain::Window window{{kStride}, {}, {7}, {7}};
  auto x = b.reshape(s.args[0], {1, kSamples});
  x = brain::conv(b, x, weight(b, "conv", {kFilters, 1, kKernel}, 1.7f), {}, window);
  const std::vector<int64_t> map = b.shape(x);
  x = b.reshape(b.activation(x, "gelu"), {map[1] * map[2]});
  x = b.linear(x, weight(b, "to_code", {kWidth, map[1] * map[2]}, 0.9f));
  auto made = brain::vectorQuantize(b, x, weight(b, "codes", {kBooks, kCodes, kWidth}, 2.3f));
  b.endSegment({made.rows, made.codes});

  auto in = b.schedule("forward", {"x"}, {b.rows({kSamples})});
  auto out = b.runs("tokenize", -1, {in[0]}, 2);
  b.endSchedule({{"rows", out[0]}, {"codes", out[1]}});

  auto model = graph->compile();
  if (!model)
    return fail(model.error());
  std::vector<float> eeg; // Two channels, a second at 200 samples: 10 and 23 Hz.
  for (float hertz : {10.0f, 23.0f})
    for (int64_t t = 0; t < kSamples; ++t)
      eeg.push_back(std::sin(6.2831853f * hertz * static_cast<float>(t) / kSamples));
  auto tokens = model->run({plexus::Input("x", eeg, {1, 2, kSamples})});
  if (!tokens)
    return fail(tokens.error());
  auto codes = tokens->integers("codes");
  if (!codes)
    return fail(codes.error());
  std::printf("%d %d, %d %d\n", (*codes)[0], (*codes)[1], (*codes)[2], (*codes)[3]);
}
