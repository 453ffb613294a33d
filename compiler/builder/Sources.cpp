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

std::optional<int64_t> firstLayer(const TensorSource &source, std::string_view name) {
  const size_t hole = name.find(kHole);
  if (hole == std::string_view::npos)
    return source.find(name) ? std::optional<int64_t>(-1) : std::nullopt;
  if (source.find(atLayer(name, 0)))
    return 0;
  // Rare: a kind of block that does not begin at layer 0.
  const std::string_view prefix = name.substr(0, hole);
  std::optional<int64_t> first;
  for (const std::string &candidate : source.names()) {
    if (!candidate.starts_with(prefix))
      continue;
    int64_t layer = 0;
    auto [end, code] = std::from_chars(candidate.data() + prefix.size(),
                                       candidate.data() + candidate.size(), layer);
    if (code == std::errc() && atLayer(name, layer) == candidate)
      first = std::min(first.value_or(layer), layer);
  }
  return first;
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

/// Whether every layer that has `name` has it in the same blocks as `first`.
static bool sameBlocks(const TensorSource &source, std::string_view name, int64_t firstLayer,
                       const TensorView &first) {
  if (firstLayer < 0)
    return true;
  const std::string_view prefix = name.substr(0, name.find(kHole));
  const std::string_view suffix = name.substr(name.find(kHole) + kHole.size());
  return llvm::all_of(source.names(), [&](const std::string &candidate) {
    bool isLayer = candidate.starts_with(prefix) && candidate.ends_with(suffix);
    return !isLayer || source.find(candidate)->quantizedForm() == first.quantizedForm();
  });
}

Attribute sourceRecipe(MLIRContext &context, const TensorSource &source, std::string_view name) {
  auto layer = firstLayer(source, name);
  if (!layer)
    return {};
  const TensorView &view = *source.find(*layer < 0 ? std::string(name) : atLayer(name, *layer));
  std::optional<PackedForm> form = view.quantizedForm();
  if (!form || view.shape.size() != 2 || !sameBlocks(source, name, *layer, view))
    return sourceRecipe(context, view, name);
  auto packed = plx::PackedAttr::get(&context, *form);
  return plx::SourceAttr::get(&context, name,
                              RankedTensorType::get(view.shape, packed.getStorage(), packed));
}

} // namespace plexus::compiler
