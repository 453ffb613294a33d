#include "tests/unit/engine/ReferenceGpt2.h"

#include "runtime/io/Json.h"

#include <cmath>
#include <numbers>

namespace plexus::test {

ReferenceGpt2::ReferenceGpt2(const std::string &folder) {
  const auto config = readJsonFile(folder + "/config.json");
  auto file = SafetensorsFile::open(folder + "/model.safetensors");
  if (!config || !file)
    return; // vocabSize stays 0
  file_ = *file;
  layers_ = (*config)["n_layer"];
  heads_ = (*config)["n_head"];
  width_ = (*config)["n_embd"];
  epsilon_ = (*config)["layer_norm_epsilon"];
  vocabSize = (*config)["vocab_size"];
  context = (*config)["n_positions"];
}

const float *ReferenceGpt2::weight(const std::string &name) const {
  return reinterpret_cast<const float *>(file_->find("transformer." + name)->bytes);
}

std::vector<double> ReferenceGpt2::layerNorm(const std::vector<double> &x,
                                             const std::string &name) const {
  double mean = 0, variance = 0;
  for (const double v : x)
    mean += v / static_cast<double>(x.size());
  for (const double v : x)
    variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  const float *scale = weight(name + ".weight"), *shift = weight(name + ".bias");
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = (x[i] - mean) / std::sqrt(variance + epsilon_) * scale[i] + shift[i];
  return y;
}

std::vector<double> ReferenceGpt2::linear(const std::vector<double> &x, const std::string &name,
                                          int64_t out) const {
  const float *w = weight(name + ".weight"), *b = weight(name + ".bias");
  std::vector<double> y(b, b + out);
  for (size_t k = 0; k < x.size(); ++k)
    for (int64_t n = 0; n < out; ++n)
      y[static_cast<size_t>(n)] += x[k] * w[static_cast<int64_t>(k) * out + n];
  return y;
}

void ReferenceGpt2::attend(Rows &x, const std::string &layer) const {
  const int64_t headDim = width_ / heads_;
  Rows qkv;
  for (const auto &row : x)
    qkv.push_back(linear(layerNorm(row, layer + "ln_1"), layer + "attn.c_attn", 3 * width_));
  for (size_t t = 0; t < x.size(); ++t) {
    std::vector<double> mixed(static_cast<size_t>(width_));
    for (int64_t head = 0; head < heads_; ++head) {
      const auto at = [&](size_t row, int64_t part, int64_t i) {
        return qkv[row][static_cast<size_t>(part * width_ + head * headDim + i)];
      };
      std::vector<double> scores(t + 1);
      double sum = 0;
      for (size_t s = 0; s <= t; ++s) {
        double dot = 0;
        for (int64_t i = 0; i < headDim; ++i)
          dot += at(t, 0, i) * at(s, 1, i);
        sum += scores[s] = std::exp(dot / std::sqrt(static_cast<double>(headDim)));
      }
      for (size_t s = 0; s <= t; ++s)
        for (int64_t i = 0; i < headDim; ++i)
          mixed[static_cast<size_t>(head * headDim + i)] += scores[s] / sum * at(s, 2, i);
    }
    const auto projected = linear(mixed, layer + "attn.c_proj", width_);
    for (size_t i = 0; i < projected.size(); ++i)
      x[t][i] += projected[i];
  }
}

std::vector<float> ReferenceGpt2::logits(std::span<const int32_t> ids) const {
  const float *tokens = weight("wte.weight"), *positions = weight("wpe.weight");
  Rows x;
  for (size_t t = 0; t < ids.size(); ++t) {
    auto &row = x.emplace_back();
    for (int64_t i = 0; i < width_; ++i)
      row.push_back(tokens[ids[t] * width_ + i] + positions[static_cast<int64_t>(t) * width_ + i]);
  }
  for (int64_t l = 0; l < layers_; ++l) {
    const std::string layer = "h." + std::to_string(l) + ".";
    attend(x, layer);
    for (auto &row : x) {
      auto h = linear(layerNorm(row, layer + "ln_2"), layer + "mlp.c_fc", 4 * width_);
      for (double &v : h) // GELU by tanh (Hendrycks and Gimpel 2016)
        v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
      const auto out = linear(h, layer + "mlp.c_proj", width_);
      for (size_t i = 0; i < out.size(); ++i)
        row[i] += out[i];
    }
  }
  const auto last = layerNorm(x.back(), "ln_f");
  std::vector<float> logits(static_cast<size_t>(vocabSize));
  for (int64_t id = 0; id < vocabSize; ++id) {
    double dot = 0;
    for (int64_t i = 0; i < width_; ++i)
      dot += last[static_cast<size_t>(i)] * tokens[id * width_ + i];
    logits[static_cast<size_t>(id)] = static_cast<float>(dot);
  }
  return logits;
}

} // namespace plexus::test
