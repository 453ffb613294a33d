// Each field is honoured, known not to matter, or refused.
#include "frontends/huggingface/QuantizationConfig.h"

#include "frontends/huggingface/ConfigReader.h"

#include <algorithm>

namespace plexus::frontends {
namespace {

/// How a quantizer worked, which its result shows; and choices of kernels.
constexpr std::string_view kInert[] = {"desc_act",
                                       "static_groups",
                                       "sym",
                                       "true_sequential",
                                       "damp_percent",
                                       "damp_auto_increment",
                                       "dataset",
                                       "tokenizer",
                                       "block_name_to_quantize",
                                       "module_name_preceding_first_block",
                                       "modules_in_block_to_quantize",
                                       "modules_to_not_convert",
                                       "batch_size",
                                       "pad_token_id",
                                       "use_cuda_fp16",
                                       "use_exllama",
                                       "exllama_config",
                                       "disable_exllama",
                                       "cache_block_outputs",
                                       "max_input_length",
                                       "model_seqlen",
                                       "backend",
                                       "meta",
                                       "model_name_or_path",
                                       "model_file_base_name",
                                       "quantizer",
                                       "is_marlin_format",
                                       "lm_head",
                                       "do_fuse",
                                       "fuse_max_seq_len",
                                       "modules_to_fuse"};

constexpr int64_t kMostBits = 64, kMostGroup = 1 << 20;

Status unsupported(const ConfigReader &reader, const std::string &what) {
  return error(Code::Unsupported) << reader.source() << ": quantization_config: " << what;
}

Status readGptq(ConfigReader &reader, QuantizationConfig &out) {
  out.layout = QuantizedLayout::Gptq;
  out.zerosLessOne = true;
  if (const std::string *format = reader.getString("checkpoint_format")) {
    if (*format != "gptq" && *format != "gptq_v2")
      return unsupported(reader, "checkpoint_format \"" + *format +
                                     "\" of GPTQ is not read; gptq and gptq_v2 are");
    out.zerosLessOne = *format == "gptq";
  }
  if (const std::string *packed = reader.getString("pack_dtype"); packed && *packed != "int32")
    return unsupported(reader, "pack_dtype " + *packed + " is not read; int32 is");
  if (out.bits != 2 && out.bits != 3 && out.bits != 4 && out.bits != 8)
    return unsupported(reader, "GPTQ of " + std::to_string(out.bits) +
                                   " bits is not read; 2, 3, 4 and 8 are");
  if (reader.getBool("is_marlin_format").value_or(false))
    return unsupported(reader, "the Marlin format is not read; the plain GPTQ format is");
  if (!reader.json().value("dynamic", nlohmann::json()).is_null())
    return unsupported(reader, "modules with settings of their own (\"dynamic\") are not read");
  reader.ignore("dynamic");
  return Status::ok();
}

Status readAwq(ConfigReader &reader, QuantizationConfig &out) {
  out.layout = QuantizedLayout::Awq;
  if (const std::string *version = reader.getString("version"); version && *version != "gemm")
    return unsupported(reader, "version \"" + *version + "\" of AWQ is not read; gemm is");
  if (out.bits != 4)
    return unsupported(reader,
                       "AWQ of " + std::to_string(out.bits) + " bits is not read; 4 bits are");
  reader.ignore("zero_point"); // A checkpoint without them stores none.
  return Status::ok();
}

} // namespace

Expected<std::optional<QuantizationConfig>> takeQuantizationConfig(nlohmann::json &config,
                                                                   const std::string &source) {
  auto found = config.is_object() ? config.find("quantization_config") : config.end();
  if (!config.is_object() || found == config.end())
    return std::optional<QuantizationConfig>();
  nlohmann::json json = std::move(*found);
  config.erase(found);
  if (json.is_null())
    return std::optional<QuantizationConfig>();
  ConfigReader reader(std::move(json), source);
  QuantizationConfig out;
  std::string method = reader.requireString("quant_method");
  PLX_RETURN_IF_ERROR(reader.check());
  if (method != "gptq" && method != "awq")
    return unsupported(reader, "method \"" + method +
                                   "\" is not read; gptq and awq are, and unquantized checkpoints, "
                                   "which --weights rounds");
  // AutoAWQ's own names, and transformers'.
  bool older = reader.has("w_bit") || reader.has("q_group_size");
  out.bits = static_cast<int>(
      std::clamp<int64_t>(reader.requireInt(older ? "w_bit" : "bits"), 0, kMostBits));
  out.group = reader.requireInt(older ? "q_group_size" : "group_size");
  PLX_RETURN_IF_ERROR(reader.check());
  PLX_RETURN_IF_ERROR(method == "gptq" ? readGptq(reader, out) : readAwq(reader, out));
  bool fits = out.group == -1 || out.group == 16 || out.group == 32 || out.group == 64 ||
              (out.group > 0 && out.group <= kMostGroup && out.group % 128 == 0);
  if (!fits)
    return unsupported(reader, "groups of " + std::to_string(out.group) +
                                   " are not read; 16, 32, 64, multiples of 128 and -1 are");
  for (std::string_view name : kInert)
    reader.ignore(name);
  PLX_RETURN_IF_ERROR(reader.allHonoured().at("quantization_config"));
  return std::optional(out);
}

} // namespace plexus::frontends
