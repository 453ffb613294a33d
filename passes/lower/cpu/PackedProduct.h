//===- PackedProduct.h - products inside the forms of other ops -------------------------*- C++
//-*-===//
// y = x W^T with a packed weight, for ops that multiply more than once: experts, recurrent cells.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_PACKEDPRODUCT_H
#define PLEXUS_PASSES_LOWER_CPU_PACKEDPRODUCT_H

#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Product.h"

namespace plexus::compiler {

/// How activations enter a product, and why.
struct ComputeChoice {
  emit::ProductCompute compute;
  const char *why;
  bool manyPairs = false; ///< With many rows: pairs of bf16.
};

/// 8-bit activations where the weights have no more bits, bf16 where the ISA multiplies it; bf16
/// for many rows of a weight that has no more bits.
ComputeChoice chooseCompute(const PackedForm &form, const emit::Isa &isa, Compute wanted);

/// Products of generated code with a weight, or with equal parts of its rows.
class PackedProduct {
public:
  /// `weight` has a packed encoding and `parts` times the same number of rows, a multiple of 64
  /// where there is more than one part. `rows`: the largest number of rows of an x.
  PackedProduct(SegmentLowering &segment, mlir::Location loc, mlir::Value weight, mlir::Value rows,
                int64_t parts = 1);

  /// out = x W^T for `rows` rows of x [.., K] and out [.., N], N the rows of a part or less: the
  /// columns that `out` has. `part`: index, null where there is one.
  void emit(mlir::Value x, mlir::Value rows, mlir::Value out, mlir::Value part = {});

private:
  SegmentLowering &segment;
  mlir::Location loc;
  emit::ProductSpec spec;
  mlir::Value weight, scratch;
};

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_PACKEDPRODUCT_H
