// What a model is run on to be calibrated: windows of a text, or tensors of a file.
#pragma once

#include "runtime/program/Program.h"
#include "runtime/tensor/Tensor.h"

#include <string>
#include <vector>

namespace plexus::compiler {

/// One run: named inputs as Session::runNamed takes them.
struct Sample {
  std::vector<NamedTensor> inputs;
  std::vector<int32_t> targets; ///< Of a causal model's rows: the ids that follow. Else empty.
};

/// `path`: a .safetensors file, whose tensors are the inputs of one run, batched as they are; or a
/// text, of which at most `tokens` ids are used: for causal models in windows of `window` ids with
/// the model's first token before each, for others line by line, as the tokenizer delimits them.
/// `tokenizer` is serialized. InvalidArgument where the text has no token or no tokenizer is there.
Expected<std::vector<Sample>> readSamples(const std::string &path, const ModelInfo &info,
                                          const std::string &tokenizer, int64_t tokens,
                                          int64_t window = 256);

} // namespace plexus::compiler
