// Generates reads of a quantized weight's blocks: headers, values as bytes, elements as f32.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_QUANTBLOCK_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_QUANTBLOCK_H

#include "passes/lower/cpu/emit/Code.h"
#include "runtime/io/PackedForm.h"

namespace plexus::emit {

/// Reads `lanes` neighbouring columns of a block at a time. Offsets are bytes in `bytes`, columns
/// are in [0, 64), of type index. See runtime/io/PackedForm.h for what lies where.
class QuantBlock {
public:
  /// `bytes`: memref<?xi8>, the whole weight; `k`: its rows.
  QuantBlock(Code code, const PackedForm &form, int64_t k, mlir::Value bytes, int64_t lanes);

  /// Where one record lies.
  struct Record {
    mlir::Value super;  ///< the superblock's header; null: there is none
    mlir::Value header; ///< scales
    mlir::Value values;
  };
  /// Record `index` of block `block`.
  Record record(mlir::Value block, mlir::Value index) const;

  /// What turns values v of a record into elements; vectors of f32.
  struct Header {
    mlir::Value scale;
    mlir::Value zero; ///< z as it is stored; null without zeros
  };
  Header header(const Record &record, mlir::Value column) const;
  /// `header` with what is added to scale * v in place of the zero; null: nothing.
  Header addends(Header header) const;

  /// The values of one unit at `offset`: for each four neighbouring k vector<lanes x i32>, whose
  /// bytes are values; signed for Q8.
  Code::Values quads(mlir::Value offset, mlir::Value column) const;
  /// The elements at k = 4 q + part of quad q, from a header with addends.
  mlir::Value element(mlir::Value quad, int64_t part, const Header &header) const;

  /// Calls `store(k, element)` for all k of `units` units from `first` of a record; k is an index
  /// counted from `first`.
  using Store = llvm::function_ref<void(mlir::Value k, mlir::Value element)>;
  void decode(const Record &record, mlir::Value first, mlir::Value units, mlir::Value column,
              Store store) const;

  /// All `k` elements of weight row `row`, one after another: vectors of one lane. Needs lanes
  /// == 1.
  void decodeRow(mlir::Value row, Store store) const;

  const PackedGeometry &geometry() const { return place; }
  int64_t unit() const { return info.unit; }

private:
  void decodeUnit(const Record &record, mlir::Value unit, mlir::Value column, const Header &header,
                  int64_t count, Store store) const;
  mlir::Value load(mlir::Value offset, mlir::Type element) const;
  mlir::Value half(mlir::Value header, mlir::Value column, int64_t offset) const;
  mlir::Value multiplier(mlir::Value header, mlir::Value column, int64_t offset) const;
  mlir::Value bits(mlir::Value quads, int64_t shift, int64_t mask) const;
  mlir::Value floating(mlir::Value quad, int64_t part) const;

  Code code;
  PackedForm form;
  PackedValueInfo info;
  PackedGeometry place;
  int64_t depth; ///< k that are not padding
  mlir::Value bytes;
  int64_t lanes;
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_QUANTBLOCK_H
