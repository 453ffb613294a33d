// What the tests on whole models share: models opened once, in a cache of their own, and the
// references' numbers beside them.
#pragma once

#include "runtime/api/Generate.h"
#include "runtime/io/Json.h"
#include "runtime/tensor/Tensor.h"

#include <gtest/gtest.h>

namespace plexus::test {

/// A path below the root of the sources.
std::string sourcePath(const std::string &path);
/// A JSON file below the root of the sources. Aborts the test run where it cannot be read.
nlohmann::json readReference(const std::string &path);

/// Opens a model for computation in float32, once for the whole test run, through a cache that goes
/// when the tests end. Null, and a failure noted, where it does not open.
OpenedModelPtr openExact(const std::string &path, const std::string &weights = "source",
                         const std::string &kv = "auto");

/// The ids of output 0. A failure is noted where the generation has an error.
std::vector<int32_t> idsOf(const GenerationResult &result);
/// The counter of that name, 0 without.
int64_t counter(const GenerationResult &result, std::string_view name);

/// `count` ids behind the prompt; EOS does not stop it.
GenerateRequest greedyRequest(std::vector<int32_t> prompt, int64_t count);

/// The logits of all rows, [S, vocabulary].
Expected<Tensor> allLogits(const OpenedModel &model, std::span<const int32_t> ids);

/// exp of the mean of -log p over `ids`, cut into windows that are each fed alone as
/// [bos] + w[:-1]. Computed from the full logits, in double.
Expected<double> perplexity(const OpenedModel &model, int32_t bos, std::span<const int32_t> ids,
                            size_t window);

/// The ids of a file as one text, without special tokens.
std::vector<int32_t> fileIds(const OpenedModel &model, const std::string &path);

} // namespace plexus::test
