// A checkpoint of GPTQ or AWQ as a source of ordinary weights: `x.qweight`, `x.scales`, `x.qzeros`
// and `x.g_idx` read as one matrix `x.weight` [N, K], value for value.
#pragma once

#include "frontends/huggingface/QuantizationConfig.h"
#include "runtime/io/TensorSource.h"

#include <memory>

namespace plexus::frontends {

/// What is not quantized goes through as it is. Errors name the tensor: Mismatch for shapes and
/// types that do not belong together, Unsupported for columns in the order of activations (g_idx
/// that does not count up; GPTQ's desc_act).
Expected<std::shared_ptr<const TensorSource>>
openQuantizedCheckpoint(std::shared_ptr<const TensorSource> files,
                        const QuantizationConfig &config);

} // namespace plexus::frontends
