//===- PackedProduct.cpp - products inside the forms of other ops -----------------------------===//
// The emitter of products with its scratch, over parts of a weight.
//===----------------------------------------------------------------------------------------------===//
#include "passes/lower/cpu/PackedProduct.h"

#include "passes/lower/cpu/emit/Code.h"

using namespace mlir;

namespace plexus::compiler {

using emit::ProductCompute;

ComputeChoice chooseCompute(const PackedForm &form, const emit::Isa &isa, Compute wanted) {
  bool bf16 = form.values == PackedValues::BF16, rounds = wanted != Compute::F32;
  bool pairs = rounds && isa.bf16Dot && (bf16 || form.isQuantized());
  if (wanted == Compute::Int8 && form.isInteger())
    return {ProductCompute::IntAlways, "8-bit products"};
  if (wanted == Compute::Auto && form.isInteger())
    return {ProductCompute::IntFew,
            pairs ? "8-bit products of few rows, else bf16"
                  : "8-bit products of few rows, else f32",
            pairs};
  if (pairs && bf16)
    return {ProductCompute::Bf16, "bf16 products", pairs};
  return {ProductCompute::F32, pairs ? "f32 products of few rows, else bf16" : "f32 products",
          pairs};
}

PackedProduct::PackedProduct(SegmentLowering &segment, Location loc, Value tensor, Value rows,
                             int64_t parts)
    : segment(segment), loc(loc), weight(segment.buffer(tensor)) {
  auto type = cast<RankedTensorType>(tensor.getType());
  spec.k = type.getDimSize(1);
  spec.n = type.getDimSize(0) / parts;
  spec.form = plx::getPacked(type).getForm();
  ComputeChoice choice = chooseCompute(spec.form, segment.isa(), segment.options().compute);
  spec.compute = choice.compute;
  spec.manyPairs = choice.manyPairs;
  emit::ProductScratch needed = emit::productScratch(spec);
  if (needed.rowBytes == 0)
    return;
  emit::Code code{segment.builder(), loc};
  Value bytes = needed.allRows ? code.mul(rows, needed.rowBytes) : code.index(needed.bytes(0));
  scratch = segment.allocate(MemRefType::get({ShapedType::kDynamic}, segment.builder().getI8Type()),
                             bytes);
}

void PackedProduct::emit(Value x, Value rows, Value out, Value part) {
  emit::Code code{segment.builder(), loc};
  emit::ProductSpec product = spec;
  product.n = std::min(spec.n, cast<MemRefType>(out.getType()).getShape().back());
  Value bytes = weight;
  if (part) {
    // A memref of bytes that starts at the part.
    auto type = MemRefType::get({ShapedType::kDynamic}, segment.builder().getI8Type());
    bytes = code.make<memref::ViewOp>(type, weight, code.mul(part, spec.weightBytes()),
                                      ValueRange{code.index(spec.weightBytes())});
  }
  auto store = [&](OpBuilder &b, Location place, const emit::ProductLanes &lanes) {
    lanes.store(b, place, lanes.sums.front(), out, {lanes.row, lanes.column});
  };
  segment.emitParallel(
      64 * spec.k,
      [&] {
        emit::emitProduct(segment.builder(), loc, segment.isa(), product, {x, rows, bytes, scratch},
                          store);
      },
      emit::kFewRows);
}

} // namespace plexus::compiler
