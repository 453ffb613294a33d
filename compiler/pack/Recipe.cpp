// Binding of recipes to tensors, and their evaluation over ranges of the flat result.
#include "compiler/pack/Recipe.h"

#include "compiler/pack/RecipeArithmetic.h"
#include "compiler/pack/RecipeGaussian.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace plexus::compiler {
namespace {

using Shape = std::vector<int64_t>;

/// Runs of at least this many elements are read once and front to back: their pages can go.
constexpr int64_t kLongRun = 1 << 16;

int64_t product(const Shape &shape, size_t begin, size_t end) {
  return std::accumulate(shape.begin() + begin, shape.begin() + end, int64_t(1),
                         std::multiplies<>());
}

int64_t elements(const Shape &shape) { return product(shape, 0, shape.size()); }

ErrorBuilder mismatch() { return error(Code::Mismatch); }

//===--- Shapes -------------------------------------------------------------------------------===//

Status checkAxis(const Recipe &r) {
  if (r.axis < 0 || static_cast<size_t>(r.axis) >= r.parts[0].shape.size())
    return mismatch() << "axis " << r.axis << " of a tensor of shape "
                      << shapeToString(r.parts[0].shape);
  return Status::ok();
}

Status inferJoin(Recipe &r) {
  PLX_RETURN_IF_ERROR(checkAxis(r));
  r.shape = r.parts[0].shape;
  int64_t size = 0;
  for (const Recipe &part : r.parts) {
    Shape like = part.shape;
    if (like.size() == r.shape.size())
      like[r.axis] = r.shape[r.axis];
    bool sameSize = part.shape.size() == r.shape.size() &&
                    (r.kind == Recipe::Kind::Concat || part.shape[r.axis] == r.shape[r.axis]);
    if (like != r.shape || !sameSize)
      return mismatch() << "parts of shapes " << shapeToString(r.parts[0].shape) << " and "
                        << shapeToString(part.shape) << " cannot be joined along axis " << r.axis;
    size += part.shape[r.axis];
  }
  if (r.kind == Recipe::Kind::Interleave && (r.block <= 0 || r.shape[r.axis] % r.block != 0))
    return mismatch() << "axis of " << r.shape[r.axis] << " is no multiple of the block of "
                      << r.block;
  r.shape[r.axis] = size;
  return Status::ok();
}

Status inferSlice(Recipe &r) {
  PLX_RETURN_IF_ERROR(checkAxis(r));
  r.shape = r.parts[0].shape;
  int64_t whole = r.shape[r.axis];
  if (r.begin < 0 || r.size < 0 || r.begin > whole || r.size > whole - r.begin)
    return mismatch() << "slice of " << r.size << " from " << r.begin << " of an axis of " << whole;
  r.shape[r.axis] = r.size;
  return Status::ok();
}

Status inferTranspose(Recipe &r) {
  const Shape &from = r.parts[0].shape;
  Shape sorted = r.dims, identity(from.size());
  std::sort(sorted.begin(), sorted.end());
  std::iota(identity.begin(), identity.end(), 0);
  if (sorted != identity)
    return mismatch() << shapeToString(r.dims) << " is no permutation of the axes of "
                      << shapeToString(from);
  for (int64_t axis : r.dims)
    r.shape.push_back(from[axis]);
  return Status::ok();
}

Status inferReshape(Recipe &r) {
  r.shape = r.dims;
  auto count = checkedElements(r.dims);
  if (!count || *count != elements(r.parts[0].shape))
    return mismatch() << "cannot reshape " << shapeToString(r.parts[0].shape) << " to "
                      << shapeToString(r.dims);
  return Status::ok();
}

Status inferSame(Recipe &r) {
  r.shape = r.parts[0].shape;
  return Status::ok();
}

Status inferShape(Recipe &r) {
  using Kind = Recipe::Kind;
  bool joins = r.kind == Kind::Concat || r.kind == Kind::Interleave || r.kind == Kind::Sum ||
               r.kind == Kind::Einsum || r.kind == Kind::Unsort || r.kind == Kind::Whiten;
  if (r.kind != Recipe::Kind::Source && (r.parts.empty() || (!joins && r.parts.size() != 1)))
    return error(Code::InvalidArgument) << "a recipe has " << r.parts.size() << " parts";
  for (Recipe &part : r.parts)
    PLX_RETURN_IF_ERROR(inferShape(part));
  static constexpr Status (*kInfer[])(Recipe &) = {
      nullptr,     inferJoin,   inferJoin,   inferSlice,  inferTranspose, inferReshape,
      inferSame,   inferSame,   inferSame,   inferSame,   inferSum,       inferBox,
      inferRenorm, inferEinsum, inferUnsort, inferWhiten, inferSpectrum};
  return r.kind == Recipe::Kind::Source ? Status::ok() : kInfer[static_cast<size_t>(r.kind)](r);
}

/// Finds every source; the names of those that are missing are collected.
Status bindSources(Recipe &r, const TensorSource &source, int layer, std::string &missing) {
  if (r.kind == Recipe::Kind::Source) {
    r.name = nameOfLayer(r.name, layer);
    r.view = source.find(r.name);
    if (!r.view) {
      missing += (missing.empty() ? "'" : ", '") + r.name + "'";
      return Status::ok();
    }
    r.shape = r.view->shape;
    if (!r.dims.empty() && r.dims != r.shape)
      return mismatch() << "tensor '" << r.name << "' of " << source.path() << " has shape "
                        << shapeToString(r.shape) << ", the model expects "
                        << shapeToString(r.dims);
  }
  for (Recipe &part : r.parts)
    PLX_RETURN_IF_ERROR(bindSources(part, source, layer, missing));
  return Status::ok();
}

//===--- Evaluation ---------------------------------------------------------------------------===//

Status evaluate(const Recipe &r, int64_t first, int64_t count, float *out);

Status evaluateSource(const Recipe &r, int64_t first, int64_t count, float *out) {
  PLX_RETURN_IF_ERROR(decodeElements(*r.view, first, count, out));
  if (count >= kLongRun)
    r.view->drop(first, count);
  return Status::ok();
}

/// A run of the result that is a run of one part.
struct Run {
  const Recipe *part;
  int64_t first, count;
};

/// Splits the range into runs: `runAt(outer, offset)` gives the run that begins at flat `offset`
/// of the `outer`th hyper-row (the axes from `axis` on).
template <typename RunAt>
Status evaluateRuns(const Recipe &r, int64_t first, int64_t count, float *out, RunAt runAt) {
  int64_t row = product(r.shape, r.axis, r.shape.size());
  while (count > 0) {
    Run run = runAt(first / row, first % row);
    int64_t length = std::min(run.count, count);
    PLX_RETURN_IF_ERROR(evaluate(*run.part, run.first, length, out));
    first += length;
    out += length;
    count -= length;
  }
  return Status::ok();
}

Status evaluateConcat(const Recipe &r, int64_t first, int64_t count, float *out) {
  int64_t inner = product(r.shape, r.axis + 1, r.shape.size());
  return evaluateRuns(r, first, count, out, [&](int64_t outer, int64_t offset) {
    size_t p = 0;
    while (offset >= r.parts[p].shape[r.axis] * inner)
      offset -= r.parts[p++].shape[r.axis] * inner;
    int64_t row = r.parts[p].shape[r.axis] * inner;
    return Run{&r.parts[p], outer * row + offset, row - offset};
  });
}

Status evaluateInterleave(const Recipe &r, int64_t first, int64_t count, float *out) {
  int64_t inner = product(r.shape, r.axis + 1, r.shape.size());
  int64_t block = r.block * inner, parts = static_cast<int64_t>(r.parts.size());
  int64_t row = r.parts[0].shape[r.axis] * inner;
  return evaluateRuns(r, first, count, out, [&](int64_t outer, int64_t offset) {
    int64_t index = offset / block, inside = offset % block;
    return Run{&r.parts[index % parts], outer * row + index / parts * block + inside,
               block - inside};
  });
}

Status evaluateSlice(const Recipe &r, int64_t first, int64_t count, float *out) {
  const Recipe &part = r.parts[0];
  int64_t inner = product(r.shape, r.axis + 1, r.shape.size());
  int64_t row = r.size * inner, partRow = part.shape[r.axis] * inner;
  return evaluateRuns(r, first, count, out, [&](int64_t outer, int64_t offset) {
    return Run{&part, outer * partRow + r.begin * inner + offset, row - offset};
  });
}

/// The permutation with neighbouring axes that stay together merged into one.
struct Permutation {
  Shape sizes; ///< Of the result's axes.
  Shape steps; ///< Elements between neighbours of each in the part.
};

Permutation mergedPermutation(const Recipe &r) {
  const Shape &from = r.parts[0].shape;
  Permutation merged;
  for (size_t i = 0; i < r.dims.size(); ++i) {
    size_t axis = r.dims[i];
    int64_t step = product(from, axis + 1, from.size());
    if (i > 0 && r.dims[i] == r.dims[i - 1] + 1) {
      merged.sizes.back() *= from[axis];
      merged.steps.back() = step;
    } else {
      merged.sizes.push_back(from[axis]);
      merged.steps.push_back(step);
    }
  }
  return merged;
}

/// Position in the part of the result's flat index.
int64_t sourceIndex(const Permutation &p, int64_t flat) {
  int64_t index = 0;
  for (size_t i = p.sizes.size(); i-- > 0; flat /= p.sizes[i])
    index += flat % p.sizes[i] * p.steps[i];
  return index;
}

/// Rows [row, row + rows) of a transposed matrix, whose result rows have `columns` elements: strips
/// of the part's rows are read and turned in tiles that stay in the cache.
Status transposeRows(const Recipe &part, int64_t base, int64_t partRow, int64_t rows,
                     int64_t columns, float *out) {
  constexpr int64_t kStrip = 16;
  std::vector<float> strip(static_cast<size_t>(kStrip * rows));
  for (int64_t c = 0; c < columns; c += kStrip) {
    int64_t width = std::min(kStrip, columns - c);
    for (int64_t i = 0; i < width; ++i)
      PLX_RETURN_IF_ERROR(evaluate(part, base + (c + i) * partRow, rows, strip.data() + i * rows));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < width; ++i)
        out[r * columns + c + i] = strip[i * rows + r];
  }
  return Status::ok();
}

