// Windows that slide over the spatial axes of maps: sizes of convolutions and pools.
#ifndef PLEXUS_DIALECTS_PLX_WINDOW_H
#define PLEXUS_DIALECTS_PLX_WINDOW_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace mlir::plx {

/// One spatial axis: `result` windows of `kernel` places, `dilation` apart, every `stride` places
/// of an input of `input`, with `begin` and `end` more places around it.
struct WindowAxis {
  int64_t input = 0, kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;

  /// Places from a window's first to its last, both included.
  int64_t span() const { return dilation * (kernel - 1) + 1; }
  int64_t padded() const { return begin + input + end; }
  /// Windows that fit.
  int64_t result() const { return padded() < span() ? 0 : (padded() - span()) / stride + 1; }
  bool isPlain() const { return stride == 1 && dilation == 1 && begin == 0 && end == 0; }
  bool isTrivial() const { return isPlain() && kernel == 1; }
};
using WindowAxes = llvm::SmallVector<WindowAxis, 3>;

/// The axes of a map with the spatial sizes `sizes`; lists that are absent have defaults. Nothing
/// where a list has another length.
std::optional<WindowAxes> windowAxes(llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> kernel,
                                     std::optional<llvm::ArrayRef<int64_t>> strides,
                                     std::optional<llvm::ArrayRef<int64_t>> dilations,
                                     std::optional<llvm::ArrayRef<int64_t>> begin,
                                     std::optional<llvm::ArrayRef<int64_t>> end);

/// Sizes of the blocks that `filters` filters are packed in: at most 8, nearly equal, the larger
/// ones first.
llvm::SmallVector<int64_t> filterBlocks(int64_t filters);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_WINDOW_H
