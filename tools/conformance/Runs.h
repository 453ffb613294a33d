// Running a pack's model on named tensors.
#pragma once

#include "runtime/api/OpenModel.h"
#include "runtime/exec/Session.h"

#include <vector>

namespace plexus::conformance {

/// In a session of its own, on the engine's thread, where all compute is.
Expected<std::vector<NamedTensor>> runNamed(const OpenedModel &model,
                                            const std::vector<NamedTensor> &inputs,
                                            const RunOptions &options);
/// The numbers of a tensor as f32.
Expected<std::vector<float>> floatsOf(const Tensor &tensor);

} // namespace plexus::conformance
