// Segments in C++ for tests of runs on sequences, windows and options.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/exec/Model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <optional>

namespace plexus::test {

inline constexpr int kWidth = 2; ///< Elements of a sample, and of the state.

/// h = gain * h + x; y = h, count = rows so far (I32), total = sum of the run's rows.
inline int32_t accumulate(const plx_call *call) {
  const plx_batch &b = *call->batch;
  const auto *x = static_cast<const float *>(call->inputs[0]);
  float gain = *static_cast<const float *>(call->inputs[1]);
  auto *y = static_cast<float *>(call->outputs[0]);
  auto *count = static_cast<int32_t *>(call->outputs[1]);
  auto *total = static_cast<float *>(call->outputs[2]);
  float h[kWidth] = {};
  for (int64_t t = 0; t < b.tokens; ++t) {
    if (b.carry_from[t])
      std::memcpy(h, b.carry_from[t] + call->states[0]->layer_offset, sizeof(h));
    for (int i = 0; i < kWidth; ++i)
      y[t * kWidth + i] = h[i] = gain * h[i] + x[t * kWidth + i];
    if (b.carry_to[t])
      std::memcpy(b.carry_to[t] + call->states[0]->layer_offset, h, sizeof(h));
    count[t] = b.index[t];
    float &sum = total[b.sequence[t]];
    sum = (t == b.token_begin[b.sequence[t]] ? 0 : sum) + x[t * kWidth];
  }
  return 0;
}

/// The first sample, the last one, and the sum of a window, times a number of the sequence.
inline int32_t window(const plx_call *call) {
  const auto *x = static_cast<const float *>(call->inputs[0]);
  auto *y = static_cast<float *>(call->outputs[0]);
  for (int64_t t = 0; t < call->batch->tokens; ++t) {
    const float *row = x + t * 8; // [2 channels, 4 samples]
    y[t * 2] = row[0] + row[1] + row[2] + row[3];
    y[t * 2 + 1] = row[4] - row[7];
  }
  return 0;
}

/// out[s, j] = m[j] * n[s] over what is given of m.
inline int32_t outer(const plx_call *call) {
  const auto *m = static_cast<const float *>(call->inputs[0]);
  const auto *n = static_cast<const int32_t *>(call->inputs[1]);
  auto *out = static_cast<float *>(call->outputs[0]);
  for (int64_t s = 0; s < call->batch->sequences; ++s)
    for (int j = 0; j < 5; ++j)
      out[s * 5 + j] = m[j] * static_cast<float>(n[s]);
  return 0;
}

inline int64_t noScratch(int64_t, int64_t, int64_t, int64_t) { return 0; }

class FakeSegments final : public CodeModule {
public:
  void *lookup(std::string_view symbol) const override {
    static const std::map<std::string_view, void *> symbols = {
        {"accumulate", reinterpret_cast<void *>(&accumulate)},
        {"window", reinterpret_cast<void *>(&window)},
        {"outer", reinterpret_cast<void *>(&outer)}};
    auto it = symbols.find(symbol);
    return it == symbols.end() ? reinterpret_cast<void *>(&noScratch) : it->second;
  }
  std::string_view isa() const override { return "test"; }
};

inline std::shared_ptr<const Model> bind(Program program) {
  program.callVersion = PLX_CALL_VERSION;
  auto image = std::make_shared<ModelImage>();
  // Through JSON, so that ports, frames and options survive the artifact.
  Status fits = checkProgram(program);
  EXPECT_TRUE(fits) << fits.message();
  program.compiler = "test";
  auto parsed = parseProgram(serializeProgram(program));
  EXPECT_TRUE(parsed) << parsed.status().message();
  image->program = *std::move(parsed);
  image->code = std::make_shared<FakeSegments>();
  return *Model::create(image);
}

inline ValueType type(Rows rows, std::vector<int64_t> shape, DType dtype = DType::F32) {
  return {rows, std::move(shape), dtype};
}

inline std::shared_ptr<const Model> accumulator() {
  Program p;
  p.model.name = "accumulator";
  p.model.task = "sequence";
  p.model.options = {{"gain", false, 0.5, {}}, {"subject", true, std::nullopt, {0, 3}}};
  StateInfo h;
  h.name = "h";
  h.kind = StateKind::Replace;
  h.shape = {kWidth};
  h.input = "h_0";
  h.output = "h_n";
  p.states = {h};
  ValueType x = type(Rows::Tokens, {kWidth}), gain = type(Rows::None, {1}),
            count = type(Rows::Tokens, {}, DType::I32), total = type(Rows::Sequences, {});
  p.segments = {{"accumulate", "accumulate", "s", {x, gain}, {x, count, total}, {}, {0}, 0, {}}};
  Schedule s;
  s.name = "forward";
  s.inputs = {"x", "gain"};
  s.values = {x, gain, x, count, total};
  s.steps = {{0, -1, {0, 1}, {2, 3, 4}, {}, {}}};
  s.outputs = {{"y", 2}, {"count", 3}, {"total", 4}};
  Schedule first = s;
  first.name = "channels_first";
  first.ports = {{"x", {"b", "c", "s"}, {}}, {"y", {"b", "c", "s"}, {}}};
  Schedule alone = s;
  alone.name = "alone";
  alone.ports = {{"x", {"s", "f"}, {}}, {"y", {"s-1", "f"}, {}}, {"count", {"s"}, {}}};
  Schedule subject = s;
  subject.name = "forward:subject=3";
  subject.outputs = {{"third", 2}};
  p.schedules = {s, first, alone, subject};
  return bind(p);
}

inline std::shared_ptr<const Model> windows(bool framed) {
  Program p;
  p.model.name = "windows";
  p.model.task = framed ? "sequence" : "graph";
  ValueType x = type(Rows::Tokens, {2, 4}), y = type(Rows::Tokens, {2});
  p.segments = {{"window", "window", "s", {x}, {y}, {}, {}, 0, {}}};
  Schedule s;
  s.name = "forward";
  s.inputs = {"x"};
  s.values = {x, y};
  s.steps = {{0, -1, {0}, {1}, {}, {}}};
  s.outputs = {{"y", 1}};
  if (framed) {
    s.frames = {4, 3, 1, true};
    s.ports = {{"x", {"b", "c", "s"}, {}}};
  }
  p.schedules = {s};
  return bind(p);
}

} // namespace plexus::test
