// From cases.json to one result a case. Fields that are not known fail the case: an ignored one
// might change what it asks for.
#include "tools/conformance/ModelPack.h"

#include "runtime/io/Json.h"
#include "runtime/io/Safetensors.h"

#include <set>

namespace plexus::conformance {
namespace {

using Json = nlohmann::json;

struct Kind {
  std::string_view name;
  CaseRunner run;
  std::set<std::string_view> fields; ///< Besides those that every case has.
};

const Kind kKinds[] = {
    {"forward", runForward, {"compare_mask"}},
    {"chunked", runForward, {"compare_mask", "pieces"}},
    {"greedy",
     runGreedy,
     {"max_new_tokens", "eos_token_id", "pad_token_id", "min_argmax_margin", "min_margin",
      "ignore_eos"}},
    {"beam",
     runBeam,
     {"max_new_tokens", "eos_token_id", "pad_token_id", "num_beams", "length_penalty",
      "early_stopping"}},
    {"sample_logits",
     runSampleLogits,
     {"temperature", "top_k", "top_p", "min_p", "repetition_penalty"}},
    {"stream", runStream, {}},
    {"ctc", runCtc, {}},
    {"internal", runInternal, {}},
    // All others are one run of named tensors.
    {"", runForward, {}},
};

Status runCase(const ModelPack &pack, const Json &json, double norm, CaseResult &result) {
  const std::string kindName = json.at("kind").get<std::string>();
  const Kind *kind = kKinds;
  while (!kind->name.empty() && kind->name != kindName)
    ++kind;
  // reference_cache_error: how far the reference's own states are off, which nobody is judged by.
  static const std::set<std::string_view> common = {
      "name",          "kind",   "atol",
      "rtol",          "inputs", "outputs",
      "compute_dtype", "note",   "reference_cache_error"};
  // What the tool compiles for, unless it is told otherwise.
  if (const std::string type = json.value("compute_dtype", "float32"); type != "float32")
    return error(Code::Unsupported) << "a case with compute_dtype " << type;
  // Runs set the fields that the model has as options; of kinds without a list, the others describe
  // what was done.
  const ModelInfo &info = pack.model->model->info();
  for (const auto &[field, value] : json.items())
    if (!kind->fields.empty() && !common.contains(field) && !kind->fields.contains(field) &&
        !info.findOption(field))
      return error(Code::Unsupported)
             << "a case of kind " << kindName << " with \"" << field << "\"";
  ModelCase c{pack, json, {json.at("atol").get<double>(), json.at("rtol").get<double>(), norm}};
  return kind->run(c, result);
}

std::string keyOf(const Json &json, const char *group, const char *name) {
  auto found = json.find(group);
  return found == json.end() ? "" : found->value(name, "");
}

} // namespace

std::string ModelCase::input(const char *name) const { return keyOf(json, "inputs", name); }
std::string ModelCase::output(const char *name) const { return keyOf(json, "outputs", name); }

Status runModelPack(const std::string &path, const OpenOptions &options, double norm,
                    const std::function<bool(const CaseResult &)> &onResult) {
  PLX_ASSIGN(Json cases, readJsonFile(path + "/cases.json"));
  ModelPack pack;
  pack.path = path;
  PLX_ASSIGN(pack.tensors, openSafetensors(path + "/cases.safetensors"));
  PLX_ASSIGN(pack.model, openModel(path + "/model", options));
  if (!cases.is_object() || !cases.contains("cases") || !cases["cases"].is_array())
    return error(Code::Corrupt) << path << "/cases.json: no list \"cases\"";
  for (const Json &json : cases["cases"]) {
    CaseResult result;
    try {
      result.name = json.at("name").get<std::string>();
      const std::string kind = json.at("kind").get<std::string>();
      if (norm > 0 && kind != "forward" && kind != "chunked")
        continue;
      if (Status s = runCase(pack, json, norm, result); !s)
        result.note(s.message());
    } catch (const Json::exception &e) {
      result.note(std::string("cases.json: ") + e.what());
    }
    if (!onResult(result))
      break;
  }
  return Status::ok();
}

} // namespace plexus::conformance
