// Recipes, weights and states of a graph under construction, and the constants that it carries.
#include "compiler/builder/GraphBuilder.h"

#include "dialects/Dialects.h"
#include "dialects/attn/AttnOps.h"

#include <cstring>
#include <set>

using namespace mlir;

namespace plexus::compiler {

static constexpr int32_t kFailed = PLX_NO_VALUE;

/// Tensors that the builder was given as numbers.
class GraphBuilder::Constants final : public TensorSource {
public:
  const std::vector<std::string> &names() const override { return order; }
  const TensorView *find(std::string_view name) const override {
    auto it = views.find(std::string(name));
    return it == views.end() ? nullptr : &it->second;
  }
  const std::string &path() const override { return label; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return {}; }

  std::string add(const float *data, llvm::ArrayRef<int64_t> shape, int64_t count) {
    // Equal constants share a name, so that equal graphs are equal.
    for (auto &[name, view] : views)
      if (view.shape == shape.vec() && !std::memcmp(view.bytes, data, count * sizeof(float)))
        return name;
    std::string name = "constant." + std::to_string(views.size());
    auto &bytes = storage[name];
    bytes.assign(data, data + count);
    TensorView view;
    view.shape = shape.vec();
    view.bytes = reinterpret_cast<const uint8_t *>(bytes.data());
    view.size = bytes.size() * sizeof(float);
    views.emplace(name, view);
    order.insert(std::lower_bound(order.begin(), order.end(), name), name);
    return name;
  }

private:
  std::map<std::string, std::vector<float>> storage;
  std::map<std::string, TensorView> views;
  std::vector<std::string> order;
  std::string label = "constants of the graph";
};

GraphBuilder::GraphBuilder(MLIRContext &context, llvm::StringRef modelName,
                           std::shared_ptr<const TensorSource> source)
    : context(context), module(ModuleOp::create(UnknownLoc::get(&context))), b(&context),
      files(std::move(source)), constantSource(std::make_shared<Constants>()) {
  loadDialects(context);
  b.setInsertionPointToEnd(module->getBody());
  model = plx::ModelOp::create(b, b.getUnknownLoc(), modelName);
}

GraphBuilder::~GraphBuilder() = default;

std::shared_ptr<const TensorSource> GraphBuilder::constants() const { return constantSource; }

plx_recipe GraphBuilder::addRecipe(llvm::function_ref<Attribute(EmitError)> make) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    text = d.str();
    return success();
  });
  auto emit = [&] { return emitError(b.getUnknownLoc()); };
  Attribute attr = make(emit);
  auto type = attr ? plx::inferNestedRecipe(attr, {}, emit) : FailureOr<RankedTensorType>();
  if (failed(type))
    return fail(Code::Mismatch, "recipe: " + text), kFailed;
  recipes.push_back({attr, *type});
  return static_cast<plx_recipe>(recipes.size() - 1);
}

plx_recipe GraphBuilder::addMissingRecipe() {
  recipes.emplace_back();
  return static_cast<plx_recipe>(recipes.size() - 1);
}

const GraphBuilder::Recipe *GraphBuilder::recipe(plx_recipe id) {
  if (!ok())
    return nullptr;
  if (id >= 0 && static_cast<size_t>(id) < recipes.size())
    return &recipes[id];
  fail(Code::InvalidArgument, "recipe " + std::to_string(id) + " does not exist");
  return nullptr;
}

plx_recipe GraphBuilder::source(llvm::StringRef name) {
  if (!ok())
    return kFailed;
  Attribute attr;
  if (files)
    attr = sourceRecipe(context, *files, name.str());
  if (!attr) {
    if (!llvm::is_contained(missing, name.str()))
      missing.push_back(name.str());
    return addMissingRecipe();
  }
  asked.push_back(name.str()); // which may be made of parts
  for (llvm::StringRef tensor : plx::recipeSources(attr))
    asked.push_back(tensor.str());
  return addRecipe([&](EmitError) { return attr; });
}

plx_recipe
GraphBuilder::derive(llvm::ArrayRef<plx_recipe> from,
                     llvm::function_ref<Attribute(EmitError, llvm::ArrayRef<Attribute>)> make) {
  llvm::SmallVector<Attribute> attrs;
  for (plx_recipe id : from) {
    const Recipe *r = recipe(id);
    if (!r)
      return kFailed;
    if (!r->attr)
      return addMissingRecipe();
    attrs.push_back(r->attr);
  }
  return addRecipe([&](EmitError emit) { return make(emit, attrs); });
}

