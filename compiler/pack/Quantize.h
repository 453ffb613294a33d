// Rows of weights as integers with scales: rounding of f32, and the blocks that they make.
#pragma once

#include "compiler/pack/Fit.h"
#include "runtime/io/PackedForm.h"
#include "runtime/support/Status.h"

#include <cstdint>
#include <vector>

namespace plexus::compiler {

/// Up to 64 rows of a weight in a quantized form, taken apart: each number by its row. What is
/// never set is 0: rows that are missing are zero whatever their values.
struct QuantizedRows {
  QuantizedRows(const PackedForm &form, int64_t depth, const RangeRule &ranges = {});

  PackedForm form;
  RangeRule ranges; ///< How scales are found.
  int64_t depth;    ///< K, without padding.
  PackedGeometry geometry;
  std::vector<uint8_t> values;          ///< [64][paddedK] as they are stored, a byte each.
  std::vector<uint16_t> scales, zeros;  ///< [64][groups] f16; with superblocks [64][superblocks].
  std::vector<int8_t> scaleMultipliers; ///< With superblocks, [64][groups].
  std::vector<int8_t> zeroMultipliers;

  uint8_t *valuesOf(int64_t row) { return values.data() + row * geometry.paddedK; }
  /// f16 numbers a row: of groups, or of superblocks.
  int64_t halves() const {
    return geometry.superGroups ? geometry.groups / geometry.superGroups : geometry.groups;
  }
};

/// Rounds `depth` floats to row `row`. Scales are found as `out.ranges` says; in square errors
/// element k counts `importance[k]` times (null: all alike). InvalidArgument when a value is not
/// finite.
Status quantizeRow(const float *x, int64_t row, QuantizedRows &out,
                   const float *importance = nullptr);

/// Columns whose scales are found together: a group, or a superblock of them.
int64_t spanOf(const QuantizedRows &rows);
/// Finds and stores the scales of columns [first, first + span) of a row; `fits` has them by group.
void fitSpan(const float *x, const float *importance, int64_t row, int64_t first,
             std::vector<Fit> &fits, QuantizedRows &out);
/// InvalidArgument when one of the `depth` floats is not finite.
Status checkFinite(const float *x, const QuantizedRows &out);

/// Writes the block, geometry.blockBytes bytes (runtime/io/PackedForm.h).
void writeBlock(const QuantizedRows &rows, uint8_t *out);

} // namespace plexus::compiler