Status evaluateTranspose(const Recipe &r, int64_t first, int64_t count, float *out) {
  const Recipe &part = r.parts[0];
  Permutation p = mergedPermutation(r);
  if (p.sizes.empty())
    return evaluate(part, first, count, out);
  int64_t columns = p.sizes.back(), step = p.steps.back();
  bool strips = p.sizes.size() >= 2 && p.steps[p.sizes.size() - 2] == 1;
  while (count > 0) {
    int64_t inRow = first % columns, length = std::min(count, columns - inRow);
    int64_t from = sourceIndex(p, first);
    if (step == 1) {
      PLX_RETURN_IF_ERROR(evaluate(part, from, length, out));
    } else if (strips && inRow == 0 && count >= columns) {
      int64_t axis = p.sizes[p.sizes.size() - 2], row = first / columns % axis;
      int64_t rows = std::min(axis - row, count / columns);
      PLX_RETURN_IF_ERROR(transposeRows(part, from, step, rows, columns, out));
      length = rows * columns;
    } else {
      for (int64_t i = 0; i < length; ++i)
        PLX_RETURN_IF_ERROR(evaluate(part, from + i * step, 1, out + i));
    }
    first += length;
    out += length;
    count -= length;
  }
  return Status::ok();
}

/// The part's elements in their order, each changed for itself.
template <auto Change>
Status evaluateEach(const Recipe &r, int64_t first, int64_t count, float *out) {
  PLX_RETURN_IF_ERROR(evaluate(r.parts[0], first, count, out));
  for (int64_t i = 0; i < count; ++i)
    out[i] = Change(out[i], r.number);
  return Status::ok();
}

