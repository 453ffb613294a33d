//===- OpMarks.h - what profiling code says about the op that begins --------------------*- C++
//-*-===//
// The label of an op, as LabelOps leaves it in locations and MarkOps finds it there.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_OPMARKS_H
#define PLEXUS_PASSES_LOWER_CPU_OPMARKS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"

namespace plexus::compiler {

/// Keys of the dictionary that a label's FusedLoc carries.
inline constexpr llvm::StringLiteral kLabelOp = "plexus.op";    ///< "plx.linear"
inline constexpr llvm::StringLiteral kLabelWeights = "weights"; ///< i64s: the segment's tables
/// i64s, three a tensor: number of the value, size symbol (an index of kSizeSymbols, 3: none),
/// bytes of a row.
inline constexpr llvm::StringLiteral kLabelReads = "reads", kLabelWrites = "writes";
/// i64s: size symbol, multiplications of a row.
inline constexpr llvm::StringLiteral kLabelMultiplies = "multiplies";
/// i64s: the segment's state, heads that attend to it.
inline constexpr llvm::StringLiteral kLabelAttends = "attends";

/// The label that `location` carries itself, or null.
inline mlir::DictionaryAttr labelOf(mlir::Location location) {
  auto fused = llvm::dyn_cast<mlir::FusedLoc>(location);
  auto metadata =
      fused ? llvm::dyn_cast_or_null<mlir::DictionaryAttr>(fused.getMetadata()) : nullptr;
  return metadata && metadata.contains(kLabelOp) ? metadata : mlir::DictionaryAttr();
}

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_OPMARKS_H
