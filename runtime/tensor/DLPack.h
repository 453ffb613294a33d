// Tensors in and out by DLPack, without copies: https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once

#include "runtime/tensor/Tensor.h"

namespace plexus {

/// The structs of DLPack's C ABI, field by field; their names are ours, so that a program may
/// include the original header too and cast.
namespace dlpack {

struct Device {
  int32_t type; ///< 1: CPU.
  int32_t id;
};

struct DataType {
  uint8_t code; ///< 0 int, 1 uint, 2 float, 4 bfloat, 6 bool, 10 f8 e4m3fn, 12 f8 e5m2.
  uint8_t bits;
  uint16_t lanes;
};

struct TensorRef {
  void *data;
  Device device;
  int32_t rank;
  DataType dtype;
  int64_t *shape;
  int64_t *strides; ///< In elements; null: dense, row-major.
  uint64_t byteOffset;
};

/// DLManagedTensor.
struct Managed {
  TensorRef tensor;
  void *context;
  void (*deleter)(Managed *self); ///< May be null.
};

/// DLManagedTensorVersioned.
struct ManagedVersioned {
  uint32_t major, minor;
  void *context;
  void (*deleter)(ManagedVersioned *self); ///< May be null.
  uint64_t flags;
  TensorRef tensor;
};

constexpr uint64_t flagReadOnly = 1;
constexpr uint32_t majorVersion = 1, minorVersion = 1;

} // namespace dlpack

/// The tensor as DLPack; the receiver calls its deleter. A read-only tensor cannot be said in this
/// form: InvalidArgument, use exportDlpackVersioned.
Expected<dlpack::Managed *> exportDlpack(const Tensor &tensor);
dlpack::ManagedVersioned *exportDlpackVersioned(const Tensor &tensor);

/// Takes `managed` over: its deleter runs when the last copy of the tensor goes. On an error the
/// caller keeps it. Unsupported: devices other than the CPU, types that Plexus has not.
Expected<Tensor> importDlpack(dlpack::Managed *managed);
Expected<Tensor> importDlpack(dlpack::ManagedVersioned *managed);

} // namespace plexus
