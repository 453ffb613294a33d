// Sequences of samples by name: layouts, frames, options, chunks, states given and taken, streams.
#include "SequenceModels.h"

#include "runtime/exec/PreparedRun.h"
#include "runtime/exec/Session.h"
#include "runtime/exec/Stream.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace plexus::test {
namespace {

Tensor numbers(std::vector<int64_t> shape, std::vector<float> values) {
  Tensor t = *Tensor::zeros(DType::F32, std::move(shape));
  EXPECT_EQ(static_cast<size_t>(t.count()), values.size());
  std::copy(values.begin(), values.end(), t.as<float>());
  return t;
}
Tensor integers(std::vector<int64_t> shape, std::vector<int64_t> values) {
  Tensor t = *Tensor::zeros(DType::I64, std::move(shape));
  std::copy(values.begin(), values.end(), t.as<int64_t>());
  return t;
}
std::vector<float> floats(const Tensor &t) { return {t.as<float>(), t.as<float>() + t.count()}; }
const Tensor &find(const std::vector<NamedTensor> &list, std::string_view name) {
  for (const NamedTensor &t : list)
    if (t.name == name)
      return t.tensor;
  ADD_FAILURE() << "no output " << name;
  return list.at(0).tensor;
}

class SequenceRunTest : public ::testing::Test {
protected:
  std::unique_ptr<Session> session = *Session::create(accumulator());

