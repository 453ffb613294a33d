//===- LowerSegments.cpp - segments become functions over buffers -----------------------------===//
// Runs SegmentLowering over each segment of the module's models.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/Passes.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "llvm/ADT/StringSwitch.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_LOWERSEGMENTS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

class LowerSegmentsPass : public plexus::compiler::impl::LowerSegmentsBase<LowerSegmentsPass> {
public:
  using LowerSegmentsBase::LowerSegmentsBase;

  void runOnOperation() override {
    const plexus::emit::Isa *target = plexus::emit::findIsa(isa);
    CpuOptions options;
    if (!target || failed(parseOptions(options))) {
      emitError(getOperation().getLoc(), "unknown option of plx-lower-segments: isa=")
          << isa << " products=" << products << " compute=" << compute;
      return signalPassFailure();
    }
    for (auto model : llvm::to_vector(getOperation().getOps<plx::ModelOp>())) {
      OpBuilder builder(model);
      for (auto segment : model.getBody().getOps<plx::SegmentOp>())
        if (failed(SegmentLowering(segment, *target, options).run(builder)))
          return signalPassFailure();
      model.erase();
    }
  }

private:
  LogicalResult parseOptions(CpuOptions &options) {
    auto howProducts = llvm::StringSwitch<std::optional<Products>>(products)
                           .Case("auto", Products::Auto)
                           .Case("generated", Products::Generated)
                           .Case("onednn", Products::OneDnn)
                           .Default(std::nullopt);
    auto howCompute = llvm::StringSwitch<std::optional<Compute>>(compute)
                          .Case("auto", Compute::Auto)
                          .Case("f32", Compute::F32)
                          .Case("bf16", Compute::Bf16)
                          .Case("int8", Compute::Int8)
                          .Default(std::nullopt);
    if (!howProducts || !howCompute)
      return failure();
    options = {*howProducts, *howCompute};
    return success();
  }
};

} // namespace
