#include "runtime/tensor/DLPack.h"

#include <cstddef>

namespace plexus {
namespace {

static_assert(sizeof(dlpack::TensorRef) == 48 && offsetof(dlpack::TensorRef, shape) == 24);
static_assert(sizeof(dlpack::Managed) == 64);
static_assert(sizeof(dlpack::ManagedVersioned) == 80 &&
              offsetof(dlpack::ManagedVersioned, tensor) == 32);

constexpr int32_t cpuDevice = 1;
constexpr int32_t maxRank = 32;

struct Row {
  DType dtype;
  dlpack::DataType code;
};
constexpr Row rows[] = {
    {DType::F32, {2, 32, 1}}, {DType::F16, {2, 16, 1}},    {DType::BF16, {4, 16, 1}},
    {DType::F64, {2, 64, 1}}, {DType::I8, {0, 8, 1}},      {DType::U8, {1, 8, 1}},
    {DType::I16, {0, 16, 1}}, {DType::U16, {1, 16, 1}},    {DType::I32, {0, 32, 1}},
    {DType::U32, {1, 32, 1}}, {DType::I64, {0, 64, 1}},    {DType::U64, {1, 64, 1}},
    {DType::Bool, {6, 8, 1}}, {DType::F8E4M3, {10, 8, 1}}, {DType::F8E5M2, {12, 8, 1}},
};
static_assert(std::size(rows) == size_t(DType::F8E5M2) + 1);

/// What an exported tensor keeps alive: the bytes, and the arrays that the struct points to.
template <typename Managed>
struct Export {
  Managed managed{};
  Tensor tensor;
};

template <typename Managed>
Managed *exportAs(const Tensor &tensor) {
  auto *self = new Export<Managed>;
  self->tensor = tensor;
  if (self->tensor.strides.empty()) { // Version 1.2 of the ABI no longer lets them be null.
    self->tensor.strides.resize(tensor.shape.size());
    int64_t stride = 1;
    for (size_t i = tensor.shape.size(); i-- > 0; stride *= tensor.shape[i])
      self->tensor.strides[i] = stride;
  }
  self->managed.tensor = {tensor.data.get(),
                          {cpuDevice, 0},
                          static_cast<int32_t>(tensor.shape.size()),
                          rows[static_cast<size_t>(tensor.dtype)].code,
                          self->tensor.shape.data(),
                          self->tensor.strides.data(),
                          0};
  self->managed.context = self;
  self->managed.deleter = [](Managed *managed) {
    delete static_cast<Export<Managed> *>(managed->context);
  };
  return &self->managed;
}

/// Type, shape and strides of a foreign tensor, without its data.
Expected<Tensor> describe(const dlpack::TensorRef &ref) {
  if (ref.device.type != cpuDevice)
    return error(Code::Unsupported)
           << "DLPack tensor on device type " << ref.device.type << ": only the CPU (1) is read";
  if (ref.rank < 0 || ref.rank > maxRank || (ref.rank > 0 && !ref.shape))
    return error(Code::InvalidArgument) << "DLPack tensor with " << ref.rank << " dimensions";
  Tensor tensor;
  const Row *found = nullptr;
  for (const Row &row : rows)
    if (row.code.code == ref.dtype.code && row.code.bits == ref.dtype.bits && ref.dtype.lanes == 1)
      found = &row;
  if (!found)
    return error(Code::Unsupported)
           << "DLPack type code " << int(ref.dtype.code) << " of " << int(ref.dtype.bits)
           << " bits, " << ref.dtype.lanes << " lanes: not one that Plexus has";
  tensor.dtype = found->dtype;
  tensor.shape.assign(ref.shape, ref.shape + ref.rank);
  if (ref.strides)
    tensor.strides.assign(ref.strides, ref.strides + ref.rank);
  if (!checkedElements(tensor.shape))
    return error(Code::InvalidArgument) << "DLPack tensor of shape " << shapeToString(tensor.shape);
  if (tensor.count() > 0 && !ref.data)
    return error(Code::InvalidArgument) << "DLPack tensor without data";
  return tensor;
}

template <typename Managed>
Expected<Tensor> importFrom(Managed *managed) {
  PLX_ASSIGN(Tensor tensor, describe(managed->tensor));
  auto *first = static_cast<char *>(managed->tensor.data);
  tensor.data = std::shared_ptr<void>(first ? first + managed->tensor.byteOffset : nullptr,
                                      [managed](void *) {
                                        if (managed->deleter)
                                          managed->deleter(managed);
                                      });
  return tensor;
}

} // namespace

Expected<dlpack::Managed *> exportDlpack(const Tensor &tensor) {
  if (tensor.readOnly)
    return error(Code::InvalidArgument)
           << "a read-only tensor leaves by DLPack's versioned form only";
  return exportAs<dlpack::Managed>(tensor);
}

dlpack::ManagedVersioned *exportDlpackVersioned(const Tensor &tensor) {
  auto *managed = exportAs<dlpack::ManagedVersioned>(tensor);
  managed->major = dlpack::majorVersion;
  managed->minor = dlpack::minorVersion;
  managed->flags = tensor.readOnly ? dlpack::flagReadOnly : 0;
  return managed;
}

Expected<Tensor> importDlpack(dlpack::Managed *managed) { return importFrom(managed); }

Expected<Tensor> importDlpack(dlpack::ManagedVersioned *managed) {
  if (managed->major != dlpack::majorVersion)
    return error(Code::Mismatch) << "DLPack version " << managed->major << "." << managed->minor
                                 << ": version 1 is read";
  PLX_ASSIGN(Tensor tensor, importFrom(managed));
  tensor.readOnly = managed->flags & dlpack::flagReadOnly;
  return tensor;
}

} // namespace plexus
