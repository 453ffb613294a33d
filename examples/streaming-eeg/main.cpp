// A live EEG decoder written in C++: a causal band-pass, an average reference, and a small net of
// the kind of ShallowFBCSPNet (temporal and spatial convolution, square, mean, logarithm,
// classifier). Filter, convolution and mean keep their state from call to call, so that samples may
// arrive in pieces of any size: the program compares what a stream says with the whole recording.
//
// The recording is made up: four electrodes with noise and an offset, and a rhythm of 10 Hz that
// leaves electrode 1 for electrode 2 after two seconds.
#include <plexus/brain.hpp>
#include <plexus/plexus.hpp>
#include <plexus/ssm.hpp>

#include <cmath>
#include <cstdio>

using plexus::graph::Builder;
namespace brain = plexus::graph::brain;
namespace ssm = plexus::graph::ssm;

constexpr int64_t kRate = 250, kChannels = 4, kSources = 2, kKernel = 25, kMean = 125;

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

/// [taps, columns], every column the same.
static std::vector<float> columns(const std::vector<float> &taps, int64_t count) {
  std::vector<float> out;
  for (float tap : taps)
    out.insert(out.end(), count, tap);
  return out;
}

static void build(Builder b) {
  const plexus::filters::Design mu{.order = 4, .band = {8, 13}, .rate = kRate};
  const brain::FilterBank bank = {mu.make()};
  b.info("task", "sequence");
  b.info("context", int64_t(1) << 24);
  b.info("layers", 1);
  b.carryState("filter", brain::filterState(bank, kChannels));
  b.carryState("conv", {kKernel - 1, kSources});
  b.carryState("mean", {kMean - 1, kSources});

  auto s = b.segment("decoder", {Builder::rows({kChannels})});
  auto x = brain::sosFilter(b, s.args[0], s.batch, bank, b.state("filter"));
  x = brain::apply(b, x, "reference", brain::averageReference(kChannels));
  // The spatial filters: one electrode each.
  x = b.linear(x, b.param("spatial", b.constant({0, 1, 0, 0, 0, 0, 1, 0}, {kSources, kChannels})));
  std::vector<float> kernel(kKernel);
  for (int64_t i = 0; i < kKernel; ++i)
    kernel[i] = std::cos(2 * 3.14159265f * 10 * float(i - kKernel / 2) / kRate) / kKernel;
  auto taps = b.param("temporal", b.constant(columns(kernel, kSources), {kKernel, kSources}));
  x = ssm::causalConv(b, x, taps, s.batch, {{}, b.state("conv")});
  x = b.activation(x, "square");
  const std::vector<float> equal(kMean, 1.0f / kMean);
  auto window = b.param("window", b.constant(columns(equal, kSources), {kMean, kSources}));
  x = ssm::causalConv(b, x, window, s.batch, {{}, b.state("mean")});
  x = brain::log(b, x, 1e-6);
  auto y = b.linear(x, b.param("classifier", b.constant({-1, 1}, {1, kSources})));
  b.endSegment({b.activation(y, "sigmoid")});

  auto in = b.schedule("forward", {"x"}, {Builder::rows({kChannels})});
  b.endSchedule({{"y", b.run("decoder", 0, {in[0]})}});
}

/// Samples [time, channels] of `seconds`.
static std::vector<float> record(int64_t seconds) {
  std::vector<float> x;
  uint32_t noise = 1;
  for (int64_t t = 0; t < seconds * kRate; ++t)
    for (int64_t c = 0; c < kChannels; ++c) {
      noise = noise * 1664525 + 1013904223;
      const bool has = c == (t < 2 * kRate ? 1 : 2);
      const float rhythm = has ? 10 * std::sin(2 * 3.14159265f * 10 * float(t) / kRate) : 0;
      x.push_back(2000 + rhythm + float(noise >> 8) / float(1 << 24));
    }
  return x;
}

int main() {
  auto graph = plexus::Graph::create("streaming-eeg");
  if (!graph)
    return fail(graph.error());
  build(graph->builder());
  auto model = graph->compile();
  if (!model)
    return fail(model.error());

  const std::vector<float> x = record(5);
  const auto samples = static_cast<int64_t>(x.size()) / kChannels;
  auto whole = model->run({plexus::Input("x", x, {1, samples, kChannels})});
  if (!whole)
    return fail(whole.error());
  auto expected = whole->floats("y");
  if (!expected)
    return fail(expected.error());

  auto stream = model->stream();
  if (!stream)
    return fail(stream.error());
  float difference = 0;
  const int64_t sizes[] = {1, 7, 25, 3};
  for (int64_t begin = 0, i = 0; begin < samples; ++i) {
    const int64_t size = std::min(sizes[i % 4], samples - begin);
    const std::span<const float> piece(x.data() + begin * kChannels, size * kChannels);
    auto out = stream->push({plexus::Input("x", piece, {1, size, kChannels})});
    if (!out)
      return fail(out.error());
    auto y = out->floats("y");
    if (!y)
      return fail(y.error());
    for (int64_t t = 0; t < size; ++t) {
      difference = std::max(difference, std::abs((*y)[t] - (*expected)[begin + t]));
      if ((begin + t + 1) % kRate == 0)
        std::printf("%lld s: electrode %d\n", static_cast<long long>((begin + t + 1) / kRate),
                    (*y)[t] > 0.5f ? 2 : 1);
    }
    begin += size;
  }
  std::printf("difference from the whole recording: %g\n", difference);
}
