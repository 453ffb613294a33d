//===- AssignEncodings.cpp - how each weight is stored
//--------------------------------------------===//
// Gives matrices of products a packed encoding and vectors the type f32.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/PlxOps.h"
#include "passes/Passes.h"
#include "llvm/ADT/StringSwitch.h"

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
    for (auto model : getOperation().getOps<plx::ModelOp>())
      if (failed(assign(model)))
        return signalPassFailure();
  }

private:
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
    return success();
  }

  FailureOr<RankedTensorType> storedType(plx::WeightOp weight, RankedTensorType type,
                                         ArrayRef<plx::ParamOp> users) {
    Builder b(&getContext());
    bool product = llvm::any_of(users, isProductWeight);
    if (product && type.getRank() == 2 && llvm::all_of(users, allAcceptPacked)) {
      FailureOr<Type> element = packedElement(weight, type.getElementType());
      if (failed(element))
        return failure();
      return RankedTensorType::get(type.getShape(), *element,
                                   plx::PackedAttr::get(&getContext(), *element));
    }
    if (type.getRank() == 1)
      return RankedTensorType::get(type.getShape(), b.getF32Type());
    return type;
  }

  FailureOr<Type> packedElement(plx::WeightOp weight, Type source) {
    Builder b(&getContext());
    Type kept = source.isBF16() || source.isF16() ? source : b.getF32Type();
    Type element = llvm::StringSwitch<Type>(weights)
                       .Case("source", kept)
                       .Case("f32", b.getF32Type())
                       .Case("bf16", b.getBF16Type())
                       .Case("f16", b.getF16Type())
                       .Default({});
    if (!element)
      return weight.emitOpError("cannot be stored as '")
             << weights << "'; stored types are source, f32, bf16, f16";
    return element;
  }
};

} // namespace
