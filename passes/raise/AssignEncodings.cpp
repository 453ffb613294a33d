//===- AssignEncodings.cpp - how each weight is stored ----------------------------------------===//
// Gives matrices of products a packed encoding and vectors the type f32.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Packed.h"
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "runtime/io/PackedForm.h"
#include "llvm/Support/GlobPattern.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_ASSIGNENCODINGS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

/// Whether `param` is the weight operand of a product.
bool isProductWeight(plx::ParamOp param) {
  return llvm::any_of(param->getUses(), [](OpOperand &use) {
    return isa<plx::LinearOp, plx::FusedLinearOp>(use.getOwner()) && use.getOperandNumber() == 1;
  });
}

/// Whether all users of `param` can read a packed weight.
bool allAcceptPacked(plx::ParamOp param) {
  return llvm::all_of(param->getUses(), [](OpOperand &use) {
    bool isProduct = isa<plx::LinearOp, plx::FusedLinearOp>(use.getOwner());
    return (isProduct && use.getOperandNumber() == 1) || isa<plx::EmbeddingOp>(use.getOwner());
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
  /// An exception: another form for the weights that match.
  struct Rule {
    StringRef text;
    llvm::GlobPattern pattern;
    StringRef form;
    bool used = false;
  };

  LogicalResult readRules() {
    rules.clear();
    SmallVector<StringRef> texts;
    StringRef(keep.getValue()).split(texts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
    for (StringRef text : texts) {
      auto [name, form] = text.split('=');
      auto pattern = llvm::GlobPattern::create(name);
      if (!pattern)
        return emitError(getOperation().getLoc(), "keep: pattern '")
               << name << "': " << llvm::toString(pattern.takeError());
      rules.push_back({text, std::move(*pattern), form});
    }
    return success();
  }

  /// What the first rule that matches the weight or one of its sources says, or `weights`.
  StringRef wantedForm(plx::WeightOp weight) {
    for (Rule &rule : rules) {
      auto matches = [&](StringRef name) { return rule.pattern.match(name); };
      if (!matches(weight.getSymName()) &&
          !llvm::any_of(plx::recipeSources(weight.getRecipe()), matches))
        continue;
      rule.used = true;
      return rule.form;
    }
    return weights.getValue();
  }

  LogicalResult assign(plx::ModelOp model) {
    llvm::MapVector<StringAttr, SmallVector<plx::ParamOp>> params;
    model.walk([&](plx::ParamOp op) { params[op.getWeightAttr().getAttr()].push_back(op); });
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
    for (const Rule &rule : rules)
      if (!rule.used)
        return emitError(model.getLoc(), "keep: no weight of a product matches '")
               << rule.text << "'";
    return success();
  }

  FailureOr<RankedTensorType> storedType(plx::WeightOp weight, RankedTensorType type,
                                         ArrayRef<plx::ParamOp> users) {
    Builder b(&getContext());
    bool product = llvm::any_of(users, isProductWeight);
    if (product && type.getRank() == 2 && llvm::all_of(users, allAcceptPacked)) {
      FailureOr<plexus::PackedForm> form = packedForm(weight, type.getElementType());
      if (failed(form))
        return failure();
      auto packed = plx::PackedAttr::get(&getContext(), *form);
      return RankedTensorType::get(type.getShape(), packed.getStorage(), packed);
    }
    if (type.getRank() == 1)
      return RankedTensorType::get(type.getShape(), b.getF32Type());
    return type;
  }

  FailureOr<plexus::PackedForm> packedForm(plx::WeightOp weight, Type source) {
    using plexus::DType;
    std::optional<plexus::PackedForm> kept = plx::keptForm(weight.getRecipe());
    StringRef wanted = wantedForm(weight);
    if (wanted == "source" && kept)
      return *kept;
    if (wanted == "source")
      return plexus::PackedForm::plain(source.isBF16()  ? DType::BF16
                                       : source.isF16() ? DType::F16
                                                        : DType::F32);
    if (auto form = plexus::PackedForm::parse(wanted))
      return *form;
    return weight.emitOpError("cannot be stored as '")
           << wanted << "'; stored forms are source, f32, bf16, f16, q8, q4, ... with a group as "
           << "in q4:64";
  }

  SmallVector<Rule> rules;
};

} // namespace
