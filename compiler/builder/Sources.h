// Where a graph's weights come from, under the names that families use.
#pragma once

#include "runtime/io/TensorSource.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Types.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::compiler {

/// Weights by the family's names (those of the Hugging Face checkpoint). A catalog over another
/// format maps them to its own names and says how its bytes become the expected layout.
class WeightCatalog {
public:
  virtual ~WeightCatalog() = default;
  /// The tensor under the family's name (no "{layer}"), or null. Shape and type are those of the
  /// result of `recipe`.
  virtual const TensorView *find(std::string_view name) const = 0;
  /// All of the family's names that the file has.
  virtual std::vector<std::string> names() const = 0;
  /// Recipe for `name`, which may hold "{layer}": plain sources where the file's layout is the
  /// family's.
  virtual mlir::Attribute recipe(mlir::MLIRContext &context, std::string_view name) const = 0;
  /// The source that the names inside recipes refer to.
  virtual std::shared_ptr<const TensorSource> tensors() const = 0;
};

/// A catalog whose names and layouts are the file's own.
class PlainCatalog final : public WeightCatalog {
public:
  explicit PlainCatalog(std::shared_ptr<const TensorSource> source) : source(std::move(source)) {}
  const TensorView *find(std::string_view name) const override { return source->find(name); }
  std::vector<std::string> names() const override { return source->names(); }
  mlir::Attribute recipe(mlir::MLIRContext &context, std::string_view name) const override;
  std::shared_ptr<const TensorSource> tensors() const override { return source; }

private:
  std::shared_ptr<const TensorSource> source;
};

/// The type that a tensor's elements are stored in by default: floats as they are, block-quantized
/// ones as f16, everything else as f32.
mlir::Type storedType(mlir::MLIRContext &context, const TensorView &view);
/// `#plx.source<"name" : tensor<...>>` with the view's shape and stored type.
mlir::Attribute sourceRecipe(mlir::MLIRContext &context, const TensorView &view,
                             std::string_view name);
/// `name` with "{layer}" replaced.
std::string atLayer(std::string_view name, int64_t layer);
/// The first layer at which the catalog has `name`; -1 where the name has no hole and is there;
/// nullopt where it is not.
std::optional<int64_t> firstLayer(const WeightCatalog &catalog, std::string_view name);

} // namespace plexus::compiler