  std::vector<NamedTensor> run(const std::vector<NamedTensor> &inputs, RunOptions options = {}) {
    auto out = session->runNamed(inputs, options);
    EXPECT_TRUE(out) << out.status().message();
    return out ? *out : std::vector<NamedTensor>();
  }
  Status refused(const std::vector<NamedTensor> &inputs, RunOptions options = {}) {
    return session->runNamed(inputs, options).status();
  }
  /// [2, 3, 2]
  Tensor x = numbers({2, 3, 2}, {1, 10, 2, 20, 4, 40, 8, 80, 16, 160, 32, 320});
};

TEST_F(SequenceRunTest, EveryOutputComesBackInItsOwnShape) {
  auto out = run({{"x", x}});
  EXPECT_EQ(find(out, "y").shape, (std::vector<int64_t>{2, 3, 2}));
  EXPECT_EQ(floats(find(out, "y")),
            (std::vector<float>{1, 10, 2.5, 25, 5.25, 52.5, 8, 80, 20, 200, 42, 420}));
  EXPECT_EQ(find(out, "count").dtype, DType::I32);
  EXPECT_EQ(find(out, "count").as<int32_t>()[5], 2);
  EXPECT_EQ(floats(find(out, "total")), (std::vector<float>{7, 56}));
  EXPECT_EQ(find(out, "h_n").shape, (std::vector<int64_t>{1, 2, 2}));
  EXPECT_EQ(floats(find(out, "h_n")), (std::vector<float>{5.25, 52.5, 42, 420}));
}

TEST_F(SequenceRunTest, ShortSequencesEndEarlyAndTheRestIsZeros) {
  auto out = run({{"x", x}, {"lengths", integers({2}, {1, 3})}});
  EXPECT_EQ(floats(find(out, "y")),
            (std::vector<float>{1, 10, 0, 0, 0, 0, 8, 80, 20, 200, 42, 420}));
  EXPECT_EQ(floats(find(out, "h_n")), (std::vector<float>{1, 10, 42, 420}));
  EXPECT_EQ(refused({{"x", x}, {"lengths", integers({2}, {0, 3})}}).code(), Code::InvalidArgument);
  EXPECT_EQ(refused({{"x", x}, {"lengths", integers({3}, {1, 3, 3})}}).code(), Code::Mismatch);
}

TEST_F(SequenceRunTest, ChunksGiveTheWhole) {
  RunOptions options;
  options.chunks = {1, 2};
  EXPECT_EQ(floats(find(run({{"x", x}}, options), "y")), floats(find(run({{"x", x}}), "y")));
  options.chunks = {1, 1};
  EXPECT_EQ(refused({{"x", x}}, options).code(), Code::InvalidArgument);
}

TEST_F(SequenceRunTest, InitialStatesAreTakenByName) {
  auto out = run({{"x", x}, {"h_0", numbers({1, 2, 2}, {2, 0, 0, 4})}});
  EXPECT_EQ(find(out, "y").as<float>()[0], 2);
  EXPECT_EQ(find(out, "y").as<float>()[7], 82);
  Status other = refused({{"x", x}, {"h_0", numbers({1, 2, 3}, {1, 1, 1, 1, 1, 1})}});
  EXPECT_EQ(other.code(), Code::Mismatch);
  EXPECT_NE(other.message().find("another model"), std::string::npos) << other.message();
}

TEST_F(SequenceRunTest, LayoutsAreThoseOfThePorts) {
  RunOptions options;
  options.schedule = "channels_first";
  Tensor turned = numbers({2, 2, 3}, {1, 2, 4, 10, 20, 40, 8, 16, 32, 80, 160, 320});
  auto out = run({{"x", turned}}, options);
  EXPECT_EQ(floats(find(out, "y")),
            (std::vector<float>{1, 2.5, 5.25, 10, 25, 52.5, 8, 20, 42, 80, 200, 420}));
  options.schedule = "alone";
  out = run({{"x", numbers({3, 2}, {1, 10, 2, 20, 4, 40})}}, options);
  EXPECT_EQ(find(out, "y").shape, (std::vector<int64_t>{2, 2})) << "without its last row";
  EXPECT_EQ(find(out, "count").shape, (std::vector<int64_t>{3}));
}

TEST_F(SequenceRunTest, OptionsFillInputsAndPickSchedules) {
  RunOptions options;
  options.set = {{"gain", "0"}};
  EXPECT_EQ(floats(find(run({{"x", x}}, options), "y")), floats(x));
  options.set = {{"subject", "3"}};
  EXPECT_EQ(run({{"x", x}}, options)[0].name, "third");
  options.set = {{"subject", "1"}};
  Status unknown = refused({{"x", x}}, options);
  EXPECT_EQ(unknown.code(), Code::InvalidArgument);
  EXPECT_NE(unknown.message().find("known are 0, 3"), std::string::npos) << unknown.message();
  options.set = {{"speed", "1"}};
  unknown = refused({{"x", x}}, options);
  EXPECT_EQ(unknown.code(), Code::NotFound);
  EXPECT_NE(unknown.message().find("gain, subject"), std::string::npos) << unknown.message();
  for (const char *bad : {"", "x", "nan", "1e999"}) {
    options.set = {{"gain", bad}};
    EXPECT_EQ(refused({{"x", x}}, options).code(), Code::InvalidArgument) << bad;
  }
}

TEST_F(SequenceRunTest, WhatDoesNotFitIsRefusedByName) {
  EXPECT_EQ(refused({{"x", *Tensor::zeros(DType::F32, {2, 0, 2})}}).code(), Code::InvalidArgument);
  Status channels = refused({{"x", *Tensor::zeros(DType::F32, {2, 3, 1})}});
  EXPECT_EQ(channels.code(), Code::Mismatch);
  EXPECT_NE(channels.message().find("\"x\" has 1 elements"), std::string::npos)
      << channels.message();
  EXPECT_EQ(refused({}).code(), Code::NotFound);
  EXPECT_EQ(refused({{"x", x}, {"z", x}}).code(), Code::NotFound);
}

TEST_F(SequenceRunTest, NanPassesUnlessItIsRefused) {
  x.as<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(find(run({{"x", x}}), "y").as<float>()[3]));
  RunOptions options;
  options.refuseNan = true;
  Status status = refused({{"x", x}}, options);
  EXPECT_EQ(status.code(), Code::InvalidArgument);
  EXPECT_NE(status.message().find("element 3"), std::string::npos) << status.message();
}

