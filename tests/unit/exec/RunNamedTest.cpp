// Runs on [batch, length] tensors: packed, run and scattered back.
#include "SessionFixture.h"

#include "runtime/io/DType.h"

namespace plexus::test {
namespace {

NamedTensor matrix(const std::string &name, int64_t rows, const std::vector<int64_t> &values) {
  Tensor tensor = *Tensor::zeros(DType::I64, {rows, static_cast<int64_t>(values.size()) / rows});
  std::copy(values.begin(), values.end(), tensor.as<int64_t>());
  return {name, tensor};
}

std::vector<int64_t> wide(const std::vector<int32_t> &values) {
  return {values.begin(), values.end()};
}

class RunNamedTest : public ::testing::Test {
protected:
  FakeOptions options;
  std::unique_ptr<Session> session = makeSession(options);

  std::vector<NamedTensor> run(std::vector<NamedTensor> inputs, RunOptions runOptions) {
    auto outputs = session->runNamed(inputs, runOptions);
    EXPECT_TRUE(outputs) << outputs.status().message();
    return outputs ? *outputs : std::vector<NamedTensor>();
  }
};

TEST_F(RunNamedTest, MaskedColumnsAreDroppedAndComeBackAsZeros) {
  // Row 0 is padded on the left, row 1 on the right: positions are the columns.
  auto outputs = run({matrix("input_ids", 2, {9, 9, 1, 2, 3, 4, 5, 6, 9, 9}),
                      matrix("attention_mask", 2, {0, 0, 1, 1, 1, 1, 1, 1, 0, 0})},
                     {.wants = {"logits", "pooled", "hidden_states.3"}});
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_EQ(outputs[0].tensor.shape, (std::vector<int64_t>{2, 5, kVocabulary}));
  EXPECT_EQ(outputs[1].tensor.shape, (std::vector<int64_t>{2, kHidden}));
  FakeTrace left = recompute(options, {{1, 2, 0}, {2, 3, 0}, {3, 4, 0}});
  FakeTrace right = recompute(options, chain({4, 5, 6}));
  auto logits = [&](int b, int s) {
    return std::span<const float>(outputs[0].tensor.as<float>() + (b * 5 + s) * kVocabulary,
                                  kVocabulary);
  };
  std::vector<float> zeros(kVocabulary);
  for (int s = 0; s < 5; ++s) {
    expectNear(logits(0, s), s < 2 ? zeros : left.logits[s - 2], "left");
    expectNear(logits(1, s), s > 2 ? zeros : right.logits[s], "right");
  }
  expectNear({outputs[2].tensor.as<float>() + 2 * kHidden, kHidden}, left.last[0],
             "the last hidden state is behind the norm");
  std::vector<float> mean(kHidden);
  for (auto &row : right.last)
    for (int i = 0; i < kHidden; ++i)
      mean[i] += row[i] / 3;
  expectNear({outputs[1].tensor.as<float>() + kHidden, kHidden}, mean, "pooled");
}

TEST_F(RunNamedTest, ChunksThroughTheStatesGiveTheWhole) {
  auto ids = someIds(38, 4);
  auto whole = run({matrix("input_ids", 2, wide(ids))}, {});
  auto pieces = run({matrix("input_ids", 2, wide(ids))}, {.chunks = {6, 1, 12}});
  ASSERT_EQ(whole.size(), 3u) << "without wants, the schedule's outputs";
  for (int64_t i = 0; i < whole[0].tensor.count(); ++i)
    ASSERT_NEAR(whole[0].tensor.as<float>()[i], pieces[0].tensor.as<float>()[i], kTolerance);
}

TEST_F(RunNamedTest, TapsAndPositionsAndTypesByName) {
  auto outputs = run({matrix("input_ids", 1, {1, 2, 3}), matrix("position_ids", 1, {4, 5, 9}),
                      matrix("token_type_ids", 1, {0, 1, 1})},
                     {.wants = {"taps.1.attn.out"}});
  FakeTrace trace = recompute(options, {{1, 4, 0}, {2, 5, 1}, {3, 9, 1}});
  ASSERT_EQ(outputs.size(), 1u);
  for (int s = 0; s < 3; ++s)
    expectNear({outputs[0].tensor.as<float>() + s * kHidden, kHidden}, trace.attention[1][s],
               "tap");
}

TEST_F(RunNamedTest, PositionsCanCountTheTokensThatAreNoPadding) {
  options.positionPadding = 1;
  session = makeSession(options);
  FakeTrace trace = recompute(options, {{5, 2, 0}, {6, 3, 0}, {1, 1, 0}, {7, 4, 0}});
  auto outputs = run(
      {matrix("input_ids", 1, {1, 1, 5, 6, 1, 7}), matrix("attention_mask", 1, {0, 0, 1, 1, 1, 1})},
      {.wants = {"last_hidden_state"}});
  for (int s = 0; s < 4; ++s)
    expectNear({outputs[0].tensor.as<float>() + (s + 2) * kHidden, kHidden}, trace.last[s], "row");
  expectNear(append(*session, *session->openSequence(), {5, 6, 1, 7}), trace.logits.back(),
             "the same without a mask");
}

TEST_F(RunNamedTest, BadInputsAreNamed) {
  auto refuse = [&](std::vector<NamedTensor> inputs, RunOptions runOptions, Code code,
                    const std::string &says) {
    auto outputs = session->runNamed(inputs, runOptions);
    EXPECT_EQ(outputs.status().code(), code);
    EXPECT_NE(outputs.status().message().find(says), std::string::npos)
        << outputs.status().message();
  };
  auto ids = matrix("input_ids", 1, {1, 2, 3});
  refuse({}, {}, Code::NotFound, "input_ids");
  refuse({ids, matrix("pixels", 1, {1, 2, 3})}, {}, Code::NotFound, "pixels");
  refuse({ids, matrix("attention_mask", 1, {1, 1})}, {}, Code::Mismatch, "[1, 2]");
  refuse({ids, matrix("attention_mask", 1, {0, 0, 0})}, {}, Code::InvalidArgument, "row 0");
  refuse({ids}, {.wants = {"nothing"}}, Code::NotFound, "nothing");
  refuse({ids}, {.chunks = {1, 1}}, Code::InvalidArgument, "add up to 2");
  refuse({ids}, {.chunks = {3, 0}}, Code::InvalidArgument, "chunk of 0");
  refuse({ids}, {.schedule = "backward"}, Code::NotFound, "forward");
  refuse({matrix("input_ids", 1, {1, 2, int64_t(1) << 40})}, {}, Code::InvalidArgument,
         "input_ids");
}

TEST_F(RunNamedTest, EncodersSeeTheirWholeInput) {
  options.task = "encoder";
  session = makeSession(options, {.chunk = 4});
  auto ids = someIds(11, 8);
  auto outputs = run({matrix("input_ids", 1, wide(ids))}, {.wants = {"last_hidden_state"}});
  FakeTrace trace = recompute(options, chain(ids));
  for (int s = 0; s < 11; ++s)
    expectNear({outputs[0].tensor.as<float>() + s * kHidden, kHidden}, trace.last[s], "row");
  EXPECT_EQ(session->runNamed(std::vector{matrix("input_ids", 1, wide(ids))}, {.chunks = {5, 6}})
                .status()
                .code(),
            Code::Unsupported);
}

// A graph without tokens: y = x + 1 over rows, z = the sum of a fixed matrix.
int32_t addOne(const plx_call *call) {
  const auto *x = static_cast<const float *>(call->inputs[0]);
  auto *y = static_cast<float *>(call->outputs[0]);
  for (int64_t i = 0; i < call->batch->tokens * 2; ++i)
    y[i] = x[i] + 1;
  return 0;
}
int32_t total(const plx_call *call) {
  const auto *x = static_cast<const float *>(call->inputs[0]);
  *static_cast<float *>(call->outputs[0]) = x[0] + x[1] + x[2] + x[3];
  return 0;
}
int64_t noScratch(int64_t, int64_t, int64_t, int64_t) { return 0; }

class GraphCode final : public CodeModule {
public:
  void *lookup(std::string_view symbol) const override {
    if (symbol == "addOne")
      return reinterpret_cast<void *>(&addOne);
    return symbol == "total" ? reinterpret_cast<void *>(&total)
                             : reinterpret_cast<void *>(&noScratch);
  }
  std::string_view isa() const override { return "test"; }
};

std::shared_ptr<const Model> makeGraph() {
  auto image = std::make_shared<ModelImage>();
  Program &program = image->program;
  program.callVersion = PLX_CALL_VERSION;
  program.model.name = "graph";
  program.model.task = "graph";
  ValueType rows{Rows::Tokens, {2}, DType::F32}, fixed{Rows::None, {2, 2}, DType::F32},
      scalar{Rows::None, {}, DType::F32};
  program.segments = {{"addOne", "addOne", "noScratch", {rows}, {rows}, {}, {}, 0, {}},
                      {"total", "total", "noScratch", {fixed}, {scalar}, {}, {}, 0, {}}};
  Schedule schedule;
  schedule.name = "forward";
  schedule.inputs = {"x", "m"};
  schedule.values = {rows, fixed, rows, scalar};
  schedule.steps = {{0, -1, {0}, {2}, {}, {}}, {1, -1, {1}, {3}, {}, {}}};
  schedule.outputs = {{"y", 2}, {"z", 3}};
  program.schedules = {schedule};
  EXPECT_TRUE(checkProgram(program));
  image->code = std::make_shared<GraphCode>();
  return *Model::create(image);
}

TEST(Graph, NamedTensorsGoThroughAStraightLineSchedule) {
  auto session = *Session::create(makeGraph());
  Tensor x = *Tensor::zeros(DType::F32, {3, 2}), m = *Tensor::zeros(DType::F32, {2, 2});
  for (int i = 0; i < 6; ++i)
    x.as<float>()[i] = static_cast<float>(i);
  for (int i = 0; i < 4; ++i)
    m.as<float>()[i] = 2;
  std::vector<NamedTensor> inputs = {{"m", m}, {"x", x}};
  auto outputs = session->runNamed(inputs);
  ASSERT_TRUE(outputs) << outputs.status().message();
  ASSERT_EQ((*outputs)[0].tensor.shape, (std::vector<int64_t>{3, 2}));
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ((*outputs)[0].tensor.as<float>()[i], static_cast<float>(i + 1));
  EXPECT_EQ(*(*outputs)[1].tensor.as<float>(), 8);
  EXPECT_TRUE((*outputs)[1].tensor.shape.empty());

  inputs.pop_back();
  EXPECT_EQ(session->runNamed(inputs).status().code(), Code::NotFound);
  inputs.push_back({"x", *Tensor::zeros(DType::F32, {3, 3})});
  EXPECT_EQ(session->runNamed(inputs).status().code(), Code::Mismatch);
  inputs.back() = {"x", *Tensor::zeros(DType::I64, {3, 2})};
  EXPECT_EQ(session->runNamed(inputs).status().code(), Code::Mismatch);
}

} // namespace
} // namespace plexus::test
