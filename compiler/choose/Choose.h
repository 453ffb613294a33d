// Which form each weight gets, where callers ask for a size or a class of forms.
#pragma once

#include "compiler/Compile.h"

#include <cstdint>

namespace plexus::compiler {

/// Gives each weight of a product, in bands of layers that suffer alike, the form that makes the
/// artifact about `bytes` long and not longer: CompileOptions::model.chosen. Exceptions
/// (model.keep) are kept. With a calibration, errors weigh as much as inputs are large.
/// InvalidArgument says the smallest size where `bytes` is less.
Status chooseForSize(const ModelSource &source, CompileOptions &options, uint64_t bytes);

/// For `--weights q4`, without a group: weights that minima (q4m) bring at least half of the square
/// error off have them, since half a bit more for each value is worth that much.
Status chooseMinima(const ModelSource &source, CompileOptions &options);

} // namespace plexus::compiler
