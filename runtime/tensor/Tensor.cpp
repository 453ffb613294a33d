#include "runtime/tensor/Tensor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace plexus {
namespace {

constexpr size_t alignment = 64; // A cache line, and the widest vector.

/// Copies the part of `from` below dimension `dim` to `to`, dense; returns the end of what it
/// wrote.
char *copyDense(const Tensor &from, size_t dim, const char *source, char *to) {
  size_t size = dtypeSize(from.dtype);
  if (dim == from.shape.size()) {
    std::memcpy(to, source, size);
    return to + size;
  }
  for (int64_t i = 0; i < from.shape[dim]; ++i)
    to = copyDense(from, dim + 1, source + i * from.strides[dim] * static_cast<int64_t>(size), to);
  return to;
}

} // namespace

int64_t Tensor::count() const {
  int64_t product = 1;
  for (int64_t dim : shape)
    product *= dim;
  return product;
}

size_t Tensor::bytes() const { return static_cast<size_t>(count()) * dtypeSize(dtype); }

bool Tensor::isDense() const {
  if (strides.empty() || count() == 0)
    return true;
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected)
      return false;
    expected *= shape[i];
  }
  return true;
}

TensorView Tensor::view() const {
  TensorView view;
  view.dtype = dtype;
  view.shape = shape;
  view.bytes = as<const uint8_t>();
  view.size = bytes();
  return view;
}

Expected<Tensor> Tensor::dense() const {
  if (isDense())
    return *this;
  PLX_ASSIGN(Tensor copy, zeros(dtype, shape));
  copyDense(*this, 0, as<const char>(), copy.as<char>());
  return copy;
}

Expected<Tensor> Tensor::zeros(DType dtype, std::vector<int64_t> shape) {
  std::optional<int64_t> elements = checkedElements(shape);
  size_t size = elements ? static_cast<size_t>(*elements) * dtypeSize(dtype) : 0;
  size_t rounded = (std::max<size_t>(size, 1) + alignment - 1) / alignment * alignment;
  void *memory = elements ? std::aligned_alloc(alignment, rounded) : nullptr;
  if (!memory)
    return error(Code::ResourceExhausted)
           << "no memory for a tensor " << shapeToString(shape) << " of " << dtypeName(dtype);
  std::memset(memory, 0, rounded);
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = std::shared_ptr<void>(memory, std::free);
  return tensor;
}

Tensor Tensor::borrow(DType dtype, std::vector<int64_t> shape, const void *bytes) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = std::shared_ptr<void>(std::shared_ptr<void>(), const_cast<void *>(bytes));
  tensor.readOnly = true;
  return tensor;
}

} // namespace plexus
