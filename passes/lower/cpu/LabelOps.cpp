//===- LabelOps.cpp - locations that say what an op is and moves ------------------------------===//
// Wraps the location of each op of a segment in one that carries its label (OpMarks.h): what it is
// lowered to inherits the location, so that MarkOps finds the label on machine-near code.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/attn/AttnOps.h"
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "passes/lower/cpu/OpMarks.h"
#include "passes/lower/cpu/SegmentArgs.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_LABELOPS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

class Labeller {
public:
  explicit Labeller(plx::SegmentOp segment) : segment(segment), b(segment.getContext()) {}

  void run() {
    for (Operation &op : segment.getBody().front().without_terminator())
      if (!isa<plx::ParamOp, plx::GetStateOp, plx::ReshapeOp, plx::ScalarOp, plx::TapOp>(op) &&
          !op.hasTrait<OpTrait::ConstantLike>())
        label(&op);
  }

private:
  void label(Operation *op) {
    SmallVector<int64_t> weights, reads, writes, multiplies, attends;
    for (Value operand : op->getOperands()) {
      if (auto param = operand.getDefiningOp<plx::ParamOp>())
        addWeight(op, param, weights, multiplies);
      else
        addValue(operand, reads);
    }
    for (Value result : op->getResults())
      addValue(result, writes);
    if (auto attention = dyn_cast<attn::AttentionOp>(op))
      addAttention(attention, attends);
    SmallVector<NamedAttribute> fields = {
        b.getNamedAttr(kLabelOp, b.getStringAttr(op->getName().getStringRef()))};
    for (auto [key, values] : {std::pair(kLabelWeights, &weights),
                               {kLabelReads, &reads},
                               {kLabelWrites, &writes},
                               {kLabelMultiplies, &multiplies},
                               {kLabelAttends, &attends}})
      if (!values->empty())
        fields.push_back(b.getNamedAttr(key, b.getDenseI64ArrayAttr(*values)));
    op->setLoc(FusedLoc::get(b.getContext(), op->getLoc(), b.getDictionaryAttr(fields)));
  }

  /// Weights are read whole, but for tables, of which each token reads a row.
  void addWeight(Operation *op, plx::ParamOp param, SmallVectorImpl<int64_t> &weights,
                 SmallVectorImpl<int64_t> &multiplies) {
    if (isa<plx::EmbeddingOp>(op))
      return;
    if (auto index = param->getAttrOfType<IntegerAttr>(kIndexAttr))
      weights.push_back(index.getInt());
    auto type = cast<RankedTensorType>(param.getType());
    if (isa<plx::LinearOp, plx::FusedLinearOp>(op) && type.getRank() == 2)
      multiplies.assign({symbolOf(op->getOperand(0)), type.getNumElements()});
  }

  void addAttention(attn::AttentionOp op, SmallVectorImpl<int64_t> &attends) {
    auto state = op.getState().getDefiningOp<plx::GetStateOp>();
    auto query = cast<RankedTensorType>(op.getQuery().getType());
    if (auto index = state ? state->getAttrOfType<IntegerAttr>(kIndexAttr) : IntegerAttr())
      attends.assign({index.getInt(), query.getDimSize(query.getRank() - 2)});
  }

  static int64_t symbolOf(Value value) {
    auto symbol = plx::sizeSymbol(value);
    StringRef name = symbol ? plx::stringify(*symbol) : "";
    return llvm::find(kSizeSymbols, name) - std::begin(kSizeSymbols);
  }

  /// Values that are other ones in another shape have those's number.
  Value root(Value value) {
    while (auto reshape = value.getDefiningOp<plx::ReshapeOp>())
      value = reshape.getInput();
    return value;
  }

  void addValue(Value value, SmallVectorImpl<int64_t> &to) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !type.getElementType().isIntOrFloat())
      return;
    int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8u);
    for (int64_t size : type.getShape())
      bytes *= ShapedType::isDynamic(size) ? 1 : size;
    int64_t number = numbers.try_emplace(root(value), numbers.size()).first->second;
    to.append({number, symbolOf(value), bytes});
  }

  plx::SegmentOp segment;
  Builder b;
  DenseMap<Value, int64_t> numbers;
};

class LabelOpsPass : public plexus::compiler::impl::LabelOpsBase<LabelOpsPass> {
public:
  void runOnOperation() override {
    getOperation().walk([](plx::SegmentOp segment) { Labeller(segment).run(); });
  }
};

} // namespace