TEST_F(SequenceRunTest, PreparedRunsReadTheirInputsAnew) {
  std::vector<NamedTensor> inputs = {{"x", x}, {"h_0", numbers({1, 2, 2}, {2, 0, 0, 4})}};
  auto prepared = session->prepare(inputs);
  ASSERT_TRUE(prepared) << prepared.status().message();
  for (int round = 0; round < 3; ++round) {
    x.as<float>()[0] = static_cast<float>(round);
    auto whole = run(inputs);
    Status status = (*prepared)->run();
    ASSERT_TRUE(status) << status.message();
    auto outputs = (*prepared)->outputs();
    ASSERT_EQ(outputs.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(outputs[i].name, whole[i].name);
      EXPECT_EQ(outputs[i].tensor.shape, whole[i].tensor.shape);
    }
    EXPECT_EQ(floats(find(whole, "y")), floats(outputs[0].tensor)) << round;
    EXPECT_EQ(floats(find(whole, "h_n")), floats(outputs[3].tensor)) << round;
  }
}

TEST_F(SequenceRunTest, StreamsCarryTheirStates) {
  auto whole = run({{"x", x}});
  auto stream = *session->openStream({});
  for (int round = 0; round < 2; ++round) {
    std::vector<float> got;
    for (int64_t t = 0; t < 3; ++t) {
      const float *at = x.as<float>() + t * 2;
      auto out = stream->push(
          std::vector<NamedTensor>{{"x", numbers({2, 1, 2}, {at[0], at[1], at[6], at[7]})}});
      ASSERT_TRUE(out) << out.status().message();
      for (int64_t b = 0; b < 2; ++b)
        for (int64_t i = 0; i < 2; ++i)
          EXPECT_EQ(find(*out, "y").as<float>()[b * 2 + i],
                    find(whole, "y").as<float>()[(b * 3 + t) * 2 + i]);
    }
    stream->reset();
  }
  ASSERT_TRUE(stream->push(std::vector<NamedTensor>{{"x", x}}));
  Tensor three = *Tensor::zeros(DType::F32, {3, 1, 2});
  EXPECT_EQ(stream->push(std::vector<NamedTensor>{{"x", three}}).status().code(), Code::Mismatch);
}

TEST_F(SequenceRunTest, PreparedPushesGoOnWhereTheStreamIs) {
  auto whole = run({{"x", x}});
  auto stream = *session->openStream({});
  Tensor piece = *Tensor::zeros(DType::F32, {2, 1, 2});
  auto prepared = stream->prepare(std::vector<NamedTensor>{{"x", piece}});
  ASSERT_TRUE(prepared) << prepared.status().message();
  for (int round = 0; round < 2; ++round) {
    for (int64_t t = 0; t < 3; ++t) {
      const float *at = x.as<float>() + t * 2;
      std::vector<float> next = {at[0], at[1], at[6], at[7]};
      std::memcpy(piece.data.get(), next.data(), sizeof(float) * next.size());
      // A push between two prepared ones is one of the same stream.
      auto between = std::vector<NamedTensor>{{"x", numbers({2, 1, 2}, next)}};
      if (t == 1) {
        ASSERT_TRUE(stream->push(between));
        continue;
      }
      Status status = (*prepared)->run();
      ASSERT_TRUE(status) << status.message();
      for (int64_t b = 0; b < 2; ++b)
        for (int64_t i = 0; i < 2; ++i)
          EXPECT_EQ((*prepared)->outputs()[0].tensor.as<float>()[b * 2 + i],
                    find(whole, "y").as<float>()[(b * 3 + t) * 2 + i]);
    }
    stream->reset();
  }
  Tensor three = *Tensor::zeros(DType::F32, {3, 1, 2});
  ASSERT_TRUE(stream->push(std::vector<NamedTensor>{{"x", piece}}));
  EXPECT_EQ(stream->prepare(std::vector<NamedTensor>{{"x", three}}).status().code(),
            Code::Mismatch);
}

/// Channel c of sample i: i + 100 c.
Tensor ramp(int64_t samples) {
  Tensor t = *Tensor::zeros(DType::F32, {1, 2, samples});
  for (int64_t i = 0; i < samples; ++i) {
    t.as<float>()[i] = static_cast<float>(i);
    t.as<float>()[samples + i] = static_cast<float>(100 + i);
  }
  return t;
}