plx_recipe GraphBuilder::concat(int64_t axis, llvm::ArrayRef<plx_recipe> parts) {
  return derive(parts, [&](EmitError emit, llvm::ArrayRef<Attribute> values) {
    return plx::ConcatAttr::getChecked(emit, &context, axis, values);
  });
}

plx_recipe GraphBuilder::slice(plx_recipe of, int64_t axis, int64_t begin, int64_t size) {
  return derive(of, [&](EmitError emit, llvm::ArrayRef<Attribute> values) {
    return plx::SliceRecipeAttr::getChecked(emit, &context, axis, begin, size, values[0]);
  });
}

plx_recipe GraphBuilder::transpose(plx_recipe of, llvm::ArrayRef<int64_t> perm) {
  return derive(of, [&](EmitError emit, llvm::ArrayRef<Attribute> values) {
    return plx::TransposeRecipeAttr::getChecked(emit, &context, perm, values[0]);
  });
}

plx_recipe GraphBuilder::reshape(plx_recipe of, llvm::ArrayRef<int64_t> shape) {
  return derive(of, [&](EmitError emit, llvm::ArrayRef<Attribute> values) {
    return plx::ReshapeRecipeAttr::getChecked(emit, &context, shape, values[0]);
  });
}

plx_recipe GraphBuilder::scale(plx_recipe of, double factor) {
  return derive(of, [&](EmitError, llvm::ArrayRef<Attribute> values) {
    return plx::ScaleRecipeAttr::get(&context, b.getF64FloatAttr(factor), values[0]);
  });
}

plx_recipe GraphBuilder::offset(plx_recipe of, double addend) {
  return derive(of, [&](EmitError, llvm::ArrayRef<Attribute> values) {
    return plx::OffsetRecipeAttr::get(&context, b.getF64FloatAttr(addend), values[0]);
  });
}

/// The attribute `name` of kind `kind`, or null.
static const plx_attr *findAttr(llvm::ArrayRef<const plx_attr *> attrs, llvm::StringRef name,
                                int32_t kind) {
  for (const plx_attr *a : attrs)
    if (a && a->name && name == a->name && a->kind == kind)
      return a;
  return nullptr;
}

plx_recipe GraphBuilder::namedRecipe(llvm::StringRef kind, llvm::ArrayRef<plx_recipe> parts,
                                     llvm::ArrayRef<const plx_attr *> attrs) {
  const plx_attr *axes = findAttr(attrs, "axes", PLX_ATTR_STRING),
                 *number = findAttr(attrs, "number", PLX_ATTR_FLOAT),
                 *axis = findAttr(attrs, "axis", PLX_ATTR_INT),
                 *count = findAttr(attrs, "count", PLX_ATTR_INT);
  const plx_attr *result = findAttr(attrs, "result", PLX_ATTR_STRING);
  bool joins = kind == "sum" || (kind == "einsum" && axes && axes->s) ||
               (kind == "whiten" && result && result->s);
  bool changes =
      parts.size() == 1 && (kind == "exp" || ((kind == "renorm" || kind == "rsqrt") && number) ||
                            (kind == "box" && axis && count));
  if (ok() && !joins && !changes)
    return fail(Code::InvalidArgument,
                "recipe '" + kind.str() +
                    "' does not exist or misses an attribute; known are sum, "
                    "einsum (axes), box (axis, count), renorm (number), rsqrt (number), exp, "
                    "whiten (result)"),
           kFailed;
  return derive(parts, [&](EmitError emit, llvm::ArrayRef<Attribute> values) -> Attribute {
    if (kind == "sum")
      return plx::SumRecipeAttr::getChecked(emit, &context, values);
    if (kind == "einsum")
      return plx::EinsumRecipeAttr::getChecked(emit, &context, llvm::StringRef(axes->s), values);
    if (kind == "whiten")
      return plx::WhitenRecipeAttr::getChecked(emit, &context, llvm::StringRef(result->s), values);
    if (kind == "box")
      return plx::BoxRecipeAttr::getChecked(emit, &context, axis->i, count->i, values[0]);
    if (kind == "exp")
      return plx::ExpRecipeAttr::get(&context, values[0]);
    FloatAttr value = b.getF64FloatAttr(number->f);
    if (kind == "renorm")
      return plx::RenormRecipeAttr::get(&context, value, values[0]);
    return plx::RsqrtRecipeAttr::get(&context, value, values[0]);
  });
}

