//===- ChooseScanForms.cpp - how linear recurrences are computed ------------------------------===//
// Gives each ssm.diagonal and ssm.dplr without one a form, by counts of operations.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/SsmOps.h"
#include "passes/Passes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_CHOOSESCANFORMS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

/// Vector operations of a token and 16 channels. Recurrent: 8 of arithmetic and 10 of memory a
/// mode. Convolution: a mode's part of the kernel (7, over the half of the transform's length, 1.5
/// times the sequence's on average), and three transforms of 3 rows a token, 3 for a stage of a
/// row.
constexpr double recurrentCost(double modes) { return 18 * modes; }
constexpr double convolutionCost(double modes, double stages) {
  return 1.5 * 7 * modes + 3 * 3 * 3 * stages;
}
/// Stages of the longest sequences that are thought of, 65536 tokens: shorter ones cost less.
constexpr double kStages = 17;

/// A step waits for the one before it, two multiply-adds of 4 cycles; that is hidden by other
/// vectors of channels, which the scan of chunks needs not have.
constexpr int64_t kScanChannels = 16;

/// Tokens that pay for roots, buffers and a second pass.
constexpr int64_t kShortest = 64;

ssm::Form cheapestForm(ssm::DiagonalOp op) {
  if (op.getState())
    return ssm::Form::Recurrent;
  auto modes = static_cast<double>(op.getReal().getType().getDimSize(0));
  if (op.getReadoutReal())
    return convolutionCost(modes, kStages) < recurrentCost(modes) ? ssm::Form::Convolution
                                                                  : ssm::Form::Recurrent;
  return op.getReal().getType().getDimSize(1) <= kScanChannels ? ssm::Form::Scan
                                                               : ssm::Form::Recurrent;
}

class ChooseScanFormsPass
    : public plexus::compiler::impl::ChooseScanFormsBase<ChooseScanFormsPass> {
  void runOnOperation() override {
    // Its kernel costs what the recurrence does.
    getOperation().walk([](ssm::DplrOp op) {
      if (!op.getForm())
        op.setForm(ssm::Form::Recurrent);
    });
    getOperation().walk([](ssm::DiagonalOp op) {
      if (op.getForm())
        return;
      ssm::Form form = cheapestForm(op);
      op.setForm(form);
      if (form != ssm::Form::Recurrent)
        op.setFormLength(kShortest);
    });
  }
};

} // namespace
