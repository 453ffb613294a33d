// Tensors in host memory: what goes into and comes out of a run, without copies at the boundary.
#pragma once

#include "runtime/io/TensorSource.h"
#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace plexus {

enum class Device : uint8_t { Cpu = 0 };

/// Elements of one type at `data`, laid out by `strides`. Copies share the bytes; the last one
/// frees them (or lets go of what they were borrowed from).
struct Tensor {
  DType dtype{};
  std::vector<int64_t> shape;   ///< Outermost first; empty for a scalar.
  std::vector<int64_t> strides; ///< In elements, one a dimension; empty: dense, row-major.
  std::shared_ptr<void> data;   ///< First element; the pointer's deleter ends the ownership.
  Device device = Device::Cpu;
  bool readOnly = false; ///< The owner forbids writing.

  /// Elements: the product of the shape, 1 for a scalar.
  int64_t count() const;
  /// Bytes of the elements, without gaps.
  size_t bytes() const;
  /// Dense and row-major, whether strides are given or not.
  bool isDense() const;
  template <typename T>
  T *as() const {
    return static_cast<T *>(data.get());
  }
  /// For dense tensors: the bytes as a view, good as long as `data`.
  TensorView view() const;
  /// This tensor when it is dense, otherwise a dense copy.
  Expected<Tensor> dense() const;

  /// Zeroed, 64-byte aligned. ResourceExhausted when the shape is negative or its bytes overflow or
  /// cannot be had.
  static Expected<Tensor> zeros(DType dtype, std::vector<int64_t> shape);
  /// Dense bytes that outlive every copy of the tensor; read-only.
  static Tensor borrow(DType dtype, std::vector<int64_t> shape, const void *bytes);
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

} // namespace plexus
