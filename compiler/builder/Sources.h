// Source tensors as recipes, and the layer holes in their names.
#pragma once

#include "runtime/io/TensorSource.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Types.h"

#include <optional>
#include <string>
#include <string_view>

namespace plexus::compiler {

/// The type that a tensor's elements are stored in by default: floats as they are, block-quantized
/// ones as f16, everything else as f32.
mlir::Type storedType(mlir::MLIRContext &context, const TensorView &view);
/// `#plx.source<"name" : tensor<...>>` with the view's shape and stored type.
mlir::Attribute sourceRecipe(mlir::MLIRContext &context, const TensorView &view,
                             std::string_view name);
/// The same for the tensor `name`, which may hold "{layer}"; null where the source has none.
mlir::Attribute sourceRecipe(mlir::MLIRContext &context, const TensorSource &source,
                             std::string_view name);
/// `name` with "{layer}" replaced.
std::string atLayer(std::string_view name, int64_t layer);
/// The first layer at which the source has `name`; -1 where the name has no hole and is there;
/// nullopt where it is not.
std::optional<int64_t> firstLayer(const TensorSource &source, std::string_view name);

} // namespace plexus::compiler
