//===- MergeProjections.cpp - one product in place of several with the same input -------------===//
// Concatenates the weights of products that share their input; interleaves those of gated units.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Activations.h"
#include "dialects/plx/Packed.h"
#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Passes.h"
#include "passes/Report.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_MERGEPROJECTIONS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using plexus::compiler::joinedLocation;

namespace {

/// `recipe` with its source's type written out, so that it means the same inside another recipe;
/// null where the type of a source cannot be told.
Attribute selfContained(Attribute recipe, RankedTensorType type) {
  // Down through the recipes of one other, to a source.
  Attribute inner = recipe;
  while (auto interface = dyn_cast<plx::RecipeAttrInterface>(inner)) {
    RankedTensorType asked = interface.getNestedType(type);
    if (!asked)
      break;
    type = asked;
    inner = interface.getNested().front();
  }
  auto source = dyn_cast<plx::SourceAttr>(inner);
  if (source && !source.getType()) {
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](plx::SourceAttr) -> Attribute {
      return plx::SourceAttr::get(recipe.getContext(), source.getName(), type);
    });
    return replacer.replace(recipe);
  }
  // Others know their type, or do not.
  auto quiet = [&] { return InFlightDiagnostic(); };
  auto known = cast<plx::RecipeAttrInterface>(recipe).inferType({}, quiet);
  return succeeded(known) ? recipe : Attribute();
}

/// Rewrites the segments of one model.
class Merger {
public:
  explicit Merger(plx::ModelOp model) : model(model), symbols(model) {
    model.walk([&](plx::ParamOp op) { ++uses[op.getWeightAttr().getAttr()]; });
  }

  void run(plx::SegmentOp segment) {
    SmallVector<plx::GluOp> units;
    segment.walk([&](plx::GluOp op) { units.push_back(op); });
    for (plx::GluOp op : units)
      mergeGatedUnit(op);
    llvm::MapVector<Value, SmallVector<plx::LinearOp>> byInput;
    segment.walk([&](plx::LinearOp op) { byInput[op.getInput()].push_back(op); });
    for (auto &[input, group] : byInput)
      mergeGroup(group);
  }

private:
  /// The declaration behind a value that is a weight of its own: one plx.param in the whole model,
  /// with one use.
  plx::WeightOp ownWeight(Value value) {
    auto param = value ? value.getDefiningOp<plx::ParamOp>() : plx::ParamOp();
    if (!param || !param->hasOneUse() || uses.lookup(param.getWeightAttr().getAttr()) != 1)
      return {};
    return symbols.lookup<plx::WeightOp>(param.getWeight());
  }

  /// A declaration, after the last of `parts`, of `type` with `recipe`; the parts are erased with
  /// their params once the products are gone.
  plx::WeightOp declare(ArrayRef<plx::WeightOp> parts, RankedTensorType type, Attribute recipe) {
    std::string name;
    SmallVector<Location> locations;
    for (plx::WeightOp part : parts) {
      name += (name.empty() ? "" : "_") + part.getSymName().str();
      locations.push_back(part.getLoc());
    }
    OpBuilder builder(model.getContext());
    plx::WeightOp last = parts.back();
    builder.setInsertionPointAfter(last);
    auto merged = plx::WeightOp::create(builder, FusedLoc::get(model.getContext(), locations), name,
                                        type, recipe);
    symbols.insert(merged);
    uses[merged.getSymNameAttr()] = 1;
    return merged;
  }

  void eraseParam(Value value) {
    auto param = value.getDefiningOp<plx::ParamOp>();
    auto weight = symbols.lookup<plx::WeightOp>(param.getWeight());
    param.erase();
    symbols.erase(weight);
  }

  /// The recipes of `parts`, each self-contained; empty if one cannot be, or if types differ, or
  /// what their sources are quantized to: together they could not keep it.
  SmallVector<Attribute> recipes(ArrayRef<plx::WeightOp> parts) {
    SmallVector<Attribute> result;
    plx::WeightOp first = parts.front();
    Type element = first.getWeightType().getElementType();
    for (plx::WeightOp part : parts) {
      RankedTensorType type = part.getWeightType();
      Attribute recipe = selfContained(part.getRecipe(), type);
      if (!recipe || type.getEncoding() || type.getElementType() != element ||
          plx::keptForm(part.getRecipe()) != plx::keptForm(first.getRecipe()))
        return {};
      result.push_back(recipe);
    }
    return result;
  }

  /// One weight with the rows of `parts` one after another, or null.
  plx::WeightOp concatenate(ArrayRef<plx::WeightOp> parts) {
    SmallVector<Attribute> pieces = recipes(parts);
    if (pieces.empty())
      return {};
    SmallVector<int64_t> shape(plx::WeightOp(parts.front()).getWeightType().getShape());
    shape[0] = 0;
    for (plx::WeightOp part : parts)
      shape[0] += part.getWeightType().getDimSize(0);
    auto type =
        RankedTensorType::get(shape, plx::WeightOp(parts.front()).getWeightType().getElementType());
    return declare(parts, type, plx::ConcatAttr::get(model.getContext(), 0, pieces));
  }

