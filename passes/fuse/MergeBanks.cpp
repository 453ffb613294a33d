//===- MergeBanks.cpp - layers of subjects, sessions and days as one switched product ---------===//
// Layers of which each row keeps one become a bank; a linear map beside a bank becomes part of it
// where that is less work.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/brain/BrainOps.h"
#include "passes/Passes.h"
#include "passes/Report.h"
#include "passes/fuse/WeightRecipes.h"

namespace plexus::compiler {
#define GEN_PASS_DEF_MERGEBANKS
#include "passes/Passes.h.inc"
} // namespace plexus::compiler

using namespace mlir;
using plexus::compiler::joinedLocation;

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isF32(Value value) { return typeOf(value).getElementType().isF32(); }

class Banks {
public:
  explicit Banks(plx::ModelOp model) : weights(model), r(weights.r), builder(model.getContext()) {}

  void run(plx::SegmentOp segment) {
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation &op : llvm::make_early_inc_range(segment.getBody().front())) {
        if (auto choose = dyn_cast<brain::ChooseOp>(op))
          changed = mergeChoice(choose);
        else if (auto product = dyn_cast<plx::MatmulOp>(op))
          changed = mergeGather(product);
        else if (auto bank = dyn_cast<brain::SwitchedLinearOp>(op))
          changed = foldBefore(bank);
        else if (auto linear = dyn_cast<plx::LinearOp>(op))
          changed = foldBehind(linear);
        if (changed) // what stood behind may be gone
          break;
      }
    }
  }
  void finish() { weights.finish(); }

