// Named tensors that lie in files: what the packer and the front ends read weights through,
// whatever the file format.
#pragma once

#include "runtime/io/BlockFormat.h"
#include "runtime/io/DType.h"
#include "runtime/io/MappedFile.h"
#include "runtime/io/PackedForm.h"
#include "runtime/support/Status.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

/// Reads a quantized matrix whose integers, scales and zeros lie in tensors of their own, as in
/// GPTQ and AWQ checkpoints. Good for several threads at once.
class QuantizedMatrix {
public:
  virtual ~QuantizedMatrix() = default;
  /// "GPTQ int4", for messages.
  virtual std::string_view name() const = 0;
  /// The packed form that holds every value exactly.
  virtual PackedForm form() const = 0;
  /// Columns [column, column + count) of a row as the form stores them, and the f16 scales and
  /// zeros of their groups (zeros only where the form has some); `column` begins a group.
  virtual void read(int64_t row, int64_t column, int64_t count, uint8_t *values, uint16_t *scales,
                    uint16_t *zeros) const = 0;
  /// Null where columns are stored as they count; otherwise K indices: what read() calls column i
  /// is column order()[i] of the matrix. Its tensor is then beside it: `x.weight` has the stored
  /// matrix as `x.weight.stored` and these indices as `x.weight.order`.
  virtual const int32_t *order() const { return nullptr; }
};

/// Names of the two parts of a matrix whose columns are stored in another order.
inline constexpr std::string_view kStoredSuffix = ".stored", kOrderSuffix = ".order";

/// A tensor's bytes where they lie, dense and row-major unless it says otherwise. Borrowed: good as
/// long as its TensorSource.
struct TensorView {
  /// Type of the stored elements; F32 for block formats, whose elements decode to that.
  DType dtype = DType::F32;
  /// Null for plain elements, otherwise how they are packed.
  const BlockFormat *block = nullptr;
  /// Null, or what reads the [N, K] matrix, which has no bytes of its own then.
  const QuantizedMatrix *matrix = nullptr;
  /// 0: rows (of the first dimension) are stored in order. Otherwise they come in groups of this
  /// many, stored interleaved: row i of a group's first half at 2i, of its second half at 2i + 1.
  /// That is how GGUF keeps the heads of rotary queries and keys.
  int64_t interleavedRows = 0;
  std::vector<int64_t> shape;       ///< Outermost dimension first; empty for a scalar.
  const uint8_t *bytes = nullptr;   ///< No alignment is promised.
  size_t size = 0;                  ///< Bytes.
  const MappedFile *file = nullptr; ///< The file that `bytes` lies in; null for memory.

  int64_t elements() const;
  /// Where row `row` of the first dimension is stored, counted in rows.
  int64_t storedRow(int64_t row) const;
  /// `bytes` are elements of `dtype` in the order of `shape`; otherwise only decodeElements reads
  /// it.
  bool isPlain() const { return !block && !matrix && interleavedRows == 0; }
  /// The packed form that holds every value of a quantized matrix exactly; nothing where its groups
  /// are not of neighbours (QuantizedMatrix::order).
  std::optional<PackedForm> quantizedForm() const;
  /// "BF16", "Q4_0".
  std::string_view encodingName() const {
    return matrix ? matrix->name() : block ? block->name : dtypeName(dtype);
  }
  /// Lets the pages of elements [first, first + count) go: they were read and are not needed soon.
  /// A hint; bytes that are needed after all are read again.
  void drop(int64_t first, int64_t count) const;
};

/// Decodes elements [first, first + count) in row-major order to f32, from any encoding. The range
/// may begin and end inside a block. InvalidArgument when it leaves the tensor.
Status decodeElements(const TensorView &view, int64_t first, int64_t count, float *out);

/// The product of the dimensions, or nothing when one is negative or the product passes `limit`.
std::optional<int64_t> checkedElements(const std::vector<int64_t> &shape, int64_t limit = int64_t(1)
                                                                                          << 46);

/// "[4096, 1024]".
std::string shapeToString(const std::vector<int64_t> &shape);

/// A set of named tensors. Immutable once opened, hence safe to share between threads.
class TensorSource {
public:
  virtual ~TensorSource() = default;
  /// All names, sorted.
  virtual const std::vector<std::string> &names() const = 0;
  /// Null when there is no such tensor. The pointer is good as long as the source.
  virtual const TensorView *find(std::string_view name) const = 0;
  /// The file or index that the tensors come from, for messages.
  virtual const std::string &path() const = 0;
  /// The files mapped, for hints and for cache keys (MappedFile::identity).
  virtual std::vector<std::shared_ptr<const MappedFile>> files() const = 0;
};

} // namespace plexus