TEST(Frames, SequencesAreCutWithZerosAtTheirEnds) {
  auto session = *Session::create(windows(true));
  auto out = session->runNamed(std::vector<NamedTensor>{{"x", ramp(6)}});
  ASSERT_TRUE(out) << out.status().message();
  // 0 | 0 1 2 and 2 3 4 5 and 5 | 0 0 0
  EXPECT_EQ((*out)[0].tensor.shape, (std::vector<int64_t>{1, 3, 2}));
  EXPECT_EQ(floats((*out)[0].tensor), (std::vector<float>{3, -102, 14, -3, 5, 105}));
}

TEST(Frames, WindowsOfAGraphStream) {
  auto model = windows(false);
  auto session = *Session::create(model);
  EXPECT_EQ(session->openStream({}).status().code(), Code::Unsupported);
  StreamOptions options;
  options.window = 4;
  options.hop = 2;
  auto stream = *session->openStream(options);
  Tensor all = ramp(9);
  std::vector<float> got;
  for (int64_t i = 0; i < 9; ++i) {
    auto out = stream->push(std::vector<NamedTensor>{
        {"x", numbers({1, 2, 1}, {static_cast<float>(i), static_cast<float>(100 + i)})}});
    ASSERT_TRUE(out) << out.status().message();
    auto row = floats((*out)[0].tensor);
    EXPECT_EQ(row.size(), i == 3 || i == 5 || i == 7 ? 2u : 0u) << i;
    got.insert(got.end(), row.begin(), row.end());
  }
  EXPECT_EQ(got, (std::vector<float>{6, -3, 14, -3, 22, -3}));
  options.window = 5;
  stream = *session->openStream(options);
  EXPECT_EQ(stream->push(std::vector<NamedTensor>{{"x", all}}).status().code(), Code::Mismatch);
}

TEST(Ports, AxesNamedLikeOptionsTakeAndCutSizes) {
  Program p;
  p.model.name = "outer";
  p.model.task = "sequence";
  p.model.options = {{"ways", true, std::nullopt, {}}, {"n", true, std::nullopt, {1, 2}}};
  ValueType m = type(Rows::None, {5}), n = type(Rows::Sequences, {}, DType::I32),
            out = type(Rows::Sequences, {5});
  p.segments = {{"outer", "outer", "s", {m, n}, {out}, {}, {}, 0, {}}};
  Schedule s;
  s.name = "forward";
  s.inputs = {"m", "n"};
  s.values = {m, n, out};
  s.steps = {{0, -1, {0, 1}, {2}, {}, {}}};
  s.outputs = {{"out", 2}};
  s.ports = {{"m", {"ways"}, {}}, {"out", {"ways", "b"}, {}}};
  p.schedules = {s};
  auto session = *Session::create(bind(p));
  auto got = session->runNamed(
      std::vector<NamedTensor>{{"m", numbers({3}, {1, 2, 3})}, {"n", integers({2}, {1, 2})}});
  ASSERT_TRUE(got) << got.status().message();
  EXPECT_EQ((*got)[0].tensor.shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(floats((*got)[0].tensor), (std::vector<float>{1, 2, 2, 4, 3, 6}));
  Status many = session
                    ->runNamed(std::vector<NamedTensor>{{"m", *Tensor::zeros(DType::F32, {6})},
                                                        {"n", integers({1}, {1})}})
                    .status();
  EXPECT_EQ(many.code(), Code::Mismatch);
  EXPECT_NE(many.message().find("6 ways"), std::string::npos) << many.message();
  Status unknown =
      session
          ->runNamed(std::vector<NamedTensor>{{"m", numbers({1}, {1})}, {"n", integers({1}, {7})}})
          .status();
  EXPECT_EQ(unknown.code(), Code::InvalidArgument);
  EXPECT_NE(unknown.message().find("n 7 is not known to the model; known are 1, 2"),
            std::string::npos)
      << unknown.message();
}

} // namespace
} // namespace plexus::test
