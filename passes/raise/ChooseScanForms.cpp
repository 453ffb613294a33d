//===- ChooseScanForms.cpp - how linear recurrences are computed ------------------------------===//
// Gives each recurrence that has a choice and none made a form, by counts of operations.
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
  auto modes = static_cast<double>(op.getReal().getType().getDimSize(0));
  // Behind a convolution the state would have to be computed too, mode by mode: what it saves.
  if (op.getReadoutReal() && op.getState())
    return ssm::Form::Recurrent;
  if (op.getReadoutReal())
    return convolutionCost(modes, kStages) < recurrentCost(modes) ? ssm::Form::Convolution
                                                                  : ssm::Form::Recurrent;
  return op.getReal().getType().getDimSize(1) <= kScanChannels ? ssm::Form::Scan
                                                               : ssm::Form::Recurrent;
}

/// Tokens that pay for the products of a chunk's keys.
constexpr int64_t kShortestChunked = 16;

/// A recurrence over matrices of state.
struct MatrixState {
  double entries, width, headsOfKey;
  bool erase; ///< what the state has for a key is taken out before more is written
};

/// Cycles of a token and a vector of columns: two multiply-adds in each, measured on Zen 5. The
/// recurrence waits for what it loads and stores.
double recurrentCost(const MatrixState &of) { return (of.erase ? 3 : 1.85) * of.entries; }

/// In chunks: two or three products with the state, products within the chunk and what makes their
/// factors, and for all heads of a key its transposition and its products with the chunk's.
double chunkedCost(const MatrixState &of) {
  constexpr double kLanes = 16;
  double products = of.erase ? 2 : 1;
  double keys = (products + 1.3) * of.entries / of.headsOfKey;
  return 0.56 * (products + 1) * of.entries + 30 * products + keys * kLanes / of.width;
}

/// Gives `op` a form.
template <typename Op>
void chooseForMatrices(Op op, const MatrixState &state, bool reverse) {
  if (op.getForm())
    return;
  bool chunked = !reverse && chunkedCost(state) < recurrentCost(state);
  op.setForm(chunked ? ssm::Form::Chunked : ssm::Form::Recurrent);
  if (chunked)
    op.setFormLength(kShortestChunked);
}

class ChooseScanFormsPass
    : public plexus::compiler::impl::ChooseScanFormsBase<ChooseScanFormsPass> {
  void runOnOperation() override {
    // Its kernel costs what the recurrence does.
    getOperation().walk([](ssm::DplrOp op) {
      if (!op.getForm())
        op.setForm(ssm::Form::Recurrent);
    });
    getOperation().walk([](ssm::SsdOp op) {
      auto b = op.getB().getType(), input = op.getInput().getType();
      chooseForMatrices(op,
                        {double(b.getDimSize(2)), double(input.getDimSize(2)),
                         double(input.getDimSize(1)) / double(b.getDimSize(1)), false},
                        op.getReverse());
    });
    getOperation().walk([](ssm::DeltaRuleOp op) {
      auto key = op.getKey().getType(), value = op.getValue().getType();
      chooseForMatrices(op,
                        {double(key.getDimSize(2)), double(value.getDimSize(2)),
                         double(value.getDimSize(1)) / double(key.getDimSize(1)),
                         !op.getAccumulate()},
                        /*reverse=*/false);
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
