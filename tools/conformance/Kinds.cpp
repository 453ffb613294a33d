// The kinds of cases that generate: greedy and beam decoding, and the transforms of sampling.
#include "tools/conformance/ModelPack.h"
#include "tools/conformance/Runs.h"

#include "runtime/api/Generate.h"
#include "runtime/engine/SamplerChain.h"

#include <algorithm>

namespace plexus::conformance {
namespace {

using Rows = std::vector<std::vector<int32_t>>;

/// A session of its own, and the run on the engine's thread, where all compute is.
Expected<std::vector<NamedTensor>> runNamed(const OpenedModel &model,
                                            const std::vector<NamedTensor> &inputs,
                                            const std::vector<std::string> &wants,
                                            std::vector<int64_t> chunks = {}) {
  RunOptions options;
  options.wants = wants;
  options.chunks = std::move(chunks);
  return conformance::runNamed(model, inputs, options);
}

/// The prompts of a case: rows of input_ids without their masked columns.
Expected<Rows> prompts(const ModelCase &c) {
  PLX_ASSIGN(Rows ids, readRows(c.tensors(), c.input("input_ids")));
  if (c.input("attention_mask").empty())
    return ids;
  PLX_ASSIGN(Rows mask, readRows(c.tensors(), c.input("attention_mask")));
  Rows out(ids.size());
  for (size_t r = 0; r < ids.size() && r < mask.size(); ++r)
    for (size_t i = 0; i < ids[r].size() && i < mask[r].size(); ++i)
      if (mask[r][i])
        out[r].push_back(ids[r][i]);
  return out;
}

GenerateRequest request(const ModelCase &c, const std::vector<int32_t> &prompt) {
  GenerateRequest r;
  r.promptIds = prompt;
  r.maxTokens = c.json.at("max_new_tokens").get<int64_t>();
  const auto eos = c.json.value("eos_token_id", nlohmann::json());
  if (eos.is_null() || c.json.value("ignore_eos", false))
    r.ignoreEos = true;
  else if (eos.is_array())
    r.eos = eos.get<std::vector<int32_t>>();
  else
    r.eos = {eos.get<int32_t>()};
  return r;
}

/// New ids as the reference lists them: rows that end early are padded to the longest.
std::vector<int32_t> padded(std::vector<int32_t> ids, size_t length, const ModelCase &c) {
  if (ids.size() < length)
    ids.resize(length, c.json.value("pad_token_id", 0));
  return ids;
}

/// Logits of the steps that made `ids` behind `prompt`: [ids.size() * vocabulary]. Stepped through
/// the states as the reference does: a rope that changes with the length leaves cached keys alone.
Expected<std::vector<float>> stepLogits(const OpenedModel &model, std::vector<int32_t> prompt,
                                        const std::vector<int32_t> &ids) {
  const size_t first = prompt.size() - 1;
  if (ids.empty())
    return std::vector<float>();
  std::vector<int64_t> steps(ids.size(), 1);
  steps.front() = static_cast<int64_t>(prompt.size());
  prompt.insert(prompt.end(), ids.begin(), ids.end() - 1);
  const std::vector<NamedTensor> inputs = {
      {"input_ids",
       Tensor::borrow(DType::I32, {1, static_cast<int64_t>(prompt.size())}, prompt.data())}};
  PLX_ASSIGN(auto outputs, runNamed(model, inputs, {"logits"}, std::move(steps)));
  PLX_ASSIGN(std::vector<float> all, floatsOf(outputs.at(0).tensor));
  all.erase(all.begin(), all.begin() + first * (all.size() / prompt.size()));
  return all;
}

} // namespace

Status runGreedy(const ModelCase &c, CaseResult &result) {
  PLX_ASSIGN(Rows rows, prompts(c));
  PLX_ASSIGN(Rows wanted, readRows(c.tensors(), c.output("tokens")));
  std::vector<float> wantedLogits;
  if (!c.output("step_logits").empty()) {
    PLX_ASSIGN(wantedLogits, readFloats(c.tensors(), c.output("step_logits")));
  }
  for (size_t r = 0; r < rows.size() && r < wanted.size(); ++r) {
    GenerateRequest ask = request(c, rows[r]);
    ask.strategy = "greedy";
    const GenerationResult made = generate(*c.pack.model, ask);
    PLX_RETURN_IF_ERROR(made.status);
    const std::vector<int32_t> &ids = made.outputs.at(0).ids;
    const std::string name = "tokens[" + std::to_string(r) + "]";
    compareIds(name, padded(ids, wanted[r].size(), c), wanted[r], result);
    if (wantedLogits.empty() || ids.size() > wanted[r].size())
      continue;
    PLX_ASSIGN(std::vector<float> got, stepLogits(*c.pack.model, rows[r], ids));
    const size_t all = wantedLogits.size() / wanted.size();
    const size_t own =
        all / wanted[r].size() * ids.size(); // Steps behind its end are not compared.
    compareFloats("step_logits[" + std::to_string(r) + "]", got,
                  std::span(wantedLogits).subspan(r * all, own), {}, c.tolerance, result);
  }
  if (rows.size() != wanted.size())
    result.note("the case has " + std::to_string(rows.size()) + " prompts and " +
                std::to_string(wanted.size()) + " rows of tokens");
  return Status::ok();
}

Status runBeam(const ModelCase &c, CaseResult &result) {
  PLX_ASSIGN(Rows rows, prompts(c));
  PLX_ASSIGN(Rows wanted, readRows(c.tensors(), c.output("tokens")));
  PLX_ASSIGN(std::vector<float> scores, readFloats(c.tensors(), c.output("score")));
  if (rows.size() != wanted.size() || rows.size() != scores.size())
    return Status(Code::Corrupt, "prompts, tokens and scores differ in number");
  auto text = [](const nlohmann::json &value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  for (size_t r = 0; r < rows.size(); ++r) {
    GenerateRequest ask = request(c, rows[r]);
    ask.strategy = "beam";
    for (const char *option : {"num_beams", "length_penalty", "early_stopping"})
      if (c.json.contains(option))
        ask.options.emplace_back(option, text(c.json[option]));
    const GenerationResult made = generate(*c.pack.model, ask);
    PLX_RETURN_IF_ERROR(made.status);
    const GenerationOutput &best = made.outputs.at(0);
    compareIds("tokens[" + std::to_string(r) + "]", padded(best.ids, wanted[r].size(), c),
               wanted[r], result);
    const float score = static_cast<float>(best.score);
    compareFloats("score[" + std::to_string(r) + "]", {&score, 1}, {&scores[r], 1}, {}, c.tolerance,
                  result);
  }
  return Status::ok();
}

Status runSampleLogits(const ModelCase &c, CaseResult &result) {
  PLX_ASSIGN(Rows rows, prompts(c));
  PLX_ASSIGN(std::vector<float> logits, readFloats(c.tensors(), c.input("logits")));
  PLX_ASSIGN(std::vector<float> wanted, readFloats(c.tensors(), c.output("probs")));
  if (rows.empty() || logits.size() != wanted.size() || logits.size() % rows.size() != 0)
    return Status(Code::Corrupt, "logits, probs and input_ids do not fit each other");
  OptionList options;
  for (const char *option : {"temperature", "top_k", "top_p", "min_p", "repetition_penalty"})
    if (c.json.contains(option))
      options.emplace_back(option, c.json[option].dump());
  const size_t width = logits.size() / rows.size();
  for (size_t r = 0; r < rows.size(); ++r) {
    PLX_ASSIGN(std::vector<float> got,
               samplingProbabilities(PluginHost::shared(), options, rows[r],
                                     std::span(logits).subspan(r * width, width)));
    compareFloats("probs[" + std::to_string(r) + "]", got,
                  std::span(wanted).subspan(r * width, width), {}, c.tolerance, result);
  }
  return Status::ok();
}

} // namespace plexus::conformance
