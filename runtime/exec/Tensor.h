// Named dense tensors: what goes into and comes out of a run from outside.
#pragma once

#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace plexus {

enum class DType : uint8_t; // runtime/io/DType.h

/// A dense row-major tensor in host memory, 64-byte aligned when made here. Copies share the bytes.
struct Tensor {
  DType dtype{};
  std::vector<int64_t> shape;
  std::shared_ptr<void> data;

  /// Elements: the product of the shape, 1 for a scalar.
  int64_t count() const;
  size_t bytes() const;
  template <typename T>
  T *as() const {
    return static_cast<T *>(data.get());
  }
  /// Zeroed. ResourceExhausted when the shape is negative or its bytes overflow or cannot be had.
  static Expected<Tensor> zeros(DType dtype, std::vector<int64_t> shape);
  /// A view of bytes that outlive every copy of it.
  static Tensor borrow(DType dtype, std::vector<int64_t> shape, const void *bytes);
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

} // namespace plexus
