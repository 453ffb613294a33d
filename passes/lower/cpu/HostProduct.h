//===- HostProduct.h - products that the host computes ----------------------------------*- C++
//-*-===//
// Products of many rows through plx_host::matmul (oneDNN), some columns at a time.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_HOSTPRODUCT_H
#define PLEXUS_PASSES_LOWER_CPU_HOSTPRODUCT_H

#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Panel.h"
#include "passes/lower/cpu/emit/Product.h"

namespace plexus::compiler {

/// A product that runs as a loop over panels of its columns: their blocks are decoded where the
/// weight is quantized, the host multiplies into sums that stay in cache, and the epilogue takes
/// them up. The host's fast code wants both matrices without gaps between rows (measured: oneDNN
/// 3.2 falls to its reference code with a stride), which a panel's own sums have.
class HostProduct {
public:
  /// `pairs`: both sides are bf16, otherwise f32.
  HostProduct(const emit::ProductSpec &spec, bool pairs);

  /// What the weight is decoded to; nothing where the host reads the weight itself.
  const std::optional<emit::PanelSpec> &panel() const { return decoded; }

  /// Buffers of the segment for the product; once, in front of `emit`.
  void allocate(SegmentLowering &segment, mlir::Location loc, mlir::Value rows);
  /// Emits it: x [rows, k] f32 without gaps between rows, `weight` memref<?xi8>.
  void emit(SegmentLowering &segment, mlir::OpBuilder &builder, mlir::Location loc,
            const emit::ProductOperands &operands, const emit::ProductEpilogue &epilogue) const;

private:
  struct Call;
  /// k that the host sees: rounded rows end in zeros, as the blocks do.
  int64_t depth() const;
  void emitCall(SegmentLowering &segment, const emit::Code &code, const Call &call) const;

  emit::ProductSpec spec;
  bool pairs;
  int64_t blocks; ///< of 64 columns, in a panel
  std::optional<emit::PanelSpec> decoded;
  mlir::Value sums, weights, rounded;
};

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_HOSTPRODUCT_H
