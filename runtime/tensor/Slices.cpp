#include "runtime/tensor/Slices.h"

#include <cstring>

namespace plexus {
namespace {

/// [begin, end) of an axis of `from`, copied to positions from `at` on of `to`.
void copyAlong(const Tensor &from, int64_t begin, int64_t end, const Tensor &to, int64_t at,
               size_t axis) {
  int64_t outer = 1;
  size_t inner = dtypeSize(from.dtype);
  for (size_t i = 0; i < axis; ++i)
    outer *= from.shape[i];
  for (size_t i = axis + 1; i < from.shape.size(); ++i)
    inner *= static_cast<size_t>(from.shape[i]);
  for (int64_t o = 0; o < outer && end > begin; ++o)
    std::memcpy(to.as<uint8_t>() + static_cast<size_t>(o * to.shape[axis] + at) * inner,
                from.as<uint8_t>() + static_cast<size_t>(o * from.shape[axis] + begin) * inner,
                static_cast<size_t>(end - begin) * inner);
}

} // namespace

Expected<Tensor> sliceAlong(const Tensor &from, size_t axis, int64_t begin, int64_t end) {
  std::vector<int64_t> shape = from.shape;
  shape[axis] = end - begin;
  PLX_ASSIGN(Tensor out, Tensor::zeros(from.dtype, shape));
  copyAlong(from, begin, end, out, 0, axis);
  return out;
}

Expected<Tensor> joinAlong(const Tensor &first, const Tensor &second, size_t axis) {
  std::vector<int64_t> shape = first.shape;
  shape[axis] += second.shape[axis];
  PLX_ASSIGN(Tensor out, Tensor::zeros(first.dtype, shape));
  copyAlong(first, 0, first.shape[axis], out, 0, axis);
  copyAlong(second, 0, second.shape[axis], out, first.shape[axis], axis);
  return out;
}

} // namespace plexus
