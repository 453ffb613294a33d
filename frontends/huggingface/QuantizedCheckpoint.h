// A checkpoint of GPTQ or AWQ as a source of ordinary weights: `x.qweight`, `x.scales`, `x.qzeros`
// and `x.g_idx` read as one matrix `x.weight` [N, K], value for value.
#pragma once

#include "frontends/huggingface/QuantizationConfig.h"
#include "runtime/io/TensorSource.h"

#include <memory>

namespace plexus::frontends {

/// What is not quantized goes through as it is. Columns in the order of activations (GPTQ's
/// desc_act: a g_idx that does not count up) are sorted by group: QuantizedMatrix::order. Errors
/// name the tensor: Mismatch for shapes and types that do not belong together, and for a g_idx
/// whose groups are not of the config's size.
Expected<std::shared_ptr<const TensorSource>>
openQuantizedCheckpoint(std::shared_ptr<const TensorSource> files,
                        const QuantizationConfig &config);

} // namespace plexus::frontends
