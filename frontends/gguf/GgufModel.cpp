#include "frontends/gguf/GgufModel.h"

#include <array>
#include <charconv>

namespace plexus::frontends {
namespace {

using nlohmann::json;

/// GGUF's names and transformers'; those of a layer follow "blk.N." and "model.layers.N.".
struct NamePair {
  std::string_view gguf, huggingFace;
};
constexpr NamePair modelNames[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};
struct LayerName : NamePair {
  /// Rows are stored in the order of interleaved rope: heads of this field of the config.
  const char *rotatedHeads = nullptr;
};
constexpr LayerName layerNames[] = {
    {{"attn_norm.weight", "input_layernorm.weight"}},
    {{"attn_q.weight", "self_attn.q_proj.weight"}, "num_attention_heads"},
    {{"attn_q.bias", "self_attn.q_proj.bias"}, "num_attention_heads"},
    {{"attn_k.weight", "self_attn.k_proj.weight"}, "num_key_value_heads"},
    {{"attn_k.bias", "self_attn.k_proj.bias"}, "num_key_value_heads"},
    {{"attn_v.weight", "self_attn.v_proj.weight"}},
    {{"attn_v.bias", "self_attn.v_proj.bias"}},
    {{"attn_output.weight", "self_attn.o_proj.weight"}},
    {{"attn_output.bias", "self_attn.o_proj.bias"}},
    {{"ffn_norm.weight", "post_attention_layernorm.weight"}},
    {{"ffn_gate.weight", "mlp.gate_proj.weight"}},
    {{"ffn_gate.bias", "mlp.gate_proj.bias"}},
    {{"ffn_up.weight", "mlp.up_proj.weight"}},
    {{"ffn_up.bias", "mlp.up_proj.bias"}},
    {{"ffn_down.weight", "mlp.down_proj.weight"}},
    {{"ffn_down.bias", "mlp.down_proj.bias"}},
};
/// Read into the config, hence no weight.
constexpr std::string_view ropeFactors = "rope_freqs.weight";

class GgufWeights : public TensorSource {
public:
  explicit GgufWeights(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}

  /// Maps every tensor of the file, or lists those that have no place in the model.
  Status map(const json &config) {
    std::string unknown;
    for (const std::string &name : file_->names())
      if (name != ropeFactors) {
        TensorView view = *file_->find(name);
        Expected<std::string> mapped = mapName(name, config, view);
        if (!mapped)
          return mapped.status().at(file_->path() + ": tensor \"" + name + "\"");
        if (mapped->empty())
          unknown += "\n  " + name + " " + shapeToString(view.shape);
        else
          tensors_.emplace(*std::move(mapped), std::move(view));
      }
    if (!unknown.empty())
      return error(Code::Unsupported)
             << file_->path() << ": tensors that a llama model does not have:" << unknown;
    for (const auto &[name, view] : tensors_)
      names_.push_back(name);
    return Status::ok();
  }

  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override {
    auto place = tensors_.find(name);
    return place == tensors_.end() ? nullptr : &place->second;
  }
  const std::string &path() const override { return file_->path(); }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return file_->files(); }

private:
  /// transformers' name, empty when there is none; marks the rows of rotated heads in `view`.
  static Expected<std::string> mapName(std::string_view name, const json &config,
                                       TensorView &view) {
    for (const NamePair &pair : modelNames)
      if (pair.gguf == name)
        return std::string(pair.huggingFace);
    constexpr std::string_view prefix = "blk.";
    size_t dot = name.find('.', prefix.size());
    if (!name.starts_with(prefix) || dot == name.npos)
      return std::string();
    std::string_view digits = name.substr(prefix.size(), dot - prefix.size());
    int64_t layer = -1;
    auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
    if (problem != std::errc() || std::to_string(layer) != digits || layer < 0 ||
        layer >= config["num_hidden_layers"].get<int64_t>())
      return std::string();
    for (const LayerName &pair : layerNames)
      if (pair.gguf == name.substr(dot + 1)) {
        if (pair.rotatedHeads)
          PLX_RETURN_IF_ERROR(markRotated(view, config[pair.rotatedHeads].get<int64_t>(),
                                          config["head_dim"].get<int64_t>()));
        return "model.layers." + std::string(digits) + "." + std::string(pair.huggingFace);
      }
    return std::string();
  }

  static Status markRotated(TensorView &view, int64_t heads, int64_t headDim) {
    int64_t rows = 0;
    if (view.shape.empty() || __builtin_mul_overflow(heads, headDim, &rows) ||
        view.shape[0] != rows)
      return error(Code::Mismatch) << "shape " << shapeToString(view.shape) << ", but " << heads
                                   << " heads of " << headDim << " are expected";
    view.interleavedRows = headDim;
    return Status::ok();
  }

  std::shared_ptr<const GgufFile> file_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

} // namespace

Expected<GgufModel> GgufModel::open(const std::string &path) {
  PLX_ASSIGN(auto file, GgufFile::open(path));
  return fromFile(std::move(file));
}

Expected<GgufModel> GgufModel::fromFile(std::shared_ptr<const GgufFile> file) {
  GgufModel model;
  PLX_ASSIGN(model.config, readGgufConfig(*file));
  PLX_RETURN_IF_ERROR(file->checkTensorTypes());
  PLX_ASSIGN(model.vocabulary, readGgufVocabulary(*file));
  if (static_cast<int64_t>(model.vocabulary.tokens.size()) >
      model.config["vocab_size"].get<int64_t>())
    return error(Code::Mismatch) << file->path() << ": " << model.vocabulary.tokens.size()
                                 << " tokens, but embeddings for "
                                 << model.config["vocab_size"].get<int64_t>();
  auto weights = std::make_shared<GgufWeights>(file);
  PLX_RETURN_IF_ERROR(weights->map(model.config));
  model.weights = std::move(weights);
  return model;
}

} // namespace plexus::frontends
