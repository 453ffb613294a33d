#include "frontends/gguf/GgufMetadata.h"
#include "frontends/gguf/GgufModel.h"

#include <cmath>

namespace plexus::frontends {
namespace {

using nlohmann::json;

/// Values of llama.* that do not change what is computed.
constexpr std::string_view inertKeys[] = {"llama.rope.scaling.finetuned",
                                          "llama.tensor_data_layout"};

/// Keys that are understood as long as they switch nothing on.
struct Neutral {
  std::string_view key;
  GgufValue value;
};
const Neutral neutralKeys[] = {
    {"llama.expert_count", int64_t(0)},
    {"llama.expert_used_count", int64_t(0)},
    {"llama.attention.sliding_window", int64_t(0)},
    {"llama.attention.causal", true},
    {"llama.use_parallel_residual", false},
};

json readRope(GgufMetadata &metadata, int64_t headDim) {
  json rope = {{"rope_type", "default"}};
  rope["rope_theta"] = metadata.get<double>("llama.rope.freq_base").value_or(10000.0);
  int64_t rotated = metadata.get<int64_t>("llama.rope.dimension_count").value_or(headDim);
  if (rotated != headDim)
    metadata.problem("llama.rope.dimension_count is " + std::to_string(rotated) +
                     ", and only whole heads (" + std::to_string(headDim) + ") are rotated");
  std::string kind = metadata.get<std::string>("llama.rope.scaling.type").value_or("none");
  std::optional<double> factor = metadata.get<double>("llama.rope.scaling.factor");
  // The name of older files.
  if (std::optional<double> old = metadata.get<double>("llama.rope.scale_linear"); old && !factor) {
    factor = old;
    kind = "linear";
  }
  std::optional<int64_t> original =
      metadata.get<int64_t>("llama.rope.scaling.original_context_length");
  if (kind == "linear" || kind == "yarn") {
    if (!factor)
      metadata.problem("llama.rope.scaling.factor is missing");
    if (factor.value_or(1) == 1)
      return rope;
    rope["rope_type"] = kind;
    rope["factor"] = *factor;
    if (kind == "yarn" && original)
      rope["original_max_position_embeddings"] = *original;
  } else if (kind != "none") {
    metadata.problem("llama.rope.scaling.type is \"" + kind + "\"; none, linear and yarn are read");
  }
  return rope;
}

/// Divisors of the frequencies, as llama 3.1 files have them.
Status readFrequencyFactors(const GgufFile &file, int64_t headDim, json &rope) {
  const TensorView *factors = file.find("rope_freqs.weight");
  if (!factors)
    return Status::ok();
  if (factors->elements() != headDim / 2)
    return error(Code::Mismatch) << file.path() << ": tensor \"rope_freqs.weight\" has "
                                 << factors->elements() << " factors, not " << headDim / 2;
  std::vector<float> values(static_cast<size_t>(headDim / 2));
  PLX_RETURN_IF_ERROR(decodeElements(*factors, 0, headDim / 2, values.data()));
  for (float value : values)
    if (!std::isfinite(value) || value <= 0)
      return error(Code::Corrupt) << file.path()
                                  << ": tensor \"rope_freqs.weight\" holds a factor of " << value;
  rope["frequency_factors"] = values;
  return Status::ok();
}

/// Which of the optional parts the tensors show.
Status readStructure(const GgufFile &file, GgufMetadata &metadata, json &config) {
  const TensorView *embedding = file.find("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    return error(Code::NotFound) << file.path() << ": no tensor \"token_embd.weight\" [V, D]";
  int64_t rows = embedding->shape[0];
  if (metadata.get<int64_t>("llama.vocab_size").value_or(rows) != rows)
    metadata.problem("llama.vocab_size is not the " + std::to_string(rows) +
                     " rows of token_embd.weight");
  config["vocab_size"] = rows;
  config["tie_word_embeddings"] = file.find("output.weight") == nullptr;
  config["attention_bias"] = file.find("blk.0.attn_q.bias") != nullptr;
  config["mlp_bias"] = file.find("blk.0.ffn_up.bias") != nullptr;
  return Status::ok();
}

/// Ids that begin, pad and end sequences; a turn's end ends generation too.
void readTokens(GgufMetadata &metadata, json &config) {
  json ends = json::array();
  for (const char *key : {"eos", "eot", "eom"})
    if (auto id = metadata.get<int64_t>("tokenizer.ggml." + std::string(key) + "_token_id"))
      if (std::find(ends.begin(), ends.end(), *id) == ends.end())
        ends.push_back(*id);
  if (!ends.empty())
    config["eos_token_id"] = ends;
  if (auto id = metadata.get<int64_t>("tokenizer.ggml.bos_token_id"))
    config["bos_token_id"] = *id;
  if (auto id = metadata.get<int64_t>("tokenizer.ggml.padding_token_id"))
    config["pad_token_id"] = *id;
}

} // namespace

Expected<json> readGgufConfig(const GgufFile &file) {
  GgufMetadata metadata(file);
  std::string architecture = metadata.require<std::string>("general.architecture");
  PLX_RETURN_IF_ERROR(metadata.check());
  if (architecture != "llama")
    return error(Code::Unsupported) << file.path() << ": GGUF of architecture \"" << architecture
                                    << "\": only \"llama\" is read";
  if (auto type = metadata.get<std::string>("general.type"); type && *type != "model")
    return error(Code::Unsupported)
           << file.path() << ": a GGUF of type \"" << *type << "\", not a model";

  json config = {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}};
  auto heads = metadata.require<int64_t>("llama.attention.head_count");
  auto hidden = metadata.require<int64_t>("llama.embedding_length");
  if (heads <= 0 || hidden <= 0)
    metadata.problem("llama.attention.head_count and llama.embedding_length must be positive");
  int64_t headDim =
      metadata.get<int64_t>("llama.attention.key_length").value_or(heads > 0 ? hidden / heads : 0);
  if (metadata.get<int64_t>("llama.attention.value_length").value_or(headDim) != headDim)
    metadata.problem("llama.attention.value_length is not that of the keys");
  if (headDim <= 0 || headDim % 2 != 0 || headDim > (1 << 20))
    metadata.problem("heads of " + std::to_string(headDim) + " cannot be rotated in pairs");
  config["hidden_act"] = "silu";
  config["hidden_size"] = hidden;
  config["head_dim"] = headDim;
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] =
      metadata.get<int64_t>("llama.attention.head_count_kv").value_or(heads);
  config["num_hidden_layers"] = metadata.require<int64_t>("llama.block_count");
  config["intermediate_size"] = metadata.require<int64_t>("llama.feed_forward_length");
  config["max_position_embeddings"] = metadata.require<int64_t>("llama.context_length");
  config["rms_norm_eps"] = metadata.require<double>("llama.attention.layer_norm_rms_epsilon");
  config["rope_parameters"] = readRope(metadata, headDim);
  PLX_RETURN_IF_ERROR(readStructure(file, metadata, config));
  readTokens(metadata, config);
  for (std::string_view key : inertKeys)
    metadata.ignore(key);
  for (const Neutral &neutral : neutralKeys)
    if (const GgufValue *value = file.metadata(neutral.key); value && *value == neutral.value)
      metadata.ignore(neutral.key);
  PLX_RETURN_IF_ERROR(metadata.allRead("llama."));
  PLX_RETURN_IF_ERROR(readFrequencyFactors(file, headDim, config["rope_parameters"]));
  return config;
}

} // namespace plexus::frontends
