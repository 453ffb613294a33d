// A llama-architecture GGUF file seen as a Hugging Face model: config, weights under the names of
// transformers, and the embedded vocabulary.
#pragma once

#include "frontends/gguf/GgufFile.h"
#include "runtime/text/GgufVocabulary.h"

#include <nlohmann/json.hpp>

namespace plexus::frontends {

struct GgufModel {
  /// Equivalent config.json of model_type "llama", in the dialect of transformers 5. Frequencies
  /// that the file gives as divisors (tensor rope_freqs.weight) are
  /// `rope_parameters.frequency_factors`, [headDim / 2].
  nlohmann::json config;
  /// The tensors by transformers' names. Queries and keys, which the file keeps in the order of
  /// interleaved rope, carry TensorView::interleavedRows, so that decodeElements gives them in
  /// transformers' order.
  std::shared_ptr<const TensorSource> weights;
  GgufVocabulary vocabulary;

  /// Unsupported, by name: other architectures, tensor types, tensors and metadata that change the
  /// mathematics and are not understood.
  static Expected<GgufModel> open(const std::string &path);
  static Expected<GgufModel> fromFile(std::shared_ptr<const GgufFile> file);
};

/// Metadata `tokenizer.*` alone. It needs no tensor, so that vocabularies of any architecture and
/// quantization can be read. Unsupported: keys that change tokenization and are not understood.
Expected<GgufVocabulary> readGgufVocabulary(const GgufFile &file);

/// The config alone.
Expected<nlohmann::json> readGgufConfig(const GgufFile &file);

} // namespace plexus::frontends
