//===- AssignEncodings.cpp - how each weight is stored ----------------------------------------===//
// Gives matrices of products a packed encoding and vectors the type f32.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Packed.h"
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "passes/quantize/FormRules.h"
#include "runtime/io/PackedForm.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_ASSIGNENCODINGS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using namespace plexus::compiler;

namespace {

/// Whether the op of `use` multiplies by it.
bool isProductWeight(OpOperand &use) {
  auto product = dyn_cast<plx::ProductWeightsOpInterface>(use.getOwner());
  return product && llvm::is_contained(product.getProductWeights(), use.getOperandNumber());
}

/// Whether `param` is a weight operand of a product.
bool isWeightOfProduct(plx::ParamOp param) {
  return llvm::any_of(param->getUses(), isProductWeight);
}

/// Whether `param` is the table of an embedding.
bool isTable(plx::ParamOp param) {
  return llvm::any_of(param->getUses(),
                      [](OpOperand &use) { return isa<plx::EmbeddingOp>(use.getOwner()); });
}

/// The product that a segment's result comes out of, through ops of one row each; null if none.
plx::ParamOp lastProductWeight(Value value) {
  while (Operation *op = value ? value.getDefiningOp() : nullptr) {
    if (isa<plx::LinearOp, plx::FusedLinearOp>(op))
      return op->getOperand(1).getDefiningOp<plx::ParamOp>();
    if (op->getNumOperands() == 0)
      break;
    value = op->getOperand(0);
  }
  return {};
}

/// Names of the weights whose products give the logits.
llvm::DenseSet<StringAttr> headWeights(plx::ModelOp model) {
  llvm::DenseSet<StringAttr> heads;
  for (auto schedule : model.getBody().getOps<plx::ScheduleOp>()) {
    auto outputs = cast<plx::OutputsOp>(schedule.getBody().front().getTerminator());
    for (auto [name, value] : llvm::zip_equal(outputs.getNames(), outputs.getValues())) {
      auto run = value.getDefiningOp<plx::RunOp>();
      if (cast<StringAttr>(name).getValue() != "logits" || !run)
        continue;
      auto segment = model.lookupSymbol<plx::SegmentOp>(run.getSegment());
      if (!segment)
        continue;
      Operation *result = segment.getBody().front().getTerminator();
      plx::ParamOp head =
          lastProductWeight(result->getOperand(cast<OpResult>(value).getResultNumber()));
      if (head)
        heads.insert(head.getWeightAttr().getAttr());
    }
  }
  return heads;
}

/// Whether all users of `param` can read a packed weight.
bool allAcceptPacked(plx::ParamOp param) {
  return llvm::all_of(param->getUses(), [](OpOperand &use) {
    return isProductWeight(use) || isa<plx::EmbeddingOp>(use.getOwner());
  });
}

class AssignEncodingsPass
    : public plexus::compiler::impl::AssignEncodingsBase<AssignEncodingsPass> {
public:
  using AssignEncodingsBase::AssignEncodingsBase;

  void runOnOperation() override {
    if (failed(readRules()))
      return signalPassFailure();
    for (auto model : getOperation().getOps<plx::ModelOp>())
      if (failed(assign(model)))
        return signalPassFailure();
  }

private:
  LogicalResult readRules() {
    auto read = [&](const std::string &text, FormRules &rules) -> LogicalResult {
      auto got = FormRules::read(text);
      if (!got)
        return emitError(getOperation().getLoc(), "keep: ") << llvm::toString(got.takeError());
      rules = std::move(*got);
      return success();
    };
    return failed(read(keep, rules)) ? failure() : read(chosen, choices);
  }

  LogicalResult assign(plx::ModelOp model) {
    llvm::MapVector<StringAttr, SmallVector<plx::ParamOp>> params;
    model.walk([&](plx::ParamOp op) { params[op.getWeightAttr().getAttr()].push_back(op); });
    heads = headWeights(model);
    for (auto weight : model.getBody().getOps<plx::WeightOp>()) {
      ArrayRef<plx::ParamOp> users = params[weight.getSymNameAttr()];
      RankedTensorType type = weight.getWeightType();
      if (type.getEncoding())
        continue;
      FailureOr<RankedTensorType> stored = storedType(weight, type, users);
      if (failed(stored))
        return failure();
      weight.setType(*stored);
      for (plx::ParamOp user : users)
        user.getResult().setType(*stored);
    }
    for (auto weight : model.getBody().getOps<plx::WeightOp>())
      weight->removeAttr(kLayersAttr);
    for (const FormRule &rule : rules.rules)
      if (!rule.used)
        return emitError(model.getLoc(), "keep: no weight of a product matches '")
               << rule.text << "'";
    return success();
  }

  FailureOr<RankedTensorType> storedType(plx::WeightOp weight, RankedTensorType type,
                                         ArrayRef<plx::ParamOp> users) {
    Builder b(&getContext());
    bool product = llvm::any_of(users, isWeightOfProduct);
    if (product && type.getRank() == 2 && llvm::all_of(users, allAcceptPacked)) {
      bool keepsEight = heads.contains(weight.getSymNameAttr()) || llvm::any_of(users, isTable);
      FailureOr<Stored> stored = packedForm(weight, type.getElementType(), keepsEight);
      if (failed(stored))
        return failure();
      if (auto layers = weight->getAttrOfType<DenseI64ArrayAttr>(kLayersAttr))
        stored->why += ", layers " + LayerSet::of(layers.asArrayRef()).spelling();
      plexus::compiler::noteStorage(weight, stored->why);
      auto packed = plx::PackedAttr::get(&getContext(), stored->form);
      return RankedTensorType::get(type.getShape(), packed.getStorage(), packed);
    }
    // plx-quantize-activations reads the rules of convolutions.
    if (FormRule *rule = type.getRank() > 2 ? rules.find(weight) : nullptr)
      rule->used = true;
    if (type.getRank() == 1)
      return RankedTensorType::get(type.getShape(), b.getF32Type());
    return type;
  }

  struct Stored {
    plexus::PackedForm form;
    std::string why;
  };

  /// `isHead`: the weight gives logits, or is an embedding's table too.
  FailureOr<Stored> packedForm(plx::WeightOp weight, Type source, bool isHead) {
    std::optional<plexus::PackedForm> kept = plx::keptForm(weight.getRecipe());
    FormRule *rule = rules.find(weight);
    bool isChoice = !rule;
    if (!rule)
      rule = choices.find(weight);
    else
      rule->used = true;
    StringRef wanted = rule ? rule->form : StringRef(weights.getValue());
    if (wanted == "source" && kept)
      return Stored{*kept, "blocks of the file, kept"};
    if (wanted == "source")
      return Stored{sourceForm(source), "as in the source"};
    auto form = plexus::PackedForm::parse(wanted);
    if (!form)
      return weight.emitOpError("cannot be stored as '")
             << wanted << "'; stored forms are source, f32, bf16, f16, q8, q4, ... with a group as "
             << "in q4:64";
    if (rule)
      return Stored{*form, isChoice ? "chosen by its error" : ("keep " + rule->text).str()};
    return byDefault(*form, kept, isHead);
  }

  /// The form for `weights = form`. Heads and tables stay at 8 bits under fewer, as logits suffer
  /// most; a file's blocks of no more bits stay what they are, as another grid only adds error.
  static Stored byDefault(plexus::PackedForm form, const std::optional<plexus::PackedForm> &kept,
                          bool isHead) {
    Stored stored{form, "weights " + form.spelling()};
    if (isHead && form.isQuantized() && form.info().bits < 8)
      stored = {plexus::PackedForm{plexus::PackedValues::Q8, plexus::PackedZeros::None, 32},
                "heads and their embeddings keep 8 bits; keep overrides"};
    if (kept && stored.form.isQuantized() && kept->info().bits <= stored.form.info().bits)
      return {*kept, "blocks of the file have no more bits: rounding again would only lose"};
    return stored;
  }

  static plexus::PackedForm sourceForm(Type source) {
    using plexus::DType;
    return plexus::PackedForm::plain(source.isBF16()  ? DType::BF16
                                     : source.isF16() ? DType::F16
                                                      : DType::F32);
  }

  llvm::DenseSet<StringAttr> heads;
  FormRules rules, choices;
};

} // namespace