constexpr auto kKeep = [](float x, float) { return x; };
constexpr auto kScale = [](float x, float factor) { return x * factor; };
constexpr auto kOffset = [](float x, float addend) { return x + addend; };
constexpr auto kRsqrt = [](float x, float addend) {
  return static_cast<float>(1 / std::sqrt(double(x) + double(addend)));
};

constexpr auto kExp = [](float x, float) { return static_cast<float>(std::exp(double(x))); };

/// A value that was computed as a whole.
Status evaluateValue(const Recipe &r, int64_t first, int64_t count, float *out) {
  std::copy_n(r.value->begin() + first, count, out);
  return Status::ok();
}

Status evaluate(const Recipe &r, int64_t first, int64_t count, float *out) {
  if (r.kind >= Recipe::Kind::Sum)
    return evaluateValue(r, first, count, out);
  static constexpr Status (*kEvaluate[])(const Recipe &, int64_t, int64_t, float *) = {
      evaluateSource,       evaluateConcat,      evaluateInterleave,   evaluateSlice,
      evaluateTranspose,    evaluateEach<kKeep>, evaluateEach<kScale>, evaluateEach<kOffset>,
      evaluateEach<kRsqrt>, evaluateEach<kExp>};
  return kEvaluate[static_cast<size_t>(r.kind)](r, first, count, out);
}

