//===- FuseEpilogue.cpp - elementwise ops join the product before them ------------------------===//
// Makes every plx.linear a plx.fused_linear and draws its elementwise users into the epilogue.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Activations.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"
#include "passes/Report.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;

namespace {

/// Emits the scalar form of `op`; `operand(i)` is the scalar of its i-th operand.
using ScalarForm = Value (*)(ImplicitLocOpBuilder &, Operation *op,
                             function_ref<Value(unsigned)> operand);

template <typename Scalar>
Value binaryForm(ImplicitLocOpBuilder &b, Operation *, function_ref<Value(unsigned)> operand) {
  return Scalar::create(b, operand(0), operand(1));
}

Value activationForm(ImplicitLocOpBuilder &b, Operation *op,
                     function_ref<Value(unsigned)> operand) {
  return plx::buildActivation(b, cast<plx::ActivationOp>(op).getKind(), operand(0));
}

Value gluForm(ImplicitLocOpBuilder &b, Operation *op, function_ref<Value(unsigned)> operand) {
  Value gate = plx::buildActivation(b, cast<plx::GluOp>(op).getKind(), operand(0));
  return arith::MulFOp::create(b, gate, operand(1));
}

Value scaleForm(ImplicitLocOpBuilder &b, Operation *op, function_ref<Value(unsigned)> operand) {
  Value factor = arith::ConstantOp::create(b, cast<plx::ScaleOp>(op).getFactorAttr());
  return arith::MulFOp::create(b, operand(0), factor);
}

Value softcapForm(ImplicitLocOpBuilder &b, Operation *op, function_ref<Value(unsigned)> operand) {
  Value cap = arith::ConstantOp::create(b, cast<plx::SoftcapOp>(op).getCapAttr());
  Value ratio = arith::DivFOp::create(b, operand(0), cap);
  return arith::MulFOp::create(b, cap, math::TanhOp::create(b, ratio));
}

/// What may join an epilogue.
ScalarForm scalarForm(Operation *op) {
  static const llvm::StringMap<ScalarForm> forms = {
      {plx::AddOp::getOperationName(), binaryForm<arith::AddFOp>},
      {plx::SubOp::getOperationName(), binaryForm<arith::SubFOp>},
      {plx::MulOp::getOperationName(), binaryForm<arith::MulFOp>},
      {plx::ActivationOp::getOperationName(), activationForm},
      {plx::GluOp::getOperationName(), gluForm},
      {plx::ScaleOp::getOperationName(), scaleForm},
      {plx::SoftcapOp::getOperationName(), softcapForm},
  };
  // A scalar of the run is not an element.
  if (auto scale = dyn_cast<plx::ScaleOp>(op); scale && scale.getScalar())
    return nullptr;
  auto form = forms.find(op->getName().getStringRef());
  return form == forms.end() ? nullptr : form->second;
}

/// Whether an extra operand of type `type` fits a product of type `product`: a vector or equal
/// rows.
bool fitsExtra(Type type, RankedTensorType product) {
  auto extra = cast<RankedTensorType>(type);
  return extra == product ||
         (extra.getRank() == 1 && extra.getDimSize(0) == product.getShape().back());
}

plx::FusedLinearOp toFused(plx::LinearOp linear) {
  ImplicitLocOpBuilder b(linear.getLoc(), linear);
  SmallVector<Value> extras;
  if (linear.getBias())
    extras.push_back(linear.getBias());
  auto fused = plx::FusedLinearOp::create(b, linear.getType(), false, linear.getInput(),
                                          linear.getWeight(), extras);
  Block *block = b.createBlock(&fused.getEpilogue());
  SmallVector<Type> types(1 + extras.size(), b.getF32Type());
  block->addArguments(types, SmallVector<Location>(types.size(), linear.getLoc()));
  b.setInsertionPointToStart(block);
  Value result = block->getArgument(0);
  if (linear.getBias())
    result = arith::AddFOp::create(b, result, block->getArgument(1));
  plx::YieldOp::create(b, result);
  linear.replaceAllUsesWith(fused.getResult());
  linear.erase();
  return fused;
}

/// The only user of `product` if it can join its epilogue, or null.
Operation *joiningUser(plx::FusedLinearOp product) {
  if (!product->hasOneUse())
    return nullptr;
  Operation *user = *product->getUsers().begin();
  auto type = cast<RankedTensorType>(product.getType());
  if (!scalarForm(user) || user->getBlock() != product->getBlock() ||
      user->getResult(0).getType() != type)
    return nullptr;
  for (Value operand : user->getOperands())
    if (operand != product.getResult() && !fitsExtra(operand.getType(), type))
      return nullptr;
  return user;
}

/// `product` with `user` as the end of its epilogue, in the user's place.
plx::FusedLinearOp join(plx::FusedLinearOp product, Operation *user) {
  Location loc = plexus::compiler::joinedLocation(
      product.getLoc(), user, "computed while the product's sums are in registers");
  ImplicitLocOpBuilder b(loc, user);
  SmallVector<Value> extras(product.getExtras());
  for (Value operand : user->getOperands())
    if (operand != product.getResult() && !llvm::is_contained(extras, operand))
      extras.push_back(operand);
  auto fused = plx::FusedLinearOp::create(b, product.getType(), product.getGated(),
                                          product.getInput(), product.getWeight(), extras);
  fused.getEpilogue().takeBody(product.getEpilogue());
  Block &block = fused.getEpilogue().front();
  unsigned sums = fused.getNumAccumulators();
  while (block.getNumArguments() < sums + extras.size())
    block.addArgument(b.getF32Type(), loc);
  Operation *yield = block.getTerminator();
  b.setInsertionPoint(yield);
  Value result = scalarForm(user)(b, user, [&](unsigned number) -> Value {
    Value operand = user->getOperand(number);
    if (operand == product.getResult())
      return yield->getOperand(0);
    return block.getArgument(sums + (llvm::find(extras, operand) - extras.begin()));
  });
  yield->setOperand(0, result);
  user->getResult(0).replaceAllUsesWith(fused.getResult());
  user->erase();
  product.erase();
  return fused;
}

class FuseEpiloguePass : public plexus::compiler::impl::FuseEpilogueBase<FuseEpiloguePass> {
public:
  void runOnOperation() override {
    SmallVector<plx::LinearOp> linears;
    SmallVector<plx::FusedLinearOp> products;
    getOperation().walk([&](Operation *op) {
      if (auto linear = dyn_cast<plx::LinearOp>(op); linear && isF32(linear))
        linears.push_back(linear);
      else if (auto fused = dyn_cast<plx::FusedLinearOp>(op))
        products.push_back(fused);
    });
    for (plx::LinearOp linear : linears)
      products.push_back(toFused(linear));
    // Last ones first: a product that feeds another's epilogue keeps its own users until then.
    for (plx::FusedLinearOp product : llvm::reverse(products))
      while (Operation *user = joiningUser(product))
        product = join(product, user);
  }

private:
  /// Epilogues compute in f32.
  static bool isF32(plx::LinearOp linear) {
    return cast<RankedTensorType>(linear.getType()).getElementType().isF32();
  }
};

} // namespace
