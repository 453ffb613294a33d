//===- FuseMapActivation.cpp - activations join the convolution before them
//--------------------===//
// An activation, or a square, that alone reads a convolution is computed on its sums in registers.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "passes/Report.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_FUSEMAPACTIVATION
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

/// The activation that the only reader of `conv` is, if it is one.
std::pair<Operation *, std::optional<plx::ActivationKind>> onlyReader(plx::ConvOp conv) {
  Operation *reader = nullptr;
  for (Operation *user : conv->getUsers()) {
    if (reader && user != reader)
      return {};
    reader = user;
  }
  if (auto activation = dyn_cast_or_null<plx::ActivationOp>(reader))
    return {reader, activation.getKind()};
  auto product = dyn_cast_or_null<plx::MulOp>(reader);
  if (product && product.getLhs() == product.getRhs())
    return {reader, plx::ActivationKind::Square};
  return {};
}

class FuseMapActivationPass
    : public plexus::compiler::impl::FuseMapActivationBase<FuseMapActivationPass> {
public:
  void runOnOperation() override {
    SmallVector<plx::ConvOp> convs;
    getOperation().walk([&](plx::ConvOp op) { convs.push_back(op); });
    for (plx::ConvOp conv : convs) {
      auto [reader, kind] = onlyReader(conv);
      if (!kind || conv.getActivation())
        continue;
      conv.setActivation(*kind);
      conv->setLoc(plexus::compiler::joinedLocation(
          conv.getLoc(), reader, "computed while the convolution's sums are in registers"));
      reader->getResult(0).replaceAllUsesWith(conv.getResult());
      reader->erase();
    }
  }
};

} // namespace