/// Computes the values of kinds that need their parts as wholes, innermost first.
Status computeValues(Recipe &r) {
  for (Recipe &part : r.parts)
    PLX_RETURN_IF_ERROR(computeValues(part));
  if (r.kind < Recipe::Kind::Sum)
    return Status::ok();
  std::vector<std::vector<float>> parts;
  for (const Recipe &part : r.parts) {
    parts.emplace_back(static_cast<size_t>(elements(part.shape)));
    PLX_RETURN_IF_ERROR(evaluate(part, 0, elements(part.shape), parts.back().data()));
  }
  if (r.kind == Recipe::Kind::Whiten) {
    PLX_ASSIGN(std::vector<float> value, whiten(r, parts));
    r.value = std::make_shared<const std::vector<float>>(std::move(value));
    return Status::ok();
  }
  r.value = std::make_shared<const std::vector<float>>(wholeValue(r, parts));
  return Status::ok();
}

} // namespace

std::string nameOfLayer(std::string_view name, int layer) {
  constexpr std::string_view kHole = "{layer}";
  std::string text(name);
  for (size_t at = 0; (at = text.find(kHole, at)) != std::string::npos;)
    text.replace(at, kHole.size(), std::to_string(layer));
  return text;
}

Expected<Recipe> bindRecipe(const Recipe &recipe, const TensorSource &source, int layer) {
  Recipe bound = recipe;
  std::string missing;
  PLX_RETURN_IF_ERROR(bindSources(bound, source, layer, missing));
  if (!missing.empty())
    return error(Code::NotFound) << source.path() << " has no tensor " << missing;
  PLX_RETURN_IF_ERROR(inferShape(bound));
  PLX_RETURN_IF_ERROR(computeValues(bound));
  return bound;
}

Status evaluateRecipe(const Recipe &bound, int64_t first, int64_t count, float *out) {
  int64_t total = elements(bound.shape);
  if (first < 0 || count < 0 || first > total || count > total - first)
    return error(Code::InvalidArgument)
           << "elements " << first << " to " << first << "+" << count << " of " << total;
  return evaluate(bound, first, count, out);
}

void dropSources(const Recipe &bound) {
  if (bound.view)
    bound.view->drop(0, bound.view->elements());
  for (const Recipe &part : bound.parts)
    dropSources(part);
}

} // namespace plexus::compiler
