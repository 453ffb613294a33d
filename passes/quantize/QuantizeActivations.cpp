//===- QuantizeActivations.cpp - fixed ranges for what products read --------------------------===//
// Gives products and convolutions whose inputs were measured the ranges, as weights.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "passes/quantize/FormRules.h"
#include "passes/quantize/RangeNames.h"

#include "llvm/ADT/StringSet.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

constexpr int64_t kQuad = 4;

/// The axis of a kernel behind the filters along which quads of bytes lie: the one that the fewest
/// zeros fill up; channels before others, whose quads overlap.
int64_t quadAxisOf(ArrayRef<int64_t> kernel) {
  int64_t best = 1;
  auto waste = [&](int64_t axis) {
    return static_cast<double>(llvm::alignTo(kernel[axis], kQuad)) /
           static_cast<double>(kernel[axis]);
  };
  for (int64_t axis = 2; axis < static_cast<int64_t>(kernel.size()); ++axis)
    if (waste(axis) < waste(best))
      best = axis;
  return best;
}

/// The recipe `of` of a weight `kernel` as the matrix that plx.quantized_conv reads.
Attribute quads(Attribute of, ArrayRef<int64_t> kernel, int64_t axis) {
  MLIRContext *context = of.getContext();
  int64_t rank = kernel.size(), missing = llvm::alignTo(kernel[axis], kQuad) - kernel[axis];
  SmallVector<int64_t> order, shape;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      order.push_back(i);
  order.push_back(axis);
  if (axis != rank - 1)
    of = plx::TransposeRecipeAttr::get(context, order, of);
  int64_t others = ShapedType::getNumElements(kernel.drop_front()) / kernel[axis];
  shape = {kernel[0], others, kernel[axis]};
  of = plx::ReshapeRecipeAttr::get(context, shape, of);
  if (missing > 0) {
    Attribute entry = plx::SliceRecipeAttr::get(context, 2, 0, 1, of);
    Attribute zero =
        plx::ScaleRecipeAttr::get(context, Builder(context).getF64FloatAttr(0.0), entry);
    SmallVector<Attribute> parts{of};
    parts.append(missing, zero);
    of = plx::ConcatAttr::get(context, 2, parts);
  }
  return plx::ReshapeRecipeAttr::get(context, {kernel[0], others * (kernel[axis] + missing)}, of);
}