  /// Products of one input: those with weights of their own, and biases of their own or none,
  /// merge.
  void mergeGroup(ArrayRef<plx::LinearOp> group) {
    SmallVector<plx::LinearOp> members;
    SmallVector<plx::WeightOp> weights, biases;
    for (plx::LinearOp op : group) {
      plx::WeightOp weight = ownWeight(op.getWeight()), bias = ownWeight(op.getBias());
      bool withBias = op.getBias() != nullptr;
      if (!weight || (withBias && !bias) ||
          (!members.empty() && withBias != (members.front().getBias() != nullptr)))
        continue;
      members.push_back(op);
      weights.push_back(weight);
      if (bias)
        biases.push_back(bias);
    }
    // A weight is interleaved or concatenated as a whole: refuse before anything is declared.
    if (members.size() < 2 || recipes(weights).empty() ||
        (!biases.empty() && recipes(biases).empty()))
      return;
    plx::WeightOp weight = concatenate(weights);
    plx::WeightOp bias = biases.empty() ? plx::WeightOp() : concatenate(biases);
    replace(members, weight, bias);
  }

  void replace(ArrayRef<plx::LinearOp> members, plx::WeightOp weight, plx::WeightOp bias) {
    plx::LinearOp first = members.front();
    Location loc = first.getLoc();
    for (plx::LinearOp op : members.drop_front())
      loc = joinedLocation(loc, op, "one product with the others of its input");
    ImplicitLocOpBuilder b(loc, first);
    Value matrix = plx::ParamOp::create(b, weight);
    Value vector = bias ? plx::ParamOp::create(b, bias).getResult() : Value();
    Value merged = plx::LinearOp::create(b, first.getInput(), matrix, vector);
    // All slices first: the builder stands before `first`, which is erased below.
    SmallVector<Value> slices;
    int64_t begin = 0;
    for (plx::LinearOp op : members) {
      int64_t size = cast<RankedTensorType>(op.getType()).getShape().back();
      b.setLoc(op.getLoc());
      slices.push_back(plx::SliceOp::create(b, merged, begin, size));
      begin += size;
    }
    for (auto [member, slice] : llvm::zip_equal(members, slices)) {
      plx::LinearOp op = member;
      op.getResult().replaceAllUsesWith(slice);
      Value oldWeight = op.getWeight(), oldBias = op.getBias();
      op.erase();
      eraseParam(oldWeight);
      if (oldBias)
        eraseParam(oldBias);
    }
  }

  /// glu(x Wg, x Wu) becomes one gated product where the sizes allow.
  void mergeGatedUnit(plx::GluOp unit) {
    auto gate = unit.getGate().getDefiningOp<plx::LinearOp>();
    auto up = unit.getUp().getDefiningOp<plx::LinearOp>();
    if (!gate || !up || gate == up || gate.getInput() != up.getInput() || !gate->hasOneUse() ||
        !up->hasOneUse() || !elementIsF32(unit))
      return;
    SmallVector<plx::WeightOp> parts{ownWeight(gate.getWeight()), ownWeight(up.getWeight())};
    if (!parts[0] || !parts[1] || parts[0].getWeightType() != parts[1].getWeightType() ||
        parts[0].getWeightType().getDimSize(0) % plx::FusedLinearOp::kGateBlock != 0)
      return;
    SmallVector<Attribute> pieces = recipes(parts);
    if (pieces.empty())
      return;
    RankedTensorType part = parts[0].getWeightType();
    auto type =
        RankedTensorType::get({2 * part.getDimSize(0), part.getDimSize(1)}, part.getElementType());
    plx::WeightOp weight = declare(
        parts, type,
        plx::InterleaveAttr::get(model.getContext(), 0, plx::FusedLinearOp::kGateBlock, pieces));
    replaceGatedUnit(unit, gate, up, weight);
  }

  void replaceGatedUnit(plx::GluOp unit, plx::LinearOp gate, plx::LinearOp up,
                        plx::WeightOp weight) {
    Location loc = joinedLocation(gate.getLoc(), up, "one product with the gate's");
    loc = joinedLocation(loc, unit, "computed while the products' sums are in registers");
    ImplicitLocOpBuilder b(loc, unit);
    Value matrix = plx::ParamOp::create(b, weight);
    SmallVector<Value> extras;
    for (plx::LinearOp product : {gate, up})
      if (product.getBias())
        extras.push_back(product.getBias());
    auto fused =
        plx::FusedLinearOp::create(b, unit.getType(), true, gate.getInput(), matrix, extras);
    Block *block = b.createBlock(&fused.getEpilogue());
    SmallVector<Type> types(2 + extras.size(), b.getF32Type());
    block->addArguments(types, SmallVector<Location>(types.size(), loc));
    b.setInsertionPointToStart(block);
    Value sums[] = {block->getArgument(0), block->getArgument(1)};
    unsigned next = 2;
    for (auto [sum, product] : llvm::zip(sums, std::array{gate, up}))
      if (product.getBias())
        sum = arith::AddFOp::create(b, sum, block->getArgument(next++));
    Value activated = plx::buildActivation(b, unit.getKind(), sums[0]);
    plx::YieldOp::create(b, ValueRange(arith::MulFOp::create(b, activated, sums[1]).getResult()));
    unit.getResult().replaceAllUsesWith(fused.getResult());
    unit.erase();
    for (plx::LinearOp product : {gate, up}) {
      Value old = product.getWeight();
      product.erase();
      eraseParam(old);
    }
  }

  static bool elementIsF32(plx::GluOp unit) {
    return cast<RankedTensorType>(unit.getType()).getElementType().isF32();
  }

  plx::ModelOp model;
  SymbolTable symbols;
  llvm::DenseMap<StringAttr, unsigned> uses;
};

class MergeProjectionsPass
    : public plexus::compiler::impl::MergeProjectionsBase<MergeProjectionsPass> {
public:
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>()) {
      Merger merger(model);
      for (auto segment : llvm::to_vector(model.getBody().getOps<plx::SegmentOp>()))
        merger.run(segment);
    }
  }
};

} // namespace
