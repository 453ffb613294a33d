//===- ProbeProducts.cpp - taps on what products read -----------------------------------------===//
// Inserts the taps through which calibration sees the inputs of products.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "passes/raise/Taps.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_PROBEPRODUCTS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

class ProbeProductsPass : public plexus::compiler::impl::ProbeProductsBase<ProbeProductsPass> {
public:
  void runOnOperation() override {
    getOperation().walk([](Operation *product) {
      if (!isa<plx::LinearOp, plx::FusedLinearOp, plx::ConvOp>(product))
        return;
      auto weight = product->getOperand(1).getDefiningOp<plx::ParamOp>();
      if (!weight)
        return;
      OpBuilder builder(product);
      OpOperand &input = product->getOpOperand(0);
      auto tap = plx::TapOp::create(
          builder, product->getLoc(), input.get(),
          builder.getStringAttr(plexus::compiler::kProbePrefix + weight.getWeight()));
      input.set(tap.getResult());
    });
  }
};

} // namespace
