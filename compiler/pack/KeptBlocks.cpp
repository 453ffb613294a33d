// Rows are followed through the recipe to their source, and taken apart block by block.
#include "compiler/pack/KeptBlocks.h"

#include "runtime/io/BlockParts.h"

#include <algorithm>

namespace plexus::compiler {
namespace {

struct SourceRow {
  const TensorView *view;
  int64_t row; ///< As it is stored.
};

SourceRow sourceRow(const Recipe &r, int64_t row) {
  switch (r.kind) {
  case Recipe::Kind::Concat: {
    size_t part = 0;
    while (row >= r.parts[part].shape[0])
      row -= r.parts[part++].shape[0];
    return sourceRow(r.parts[part], row);
  }
  case Recipe::Kind::Interleave: {
    auto parts = static_cast<int64_t>(r.parts.size());
    int64_t block = row / r.block;
    return sourceRow(r.parts[block % parts], block / parts * r.block + row % r.block);
  }
  case Recipe::Kind::Slice:
    return sourceRow(r.parts[0], r.begin + row);
  default:
    return {r.view, r.view->storedRow(row)};
  }
}

} // namespace

bool keepsBlocks(const Recipe &bound, const PackedForm &form) {
  if (bound.shape.size() != 2)
    return false;
  if (bound.kind == Recipe::Kind::Source)
    return bound.view->quantizedForm() == form;
  bool movesRows = bound.axis == 0 &&
                   (bound.kind == Recipe::Kind::Concat || bound.kind == Recipe::Kind::Interleave ||
                    bound.kind == Recipe::Kind::Slice);
  return movesRows && std::all_of(bound.parts.begin(), bound.parts.end(),
                                  [&](const Recipe &part) { return keepsBlocks(part, form); });
}

/// A row of a matrix whose parts lie apart.
static void keepMatrixRow(const SourceRow &source, int64_t column, int64_t to, QuantizedRows &out) {
  int64_t groups = out.geometry.groups, place = to * groups;
  std::vector<uint16_t> unused(out.zeros.empty() ? static_cast<size_t>(groups) : 0);
  uint16_t *zeros = out.zeros.empty() ? unused.data() : out.zeros.data() + place;
  source.view->matrix->read(source.row, column, out.depth, out.valuesOf(to),
                            out.scales.data() + place, zeros);
}

void keepRow(const Recipe &bound, int64_t from, int64_t column, int64_t to, QuantizedRows &out) {
  SourceRow source = sourceRow(bound, from);
  if (source.view->matrix)
    return keepMatrixRow(source, column, to, out);
  const BlockFormat &format = *source.view->block;
  int64_t first = (source.row * source.view->shape[1] + column) / format.elements;
  const uint8_t *bytes = source.view->bytes + static_cast<size_t>(first) * format.bytes;
  int64_t superGroups = out.geometry.superGroups, halves = out.halves();
  for (int64_t b = 0; b < out.depth / format.elements; ++b, bytes += format.bytes) {
    BlockParts parts;
    unpackBlock(format, bytes, parts);
    std::copy_n(parts.values.data(), format.elements, out.valuesOf(to) + b * format.elements);
    out.scales[to * halves + b] = parts.scale;
    bool zeros = out.form.zeros != PackedZeros::None;
    if (zeros)
      out.zeros[to * halves + b] = parts.zero;
    int64_t group = to * out.geometry.groups + b * superGroups;
    if (superGroups)
      std::copy_n(parts.scaleMultipliers.data(), superGroups, &out.scaleMultipliers[group]);
    if (superGroups && zeros)
      std::copy_n(parts.zeroMultipliers.data(), superGroups, &out.zeroMultipliers[group]);
  }
}

} // namespace plexus::compiler
