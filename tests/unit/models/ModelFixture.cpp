// Opening models and scoring texts for the tests on whole models.
#include "tests/unit/models/ModelFixture.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Session.h"
#include "tests/support/TempDir.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

namespace plexus::test {

std::string sourcePath(const std::string &path) {
  return std::string(PLEXUS_SOURCE_DIR) + "/" + path;
}

nlohmann::json readReference(const std::string &path) {
  auto json = readJsonFile(sourcePath(path));
  if (!json) {
    std::fprintf(stderr, "%s\n", json.status().message().c_str());
    std::abort();
  }
  return *std::move(json);
}

OpenedModelPtr openExact(const std::string &path, const std::string &weights,
                         const std::string &kv) {
  static testing::TempDir cache;
  static std::map<std::tuple<std::string, std::string, std::string>, OpenedModelPtr> opened;
  OpenedModelPtr &model = opened[{path, weights, kv}];
  if (model)
    return model;
  OpenOptions options;
  options.compile.compute = "f32";
  options.compile.weights = weights;
  options.compile.kv = kv;
  options.compile.cacheFolder = cache.path();
  auto result = openModel(path, options);
  if (result)
    model = *result;
  else
    ADD_FAILURE() << result.status().message();
  return model;
}

std::vector<int32_t> idsOf(const GenerationResult &result) {
  EXPECT_TRUE(result.status.isOk()) << result.status.message();
  return result.outputs.empty() ? std::vector<int32_t>() : result.outputs[0].ids;
}

int64_t counter(const GenerationResult &result, std::string_view name) {
  for (const auto &[key, value] : result.counters)
    if (key == name)
      return value;
  return 0;
}

GenerateRequest greedyRequest(std::vector<int32_t> prompt, int64_t count) {
  GenerateRequest request;
  request.promptIds = std::move(prompt);
  request.strategy = "greedy";
  request.maxTokens = count;
  request.ignoreEos = true;
  return request;
}

static Expected<Tensor> runLogits(Session &session, std::span<const int32_t> ids) {
  PLX_ASSIGN(Tensor input, Tensor::zeros(DType::I64, {1, static_cast<int64_t>(ids.size())}));
  std::copy(ids.begin(), ids.end(), input.as<int64_t>());
  const NamedTensor named{"input_ids", input};
  RunOptions options;
  options.wants = {"logits"};
  PLX_ASSIGN(std::vector<NamedTensor> outputs, session.runNamed({&named, 1}, options));
  if (outputs.size() != 1 || outputs[0].tensor.dtype != DType::F32)
    return error(Code::Mismatch) << "expected one output of F32";
  return outputs[0].tensor.dense();
}

Expected<Tensor> allLogits(const OpenedModel &model, std::span<const int32_t> ids) {
  PLX_ASSIGN(auto session, Session::create(model.model));
  Expected<Tensor> logits = Status(Code::Internal, "did not run");
  EngineThread::shared().run([&] { logits = runLogits(*session, ids); });
  return logits;
}

static double negativeLogProb(std::span<const float> logits, int32_t id) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(logit - most);
  return std::log(sum) + most - logits[static_cast<size_t>(id)];
}

Expected<double> perplexity(const OpenedModel &model, int32_t bos, std::span<const int32_t> ids,
                            size_t window) {
  const auto width = static_cast<size_t>(model.info().vocabSize);
  double nll = 0;
  for (size_t at = 0; at < ids.size(); at += window) {
    const auto targets = ids.subspan(at, std::min(window, ids.size() - at));
    std::vector<int32_t> inputs = {bos};
    inputs.insert(inputs.end(), targets.begin(), targets.end() - 1);
    PLX_ASSIGN(Tensor logits, allLogits(model, inputs));
    for (size_t r = 0; r < targets.size(); ++r)
      nll += negativeLogProb({logits.as<float>() + r * width, width}, targets[r]);
  }
  return std::exp(nll / static_cast<double>(ids.size()));
}

std::vector<int32_t> fileIds(const OpenedModel &model, const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EncodeOptions options;
  options.addSpecialTokens = false;
  auto encoding = model.tokenizer->encode(text, options);
  EXPECT_TRUE(encoding) << encoding.status().message();
  if (!encoding)
    return {};
  return {encoding->ids.begin(), encoding->ids.end()};
}

} // namespace plexus::test
