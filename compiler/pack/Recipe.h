// Weight recipes: expressions over source tensors, evaluated piece by piece as f32.
#pragma once

#include "runtime/io/TensorSource.h"
#include "runtime/support/Status.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace plexus::compiler {

/// One node of a recipe, the values of the `#plx` recipe attributes (docs/contracts.md, section 1).
/// The tree is plain data: the packer knows no IR.
struct Recipe {
  enum class Kind {
    Source,     ///< The tensor `name`; "{layer}" in it is filled in by bindRecipe.
    Concat,     ///< `parts` one after another along `axis`.
    Interleave, ///< Blocks of `block` entries of the parts in turn along `axis`.
    Slice,      ///< `size` entries from `begin` along `axis`.
    Transpose,  ///< Axis i of the result is axis `dims[i]` of the part.
    Reshape,    ///< The part's elements in row-major order as `dims`.
    Scale,      ///< Each element times `number`.
    Offset,     ///< Each element plus `number`.
    Rsqrt,      ///< 1 / sqrt(x + `number`) of each element.
    Exp,        ///< e^x of each element.
    Sum,        ///< Elementwise, of parts of one shape.
    Box,        ///< The part convolved with `size` ones along `axis`.
    Renorm,     ///< Rows whose L2 norm is above `number`, scaled down to it.
    Einsum,     ///< Sum of products over the axes that the letters in `name` name.
    Unsort,     ///< Columns of the second part, the i-th at the place that the first part has at i.
    Whiten,     ///< What `name` says of a covariance matrix, as pairs of f32.
    Spectrum,   ///< The last axis at the roots of x^(size / 2) = i (runtime/io/Spectrum.h).
  };
  Kind kind = Kind::Source;
  std::string name; ///< Of a Source; of an Einsum its axes, "ik,kj->ij"; of a Whiten its result.
  int64_t axis = 0, block = 0, begin = 0, size = 0;
  float number = 0;
  std::vector<int64_t> dims; ///< Of a Source: the shape that the model expects, empty: any.
  std::vector<Recipe> parts;

  // Filled in by bindRecipe.
  std::vector<int64_t> shape;
  const TensorView *view = nullptr;
  /// Of kinds whose elements depend on many of the parts': the value, computed once.
  std::shared_ptr<const std::vector<float>> value;
};

/// The recipe over the tensors of `source`, `layer` in the holes of their names, with all shapes.
/// NotFound lists every missing tensor; Mismatch says whose shape does not fit, and where.
Expected<Recipe> bindRecipe(const Recipe &recipe, const TensorSource &source, int layer);

/// `name` with "{layer}" replaced.
std::string nameOfLayer(std::string_view name, int layer);

/// Elements [first, first + count) of a bound recipe's value, in row-major order. Pages of the
/// sources that were read in long runs are let go.
Status evaluateRecipe(const Recipe &bound, int64_t first, int64_t count, float *out);

/// Lets go of all pages of the sources.
void dropSources(const Recipe &bound);

} // namespace plexus::compiler
