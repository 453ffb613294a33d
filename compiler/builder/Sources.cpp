// Layer holes in weight names; source tensors as recipes.
#include "compiler/builder/Sources.h"

#include "dialects/plx/PlxOps.h"

#include <algorithm>
#include <charconv>

using namespace mlir;

namespace plexus::compiler {

static constexpr std::string_view kHole = "{layer}";

std::string atLayer(std::string_view name, int64_t layer) {
  std::string out(name);
  for (size_t at; (at = out.find(kHole)) != std::string::npos;)
    out.replace(at, kHole.size(), std::to_string(layer));
  return out;
}

/// The layers at which the source has `name`, in no order; -1 alone where the name has no hole.
static std::vector<int64_t> layersOf(const TensorSource &source, std::string_view name) {
  const size_t hole = name.find(kHole);
  if (hole == std::string_view::npos)
    return source.find(name) ? std::vector<int64_t>{-1} : std::vector<int64_t>();
  const std::string_view prefix = name.substr(0, hole);
  std::vector<int64_t> layers;
  for (const std::string &candidate : source.names()) {
    if (!candidate.starts_with(prefix))
      continue;
    int64_t layer = 0;
    auto [end, code] = std::from_chars(candidate.data() + prefix.size(),
                                       candidate.data() + candidate.size(), layer);
    if (code == std::errc() && atLayer(name, layer) == candidate)
      layers.push_back(layer);
  }
  return layers;
}

std::optional<int64_t> firstLayer(const TensorSource &source, std::string_view name) {
  if (name.find(kHole) != std::string_view::npos && source.find(atLayer(name, 0)))
    return 0;
  // Rare: a kind of block that does not begin at layer 0.
  std::vector<int64_t> layers = layersOf(source, name);
  auto first = std::min_element(layers.begin(), layers.end());
  return first == layers.end() ? std::nullopt : std::optional(*first);
}

Type storedType(MLIRContext &context, const TensorView &view) {
  if (view.quantizedForm())
    return Float16Type::get(&context);
  switch (view.dtype) {
  case DType::F16:
    return Float16Type::get(&context);
  case DType::BF16:
    return BFloat16Type::get(&context);
  default:
    return Float32Type::get(&context);
  }
}

Attribute sourceRecipe(MLIRContext &context, const TensorView &view, std::string_view name) {
  return plx::SourceAttr::get(&context, name,
                              RankedTensorType::get(view.shape, storedType(context, view)));
}

static const TensorView &viewAt(const TensorSource &source, std::string_view name, int64_t layer) {
  return *source.find(layer < 0 ? std::string(name) : atLayer(name, layer));
}

/// Whether every layer that has `name` has it in the same blocks as `first`.
static bool sameBlocks(const TensorSource &source, std::string_view name, const TensorView &first) {
  return llvm::all_of(layersOf(source, name), [&](int64_t layer) {
    return viewAt(source, name, layer).quantizedForm() == first.quantizedForm();
  });
}

/// The name of the order in which columns of `name` are stored. Modules side by side that were
/// quantized for one input have one order: they get the first one's name, so that products of that
/// input can be merged.
static std::string nameOfOrder(const TensorSource &source, std::string_view name) {
  auto orderAt = [&](std::string_view weight, int64_t layer) -> llvm::ArrayRef<int32_t> {
    const TensorView *view = source.find(layer < 0 ? std::string(weight) : atLayer(weight, layer));
    if (!view || !view->matrix || !view->matrix->order())
      return {};
    return {view->matrix->order(), static_cast<size_t>(view->shape[1])};
  };
  std::string_view module = name.substr(0, name.rfind('.'));
  std::string parent(module.substr(0, module.rfind('.') + 1)), chosen(name);
  std::vector<int64_t> layers = layersOf(source, name);
  std::string beside = layers.front() < 0 ? parent : atLayer(parent, layers.front());
  for (const std::string &candidate : source.names()) {
    if (!candidate.starts_with(beside) || !candidate.ends_with(".weight"))
      continue;
    std::string other = parent + candidate.substr(beside.size());
    if (llvm::all_of(layers, [&](int64_t l) { return orderAt(other, l) == orderAt(name, l); })) {
      chosen = other;
      break; // names are sorted
    }
  }
  return chosen + std::string(kOrderSuffix);
}

/// The matrix whose columns are stored in `order`, from its two parts.
static Attribute orderedRecipe(MLIRContext &context, const TensorSource &source,
                               std::string_view name) {
  llvm::SmallVector<Attribute> parts{
      sourceRecipe(context, source, nameOfOrder(source, name)),
      sourceRecipe(context, source, std::string(name) + std::string(kStoredSuffix))};
  return plx::UnsortRecipeAttr::get(&context, parts);
}

Attribute sourceRecipe(MLIRContext &context, const TensorSource &source, std::string_view name) {
  auto layer = firstLayer(source, name);
  if (!layer)
    return {};
  const TensorView &view = viewAt(source, name, *layer);
  if (view.matrix && view.matrix->order())
    return orderedRecipe(context, source, name);
  std::optional<PackedForm> form = view.quantizedForm();
  if (!form || view.shape.size() != 2 || !sameBlocks(source, name, view))
    return sourceRecipe(context, view, name);
  auto packed = plx::PackedAttr::get(&context, *form);
  return plx::SourceAttr::get(&context, name,
                              RankedTensorType::get(view.shape, packed.getStorage(), packed));
}

} // namespace plexus::compiler
