// Pieces of tensors along one axis.
#pragma once

#include "runtime/tensor/Tensor.h"

namespace plexus {

/// Positions [begin, end) of an axis of a dense tensor, copied. The range lies in the axis.
Expected<Tensor> sliceAlong(const Tensor &from, size_t axis, int64_t begin, int64_t end);
/// Two dense tensors of one type that differ along the axis at most, one behind the other.
Expected<Tensor> joinAlong(const Tensor &first, const Tensor &second, size_t axis);

} // namespace plexus
