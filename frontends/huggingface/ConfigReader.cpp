#include "frontends/huggingface/ConfigReader.h"

#include "runtime/io/Json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace plexus::frontends {
namespace {

constexpr size_t maxShownValue = 80;

constexpr std::string_view inertFields[] = {
    // Bookkeeping.
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_from_model_config",
    "_name_or_path",
    "_num_labels",
    "architectures",
    "auto_map",
    "dtype",
    "finetuning_task",
    "is_llama_config",
    "model_max_length",
    "model_type",
    "tf_legacy_loss",
    "tokenizer_class",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    // Training.
    "gradient_checkpointing",
    "initializer_factor",
    "initializer_range",
    // What the reference returns, not what it computes.
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "return_dict",
    "return_dict_in_generate",
    "output_scores",
    "use_cache",
    "use_return_dict",
    // How the reference splits its work.
    "chunk_size_feed_forward",
    // Labels of heads.
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "task_specific_params",
    // Defaults of generation.
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "pad_token_id",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "sep_token_id",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    "unk_token_id",
};

constexpr std::string_view switches[] = {
    "add_cross_attention", "attention_bias",      "is_decoder", "is_encoder_decoder", "mlp_bias",
    "rope_interleaved",    "tie_encoder_decoder", "use_mrope",  "use_sliding_window",
};

/// Splits "a.b.0" at its first dot.
std::pair<std::string_view, std::string_view> splitPath(std::string_view path) {
  size_t dot = path.find('.');
  if (dot == path.npos)
    return {path, {}};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

const nlohmann::json *child(const nlohmann::json &value, std::string_view key) {
  if (value.is_object()) {
    auto place = value.find(key);
    return place == value.end() ? nullptr : &*place;
  }
  size_t index = 0;
  auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (!value.is_array() || code != std::errc() || end != key.data() + key.size() ||
      index >= value.size())
    return nullptr;
  return &value[index];
}

std::string shown(const nlohmann::json &value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > maxShownValue)
    text = text.substr(0, maxShownValue) + "...";
  return text;
}

} // namespace

std::span<const std::string_view> inertConfigFields() { return inertFields; }
std::span<const std::string_view> absentSwitches() { return switches; }

ConfigReader::ConfigReader(nlohmann::json config, std::string source)
    : config_(std::move(config)), source_(std::move(source)) {}

const nlohmann::json *ConfigReader::findAny(std::string_view path) const {
  const nlohmann::json *value = &config_;
  while (value && !path.empty()) {
    auto [key, rest] = splitPath(path);
    value = child(*value, key);
    path = rest;
  }
  return value;
}

const nlohmann::json *ConfigReader::find(std::string_view path) const {
  const nlohmann::json *value = findAny(path);
  return value && value->is_null() ? nullptr : value;
}

bool ConfigReader::isNull(std::string_view path) const {
  const nlohmann::json *value = findAny(path);
  return value && value->is_null();
}

const nlohmann::json *ConfigReader::read(std::string_view path) {
  read_.emplace(path);
  return find(path);
}

void ConfigReader::problem(std::string_view path, std::string_view expected,
                           const nlohmann::json *found) {
  std::string text = "\"" + std::string(path) + "\" should be " + std::string(expected) + ", " +
                     (found ? "found " + shown(*found) : std::string("and is missing"));
  if (std::find(problems_.begin(), problems_.end(), text) == problems_.end())
    problems_.push_back(std::move(text));
}

std::optional<int64_t> ConfigReader::getInt(std::string_view path) {
  const nlohmann::json *value = read(path);
  if (!value)
    return std::nullopt;
  if (value->is_number_unsigned() && value->get<uint64_t>() <= uint64_t(INT64_MAX))
    return static_cast<int64_t>(value->get<uint64_t>());
  if (value->is_number_integer() && !value->is_number_unsigned())
    return value->get<int64_t>();
  if (value->is_number_float()) {
    double number = value->get<double>();
    if (std::abs(number) < 0x1p53 && std::trunc(number) == number)
      return static_cast<int64_t>(number);
  }
  problem(path, "an integer", value);
  return std::nullopt;
}

std::optional<double> ConfigReader::getFloat(std::string_view path) {
  const nlohmann::json *value = read(path);
  if (value && value->is_number())
    return value->get<double>();
  if (value)
    problem(path, "a number", value);
  return std::nullopt;
}

std::optional<bool> ConfigReader::getBool(std::string_view path) {
  const nlohmann::json *value = read(path);
  if (value && value->is_boolean())
    return value->get<bool>();
  if (value)
    problem(path, "true or false", value);
  return std::nullopt;
}

const std::string *ConfigReader::getString(std::string_view path) {
  const nlohmann::json *value = read(path);
  if (value && value->is_string())
    return value->get_ptr<const std::string *>();
  if (value)
    problem(path, "a string", value);
  return nullptr;
}

std::optional<size_t> ConfigReader::getArraySize(std::string_view path) {
  const nlohmann::json *value = read(path);
  if (value && value->is_array())
    return value->size();
  if (value)
    problem(path, "an array", value);
  return std::nullopt;
}

int64_t ConfigReader::requireInt(std::string_view path) {
  if (!has(path))
    problem(path, "an integer", nullptr);
  return getInt(path).value_or(0);
}

double ConfigReader::requireFloat(std::string_view path) {
  if (!has(path))
    problem(path, "a number", nullptr);
  return getFloat(path).value_or(0);
}

std::string ConfigReader::requireString(std::string_view path) {
  if (!has(path))
    problem(path, "a string", nullptr);
  const std::string *value = getString(path);
  return value ? *value : std::string();
}

Status ConfigReader::check() const {
  if (problems_.empty())
    return Status::ok();
  std::string text;
  for (const std::string &one : problems_)
    text += (text.empty() ? "" : "; ") + one;
  return error(Code::Corrupt) << source_ << ": " << text;
}

void ConfigReader::listUnread(const nlohmann::json &value, const std::string &path,
                              std::vector<std::string> &unread) const {
  if (value.is_null() || read_.contains(path) || ignored_.contains(path))
    return;
  if (value.is_object()) {
    for (const auto &[key, field] : value.items())
      listUnread(field, path + "." + key, unread);
    return;
  }
  // An array is honoured as a whole, or by one of its elements.
  if (value.is_array())
    if (auto next = read_.lower_bound(path + ".");
        next != read_.end() && next->starts_with(path + "."))
      return;
  unread.push_back("\"" + path + "\": " + shown(value));
}

Status ConfigReader::allHonoured() const {
  PLX_RETURN_IF_ERROR(check());
  std::vector<std::string> unread;
  auto among = [](const auto &names, const std::string &key) {
    return std::find(std::begin(names), std::end(names), key) != std::end(names);
  };
  for (const auto &[key, value] : config_.items())
    if (!among(inertFields, key) && !(among(switches, key) && value == false))
      listUnread(value, key, unread);
  if (unread.empty())
    return Status::ok();
  std::string text;
  for (const std::string &field : unread)
    text += "\n  " + field;
  return error(Code::Unsupported)
         << source_ << ": fields that may change what the model computes and that its family does "
         << "not know:" << text;
}

} // namespace plexus::frontends