private:
  //===--- Recipes ---===//

  /// Matrices [parts, columns, K] as a bank: each padded with rows that nobody reads.
  Attribute bankOf(Attribute matrices, int64_t parts, int64_t columns, int64_t inputs) {
    int64_t padded = brain::SwitchedLinearOp::paddedRows(columns);
    SmallVector<Attribute> rows{matrices};
    for (int64_t missing = padded - columns; missing > 0; missing -= columns)
      rows.push_back(r.scale(0.0, r.slice(1, 0, std::min(missing, columns), matrices)));
    return r.reshape({parts * padded, inputs}, rows.size() > 1 ? r.concat(1, rows) : matrices);
  }

  /// A bank without its padding: [parts, columns, K].
  Attribute matricesOf(brain::SwitchedLinearOp bank) {
    Attribute recipe = weights.recipeOf(bank.getWeight());
    if (!recipe)
      return {};
    auto type = typeOf(bank.getWeight());
    auto parts = static_cast<int64_t>(bank.getParts());
    Attribute all = r.reshape({parts, type.getDimSize(0) / parts, type.getDimSize(1)}, recipe);
    return r.slice(1, 0, static_cast<int64_t>(bank.getColumns()), all);
  }

  //===--- One layer of several ---===//

  /// The products that `choose` takes its rows from, where they are layers of one input.
  SmallVector<plx::LinearOp> layersOf(brain::ChooseOp choose) {
    SmallVector<plx::LinearOp> layers;
    for (Value value : choose.getValues()) {
      auto linear = value.getDefiningOp<plx::LinearOp>();
      if (!linear || !linear->hasOneUse() || !weights.recipeOf(linear.getWeight()))
        return {};
      plx::LinearOp first = layers.empty() ? linear : layers.front();
      if (linear.getInput() != first.getInput() ||
          linear.getWeight().getType() != first.getWeight().getType() ||
          !linear.getBias() != !first.getBias())
        return {};
      if (linear.getBias() && !weights.recipeOf(linear.getBias()))
        return {};
      layers.push_back(linear);
    }
    return layers;
  }

  bool mergeChoice(brain::ChooseOp choose) {
    SmallVector<plx::LinearOp> layers = layersOf(choose);
    if (layers.empty())
      return false;
    auto parts = static_cast<int64_t>(layers.size());
    auto type = typeOf(layers.front().getWeight());
    int64_t columns = type.getDimSize(0), inputs = type.getDimSize(1);
    SmallVector<Attribute> matrices, biases;
    SmallVector<Value> matrixValues, biasValues;
    Location loc = choose.getLoc();
    for (plx::LinearOp layer : layers) {
      matrixValues.push_back(layer.getWeight());
      matrices.push_back(r.reshape({1, columns, inputs}, weights.recipeOf(layer.getWeight())));
      if (layer.getBias()) {
        biasValues.push_back(layer.getBias());
        biases.push_back(r.reshape({1, columns}, weights.recipeOf(layer.getBias())));
      }
      loc = joinedLocation(loc, layer, "one layer of the bank");
    }
    builder.setInsertionPoint(choose);
    Attribute bank = bankOf(r.concat(0, matrices), parts, columns, inputs);
    Value weight = weights.declare(builder, matrixValues, bank, loc, nameOf(matrixValues));
    Value bias;
    if (!biases.empty())
      bias = weights.declare(builder, biasValues, r.concat(0, biases), loc, nameOf(biasValues));
    replace(choose, layers.front().getInput(), choose.getIndex(), weight, bias, parts, columns,
            loc);
    for (plx::LinearOp layer : layers)
      layer.erase();
    return true;
  }

  /// x [T, 1, K] times matrices that are gathered for each row, [T, K, N] or [T, N, K] transposed.
  bool mergeGather(plx::MatmulOp product) {
    auto rows = product.getLhs().getDefiningOp<plx::ReshapeOp>(),
         matrix = product.getRhs().getDefiningOp<plx::ReshapeOp>();
    auto gather = matrix ? matrix.getInput().getDefiningOp<plx::EmbeddingOp>() : plx::EmbeddingOp();
    if (!rows || !gather || typeOf(product).getRank() != 3 || typeOf(product).getDimSize(1) != 1 ||
        typeOf(rows.getInput()).getRank() != 2 || typeOf(matrix).getRank() != 3)
      return false;
    Attribute table = weights.recipeOf(gather.getTable());
    if (!table)
      return false;
    bool transposed = product.getTransposed();
    int64_t parts = typeOf(gather.getTable()).getDimSize(0), inputs = typeOf(rows).getDimSize(2),
            columns = typeOf(product).getDimSize(2);
    Attribute matrices = transposed
                             ? r.reshape({parts, columns, inputs}, table)
                             : r.transpose({0, 2, 1}, r.reshape({parts, inputs, columns}, table));
    Location loc = joinedLocation(product.getLoc(), gather, "the matrices of a bank");
    builder.setInsertionPoint(product);
    Value weight =
        weights.declare(builder, {gather.getTable()}, bankOf(matrices, parts, columns, inputs), loc,
                        nameOf({gather.getTable()}));
    auto type = RankedTensorType::get({typeOf(product).getDimSize(0), columns},
                                      typeOf(product).getElementType());
    Value made = brain::SwitchedLinearOp::create(builder, loc, type, rows.getInput(),
                                                 gather.getIds(), weight, Value(), parts, columns);
    Value shaped = plx::ReshapeOp::create(builder, loc, product.getType(), made);
    product.getResult().replaceAllUsesWith(shaped);
    product.erase();
    for (Operation *op : {matrix.getOperation(), gather.getOperation(), rows.getOperation()})
      if (op->use_empty())
        op->erase();
    return true;
  }

  static std::string nameOf(ArrayRef<Value> params) {
    return params.front().getDefiningOp<plx::ParamOp>().getWeight().str() + ".bank";
  }

  //===--- A linear map beside a bank ---===//

  /// Whether a map of `in` to `out` for each part beats one of `in` to `middle` and one of `middle`
  /// to `out`, of which `shared` weights are there once: in multiplications and in memory.
  static bool pays(int64_t parts, int64_t in, int64_t middle, int64_t out, int64_t shared) {
    int64_t apart = in * middle + middle * out, banked = apart - shared;
    return in * out <= apart && parts * in * out <= parts * banked + shared;
  }

  /// Recipes of a bank and of a linear map beside it; null where there is no bias.
  struct Beside {
    Attribute map, matrices, shift, own;
  };
  /// Nothing where they are not f32, or not known.
  std::optional<Beside> beside(brain::SwitchedLinearOp bank, plx::LinearOp linear) {
    if (!isF32(bank.getWeight()) || !isF32(linear.getWeight()))
      return std::nullopt;
    Beside found{weights.recipeOf(linear.getWeight()), matricesOf(bank),
                 weights.recipeOf(linear.getBias()), weights.recipeOf(bank.getBias())};
    if (!found.map || !found.matrices || !found.shift != !linear.getBias() ||
        !found.own != !bank.getBias())
      return std::nullopt;
    return found;
  }

  /// bank (w x + b) is a bank.
  bool foldBefore(brain::SwitchedLinearOp bank) {
    auto linear = bank.getInput().getDefiningOp<plx::LinearOp>();
    if (!linear || !linear->hasOneUse())
      return false;
    std::optional<Beside> recipes = beside(bank, linear);
    if (!recipes)
      return false;
    auto [map, matrices, shift, own] = *recipes;
    auto type = typeOf(linear.getWeight());
    int64_t middle = type.getDimSize(0), in = type.getDimSize(1);
    auto parts = static_cast<int64_t>(bank.getParts()),
         columns = static_cast<int64_t>(bank.getColumns());
    if (!pays(parts, in, middle, columns, in * middle))
      return false;
    Attribute bias = own;
    if (shift) {
      bias = r.einsum("pnv,v->pn", {matrices, shift});
      bias = own ? r.sum({bias, own}) : bias;
    }
    Location loc = joinedLocation(bank.getLoc(), linear, "part of the bank's matrices");
    builder.setInsertionPoint(bank);
    Attribute joined = bankOf(r.einsum("pnv,vk->pnk", {matrices, map}), parts, columns, in);
    rebuild(bank, linear.getInput(), bank, {bank.getWeight(), linear.getWeight()}, joined,
            {bank.getWeight(), linear.getBias(), bank.getBias()}, bias, columns, loc);
    linear.erase();
    return true;
  }

  /// w (bank x) + b is a bank.
  bool foldBehind(plx::LinearOp linear) {
    auto bank = linear.getInput().getDefiningOp<brain::SwitchedLinearOp>();
    if (!bank || !bank->hasOneUse())
      return false;
    std::optional<Beside> recipes = beside(bank, linear);
    if (!recipes)
      return false;
    auto [map, matrices, shift, own] = *recipes;
    auto type = typeOf(linear.getWeight());
    int64_t out = type.getDimSize(0), middle = type.getDimSize(1),
            in = typeOf(bank.getWeight()).getDimSize(1);
    auto parts = static_cast<int64_t>(bank.getParts());
    if (!pays(parts, in, middle, out, middle * out))
      return false;
    Attribute bias;
    if (shift)
      bias = r.concat(0, SmallVector<Attribute>(parts, r.reshape({1, out}, shift)));
    if (own) {
      Attribute behind = r.einsum("on,pn->po", {map, own});
      bias = bias ? r.sum({behind, bias}) : behind;
    }
    Location loc = joinedLocation(linear.getLoc(), bank, "part of the bank's matrices");
    builder.setInsertionPoint(linear);
    Attribute joined = bankOf(r.einsum("on,pnk->pok", {map, matrices}), parts, out, in);
    rebuild(linear, bank.getInput(), bank, {bank.getWeight(), linear.getWeight()}, joined,
            {bank.getBias(), linear.getBias(), linear.getWeight()}, bias, out, loc);
    bank.erase();
    return true;
  }

  /// A bank of new matrices in place of `op`.
  void rebuild(Operation *op, Value input, brain::SwitchedLinearOp bank, ArrayRef<Value> from,
               Attribute matrices, ArrayRef<Value> biasFrom, Attribute bias, int64_t columns,
               Location loc) {
    Value weight = weights.declare(builder, from, matrices, loc);
    Value added = bias ? weights.declare(builder, biasFrom, bias, loc) : Value();
    replace(op, input, bank.getIndex(), weight, added, static_cast<int64_t>(bank.getParts()),
            columns, loc);
  }

  void replace(Operation *op, Value input, Value index, Value weight, Value bias, int64_t parts,
               int64_t columns, Location loc) {
    Value made = brain::SwitchedLinearOp::create(builder, loc, op->getResult(0).getType(), input,
                                                 index, weight, bias, parts, columns);
    op->getResult(0).replaceAllUsesWith(made);
    op->erase();
  }

  plexus::compiler::WeightRecipes weights;
  const plexus::compiler::Recipes &r;
  OpBuilder builder;
};

class MergeBanksPass : public plexus::compiler::impl::MergeBanksBase<MergeBanksPass> {
public:
  void runOnOperation() override {
    for (auto model : getOperation().getOps<plx::ModelOp>()) {
      Banks banks(model);
      for (auto segment : llvm::to_vector(model.getBody().getOps<plx::SegmentOp>()))
        banks.run(segment);
      banks.finish();
    }
  }
};

} // namespace
