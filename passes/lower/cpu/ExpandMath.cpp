//===- ExpandMath.cpp - transcendental functions without calls --------------------------------===//
// Applies the emitters' math expansions to everything in a function.
//===----------------------------------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/Passes.h"
#include "passes/lower/cpu/emit/VectorMath.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_EXPANDMATH
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

namespace {

class ExpandMathPass : public plexus::compiler::impl::ExpandMathBase<ExpandMathPass> {
public:
  void runOnOperation() override {
    if (failed(plexus::emit::expandVectorMath(getOperation())))
      signalPassFailure();
  }
};

} // namespace