plx_recipe GraphBuilder::constant(const float *data, llvm::ArrayRef<int64_t> shape) {
  if (!ok())
    return kFailed;
  auto count = checkedElements(shape.vec(), int64_t(1) << 32);
  if (!count || !data)
    return fail(Code::InvalidArgument, "constant of shape " + shapeToString(shape.vec())), kFailed;
  std::string name = constantSource->add(data, shape, *count);
  auto type = RankedTensorType::get(shape, b.getF32Type());
  return addRecipe([&](EmitError) { return plx::SourceAttr::get(&context, name, type); });
}

int32_t GraphBuilder::weight(llvm::StringRef name, plx_recipe id) {
  const Recipe *r = recipe(id);
  if (!r)
    return kFailed;
  auto [it, fresh] = weights.try_emplace(name.str(), nullptr);
  if (!r->attr)
    return 0;
  if (!fresh) {
    auto declared = cast_or_null<plx::WeightOp>(it->second);
    if (declared && declared.getRecipe() == r->attr)
      return 0;
    return fail(Code::InvalidArgument,
                "weight '" + name.str() + "' is declared twice, differently"),
           kFailed;
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(&model.getBody().front(), model.getBody().front().begin());
  // Declarations stand before the segments, in the order in which they were made.
  for (Operation &op : model.getBody().front())
    if (isa<plx::WeightOp, plx::StateOp>(op))
      b.setInsertionPointAfter(&op);
  OperationState state(NameLoc::get(b.getStringAttr(name)), plx::WeightOp::getOperationName());
  plx::WeightOp::build(b, state, name, r->type, r->attr);
  it->second = createVerified(state);
  return it->second ? 0 : kFailed;
}

/// The type of a state, null where the description has sizes that it cannot have.
static Type stateType(MLIRContext &context, const plx_state_desc &d) {
  if (d.kind == PLX_STATE_REPLACE) {
    llvm::ArrayRef<int64_t> shape(d.shape, d.shape ? d.rank : 0);
    bool fits = !shape.empty() && shape.size() <= 8 && d.window == 0 &&
                llvm::all_of(shape, [](int64_t size) { return size > 0; });
    return fits ? plx::CarryType::get(&context, shape) : Type();
  }
  bool fits = d.heads > 0 && d.key_dim > 0 && d.value_dim > 0 &&
              (d.kind == PLX_STATE_RING) == (d.window > 0);
  return fits ? attn::KVType::get(&context, d.heads, d.key_dim, d.value_dim, KvForm::F32,
                                  attn::RopeAttr())
              : Type();
}

int32_t GraphBuilder::state(llvm::StringRef name, const plx_state_desc &d) {
  if (!ok())
    return kFailed;
  static const std::map<int32_t, plx::StateKind> kinds = {
      {PLX_STATE_KV, plx::StateKind::KV},
      {PLX_STATE_RING, plx::StateKind::Ring},
      {PLX_STATE_REPLACE, plx::StateKind::Replace}};
  auto kind = kinds.find(d.kind);
  if (kind == kinds.end())
    return fail(Code::Unsupported, "state '" + name.str() + "' of kind " + std::to_string(d.kind)),
           kFailed;
  if (d.next)
    return fail(Code::Unsupported, "state '" + name.str() + "' with an unknown extension"), kFailed;
  Type type = stateType(context, d);
  if (!type)
    return fail(Code::InvalidArgument,
                "state '" + name.str() + "' has sizes that are not positive"),
           kFailed;
  if (states.count(name.str()))
    return fail(Code::InvalidArgument, "state '" + name.str() + "' is declared twice"), kFailed;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&model.getBody().front());
  OperationState state(NameLoc::get(b.getStringAttr(name)), plx::StateOp::getOperationName());
  plx::StateOp::build(
      b, state, b.getStringAttr(name), plx::StateKindAttr::get(&context, kind->second),
      d.window ? b.getI64IntegerAttr(d.window) : IntegerAttr(), TypeAttr::get(type));
  // Discardable: the names mean nothing to passes.
  if (d.kind == PLX_STATE_REPLACE && d.input)
    state.addAttribute(plx::kInputAttr, b.getStringAttr(d.input));
  if (d.kind == PLX_STATE_REPLACE && d.output)
    state.addAttribute(plx::kOutputAttr, b.getStringAttr(d.output));
  states[name.str()] = createVerified(state);
  return states[name.str()] ? 0 : kFailed;
}

