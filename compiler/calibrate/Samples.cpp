// Texts are encoded as `plexus perplexity` does it, so that its figures can be compared.
#include "compiler/calibrate/Samples.h"

#include "runtime/io/MappedFile.h"
#include "runtime/io/Safetensors.h"
#include "runtime/text/Tokenizer.h"

#include <algorithm>
#include <cstring>

namespace plexus::compiler {
namespace {

constexpr size_t kMostText = size_t(1) << 30;

Expected<NamedTensor> idsTensor(std::span<const int32_t> ids) {
  PLX_ASSIGN(Tensor tensor, Tensor::zeros(DType::I32, {1, static_cast<int64_t>(ids.size())}));
  std::memcpy(tensor.data.get(), ids.data(), ids.size_bytes());
  return NamedTensor{"input_ids", std::move(tensor)};
}

Expected<std::vector<Sample>> windows(const Tokenizer &tokenizer, const std::string &text,
                                      const ModelInfo &info, int64_t tokens, int64_t window) {
  EncodeOptions options;
  options.addSpecialTokens = false;
  PLX_ASSIGN(Encoding encoding, tokenizer.encode(text, options));
  std::vector<int32_t> ids(encoding.ids.begin(), encoding.ids.end());
  ids.resize(std::min<size_t>(ids.size(), static_cast<size_t>(tokens)));
  window = std::min(window, info.context);
  std::vector<Sample> samples;
  for (size_t at = 0; at < ids.size(); at += static_cast<size_t>(window)) {
    size_t count = std::min(static_cast<size_t>(window), ids.size() - at);
    // Without a first token, the window's own begins it and is no target.
    std::vector<int32_t> row;
    if (info.bos)
      row.push_back(*info.bos);
    row.insert(row.end(), ids.begin() + at, ids.begin() + at + count);
    if (row.size() < 2)
      continue;
    Sample sample;
    sample.targets.assign(row.begin() + 1, row.end());
    row.pop_back();
    PLX_ASSIGN(NamedTensor tensor, idsTensor(row));
    sample.inputs.push_back(std::move(tensor));
    samples.push_back(std::move(sample));
  }
  return samples;
}

Expected<std::vector<Sample>> lines(const Tokenizer &tokenizer, std::string_view text,
                                    const ModelInfo &info, int64_t tokens) {
  EncodeOptions options;
  TokenizerTruncation cut;
  cut.maxLength = static_cast<size_t>(info.context);
  options.truncation = cut;
  std::vector<Sample> samples;
  while (!text.empty() && tokens > 0) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    PLX_ASSIGN(Encoding encoding, tokenizer.encode(line, options));
    std::vector<int32_t> ids(encoding.ids.begin(), encoding.ids.end());
    tokens -= static_cast<int64_t>(ids.size());
    Sample sample;
    PLX_ASSIGN(NamedTensor tensor, idsTensor(ids));
    sample.inputs.push_back(std::move(tensor));
    samples.push_back(std::move(sample));
  }
  return samples;
}

Expected<std::vector<Sample>> tensors(const std::string &path) {
  PLX_ASSIGN(auto source, openSafetensors(path));
  Sample sample;
  for (const std::string &name : source->names()) {
    const TensorView *view = source->find(name);
    PLX_ASSIGN(Tensor tensor, Tensor::zeros(view->dtype, view->shape));
    std::memcpy(tensor.data.get(), view->bytes, view->size);
    sample.inputs.push_back({name, std::move(tensor)});
  }
  return std::vector<Sample>{std::move(sample)};
}

} // namespace

Expected<std::vector<Sample>> readSamples(const std::string &path, const ModelInfo &info,
                                          const std::string &tokenizer, int64_t tokens,
                                          int64_t window) {
  if (path.ends_with(".safetensors"))
    return tensors(path);
  if (tokenizer.empty())
    return error(Code::InvalidArgument)
           << path << ": the model has no tokenizer for a text; calibrate on a .safetensors file";
  PLX_ASSIGN(std::string text, readTextFile(path, kMostText));
  PLX_ASSIGN(auto reader, Tokenizer::fromSerialized(tokenizer));
  auto samples = info.task == "causal-lm" ? windows(*reader, text, info, tokens, window)
                                          : lines(*reader, text, info, tokens);
  if (samples && samples->empty())
    return error(Code::InvalidArgument) << path << ": the text has too few tokens";
  return samples;
}

} // namespace plexus::compiler