class QuantizeActivationsPass
    : public plexus::compiler::impl::QuantizeActivationsBase<QuantizeActivationsPass> {
public:
  using QuantizeActivationsBase::QuantizeActivationsBase;

  void runOnOperation() override {
    auto read = FormRules::read(keep);
    if (!read) {
      emitError(getOperation().getLoc(), "keep: ") << llvm::toString(read.takeError());
      return signalPassFailure();
    }
    rules = std::move(*read);
    for (const std::string &name : measured)
      names.insert(name);
    for (auto model : getOperation().getOps<plx::ModelOp>())
      run(model);
  }

private:
  void run(plx::ModelOp model) {
    SymbolTable symbols(model);
    SmallVector<Operation *> readers;
    model.walk([&](Operation *op) {
      if (isa<plx::FusedLinearOp, plx::ConvOp>(op))
        readers.push_back(op);
    });
    for (Operation *op : readers) {
      auto param = op->getOperand(1).getDefiningOp<plx::ParamOp>();
      auto weight = param ? symbols.lookup<plx::WeightOp>(param.getWeight()) : plx::WeightOp();
      if (!weight || !names.contains(nameOfAllLayers(weight.getSymName())))
        continue;
      if (auto product = dyn_cast<plx::FusedLinearOp>(op))
        quantize(symbols, product, weight);
      else if (wantsBytes(weight))
        quantize(symbols, cast<plx::ConvOp>(op), weight);
    }
    eraseUnread(model, symbols);
  }

  void quantize(SymbolTable &symbols, plx::FusedLinearOp product, plx::WeightOp weight) {
    plx::PackedAttr packed = plx::getPacked(weight.getType());
    if (!packed || !packed.getForm().isInteger())
      return;
    OpBuilder builder(product);
    Value range = rangeOf(builder, symbols, product, weight, /*isSymmetric=*/true);
    OpOperand &input = product->getOpOperand(0);
    input.set(plx::FakeQuantizeOp::create(builder, product.getLoc(), input.get().getType(),
                                          input.get(), range));
  }

  /// Whether the weight of a convolution is to be stored as integers of 8 bits.
  bool wantsBytes(plx::WeightOp weight) {
    if (weight.getWeightType().getEncoding() || weight.getWeightType().getRank() < 3)
      return false;
    FormRule *rule = rules.find(weight);
    auto form = plexus::PackedForm::parse(rule ? rule->form : StringRef(weights.getValue()));
    return form && form->isInteger() && form->info().bits == 8;
  }

  void quantize(SymbolTable &symbols, plx::ConvOp conv, plx::WeightOp weight) {
    if (conv.getBlocked() || !conv.getType().getElementType().isF32() || conv.getAxes().size() > 2)
      return;
    SmallVector<int64_t> kernel = conv.getKernelShape();
    int64_t axis = quadAxisOf(kernel);
    plx::WeightOp bytes = bytesOf(symbols, weight, kernel, axis);
    if (!bytes)
      return;
    OpBuilder builder(conv);
    Value range = rangeOf(builder, symbols, conv, weight, /*isSymmetric=*/false);
    Value matrix = plx::ParamOp::create(builder, conv.getLoc(), bytes);
    auto quantized = plx::QuantizedConvOp::create(
        builder, conv.getLoc(), conv.getType(), conv.getInput(), matrix, range, conv.getBias(),
        builder.getDenseI64ArrayAttr(kernel), builder.getI64IntegerAttr(axis),
        conv.getStridesAttr(), conv.getDilationsAttr(), conv.getPadsBeginAttr(),
        conv.getPadsEndAttr(), conv.getGroupsAttr(), conv.getActivationAttr());
    conv.getResult().replaceAllUsesWith(quantized.getResult());
    auto param = conv.getWeight().getDefiningOp<plx::ParamOp>();
    conv.erase();
    if (param->use_empty())
      param.erase();
  }

  /// The weight of a convolution as bytes, declared once; null where its recipe is not known.
  plx::WeightOp bytesOf(SymbolTable &symbols, plx::WeightOp weight, ArrayRef<int64_t> kernel,
                        int64_t axis) {
    std::string name = "int8." + weight.getSymName().str();
    if (auto made = symbols.lookup<plx::WeightOp>(name))
      return made;
    ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
    if (failed(plx::inferNestedRecipe(weight.getRecipe(), {},
                                      [&] { return mlir::emitError(weight.getLoc()); })))
      return {};
    OpBuilder builder(weight);
    plexus::PackedForm form{plexus::PackedValues::Q8, plexus::PackedZeros::None, 0};
    auto packed = plx::PackedAttr::get(&getContext(), form);
    int64_t depth = ShapedType::getNumElements(kernel.drop_front()) / kernel[axis] *
                    llvm::alignTo(kernel[axis], kQuad);
    auto type = RankedTensorType::get({kernel[0], depth}, packed.getStorage(), packed);
    auto made = plx::WeightOp::create(builder, weight.getLoc(), name, type,
                                      quads(weight.getRecipe(), kernel, axis));
    noteStorage(made, "8 bits, a scale for each filter of a convolution");
    symbols.insert(made);
    return made;
  }

  /// The range of what `weight` is multiplied with, read before `op`.
  Value rangeOf(OpBuilder &builder, SymbolTable &symbols, Operation *op, plx::WeightOp weight,
                bool isSymmetric) {
    StringRef base = nameOfAllLayers(weight.getSymName());
    std::string name = ("range." + base).str();
    auto range = symbols.lookup<plx::WeightOp>(name);
    if (!range) {
      OpBuilder before(weight);
      auto type = RankedTensorType::get({2}, builder.getF32Type());
      std::string source = rangeName(base.str(), isSymmetric, weight.isPerLayer() ? "{layer}" : "");
      range = plx::WeightOp::create(before, weight.getLoc(), name, type,
                                    plx::SourceAttr::get(&getContext(), source));
      symbols.insert(range);
    }
    return plx::ParamOp::create(builder, op->getLoc(), range);
  }

  /// Weights of convolutions that are read as bytes alone.
  static void eraseUnread(plx::ModelOp model, SymbolTable &symbols) {
    llvm::SmallPtrSet<Attribute, 16> read;
    model.walk([&](plx::ParamOp op) { read.insert(op.getWeightAttr().getAttr()); });
    for (auto weight : llvm::to_vector(model.getOps<plx::WeightOp>())) {
      std::string bytes = "int8." + weight.getSymName().str();
      if (!read.contains(weight.getSymNameAttr()) && symbols.lookup(bytes))
        symbols.erase(weight);
    }
  }

  llvm::StringSet<> names;
  FormRules rules;
};

} // namespace