plx_value GraphBuilder::param(llvm::StringRef name) {
  if (!needOpen(false))
    return kFailed;
  auto it = weights.find(name.str());
  if (it == weights.end())
    return fail(Code::NotFound, "no weight '" + name.str() + "' was declared"), kFailed;
  if (!it->second)
    return addValue({});
  auto op =
      plx::ParamOp::create(b, NameLoc::get(b.getStringAttr(name)), cast<plx::WeightOp>(it->second));
  return addValue(op.getResult());
}

plx_value GraphBuilder::getState(llvm::StringRef name) {
  if (!needOpen(false))
    return kFailed;
  auto it = states.find(name.str());
  if (it == states.end() || !it->second)
    return fail(Code::NotFound, "no state '" + name.str() + "' was declared"), kFailed;
  auto op = plx::GetStateOp::create(b, NameLoc::get(b.getStringAttr(name)),
                                    cast<plx::StateOp>(it->second));
  return addValue(op.getResult());
}

/// Runs `visit(param, layer)` for every weight of every run; layer -1 where the run has none.
static void forEachUse(plx::ModelOp model,
                       llvm::function_ref<void(plx::WeightOp, int64_t layer)> visit) {
  llvm::StringMap<llvm::SmallVector<plx::WeightOp>> params; // by segment
  for (auto segment : model.getOps<plx::SegmentOp>())
    for (StringAttr name : plx::collectParams(segment))
      if (auto weight = model.lookupSymbol<plx::WeightOp>(name))
        params[segment.getSymName()].push_back(weight);
  for (auto schedule : model.getOps<plx::ScheduleOp>())
    for (auto run : schedule.getOps<plx::RunOp>())
      for (plx::WeightOp weight : params[run.getSegment()])
        visit(weight, run.getLayer().value_or(-1));
}

std::vector<std::string> GraphBuilder::neededWeights() {
  auto layersAttr = model->getAttrOfType<IntegerAttr>("layers");
  const int64_t layers = layersAttr ? layersAttr.getInt() : 0;
  std::set<std::string> out;
  auto add = [&](const std::string &name, bool evenIfAbsent) {
    if (name.find("{layer}") == std::string::npos) {
      out.insert(name);
      return;
    }
    for (int64_t l = 0; l < layers; ++l)
      if (evenIfAbsent || files->find(atLayer(name, l)))
        out.insert(atLayer(name, l));
  };
  if (!files)
    return {};
  // Not every layer has every weight that some layer has: those that runs need come below.
  for (const std::string &name : asked)
    add(name, false);
  for (const std::string &name : missing)
    add(name, true);
  forEachUse(model, [&](plx::WeightOp weight, int64_t layer) {
    for (llvm::StringRef name : plx::recipeSources(weight.getRecipe()))
      if (!constantSource->find(name.str()))
        out.insert(layer < 0 ? name.str() : atLayer(name.str(), layer));
  });
  return {out.begin(), out.end()};
}

/// A run's layer must have every weight of its segment, in the type and shape of the other layers.
void GraphBuilder::checkLayers() {
  if (!files)
    return;
  llvm::StringMap<const TensorView *> first;
  forEachUse(model, [&](plx::WeightOp weight, int64_t layer) {
    for (llvm::StringRef name : plx::recipeSources(weight.getRecipe())) {
      if (!name.contains("{layer}"))
        continue;
      if (layer < 0)
        return fail(Code::InvalidArgument,
                    "weight '" + name.str() + "' needs a layer, but a run of its segment has none");
      const std::string at = atLayer(name.str(), layer);
      const TensorView *view = files->find(at);
      if (!view)
        return fail(Code::NotFound, "weight '" + at + "' is not there");
      const TensorView *&other = first[name];
      if (!other)
        other = view;
      if (other->shape != view->shape || storedType(context, *other) != storedType(context, *view))
        return fail(Code::Mismatch,
                    "weight '" + at + "' is " + std::string(view->encodingName()) + " " +
                        shapeToString(view->shape) + ", in other layers it is " +
                        std::string(other->encodingName()) + " " + shapeToString(other->shape));
    }
  });
}

} // namespace plexus::compiler
