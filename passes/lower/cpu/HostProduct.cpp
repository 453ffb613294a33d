//===- HostProduct.cpp - products that the host computes --------------------------------------===//
// Products of many rows through plx_host::matmul (oneDNN), some columns at a time.
//===----------------------------------------------------------------------------------------------===//
#include "passes/lower/cpu/HostProduct.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/CallLayout.h"
#include "passes/lower/cpu/SegmentArgs.h"
#include "passes/lower/cpu/emit/ProductParts.h"
#include "runtime/abi/Call.h"

using namespace mlir;

namespace plexus::compiler {

using call::MatmulField;

/// Sums of a panel of 512 rows stay in cache, and its weights in the second level or near it.
static constexpr int64_t kPanelBytes = int64_t(4) << 20, kPanelBlocks = 16;
/// Elementary operations of an epilogue on one sum.
static constexpr int64_t kEpilogueWork = 4;

HostProduct::HostProduct(const emit::ProductSpec &spec, bool pairs) : spec(spec), pairs(pairs) {
  emit::PanelSpec one{spec.form, spec.k, pairs};
  blocks = std::clamp<int64_t>(kPanelBytes / one.bytes(), 1, kPanelBlocks);
  blocks = std::min(blocks, spec.blocks());
  if (!spec.form.isQuantized())
    return;
  decoded = one;
  decoded->blocks = blocks;
}

int64_t HostProduct::depth() const {
  return pairs ? PackedGeometry({PackedValues::BF16}, spec.k).paddedK : spec.k;
}

void HostProduct::allocate(SegmentLowering &segment, Location loc, Value rows) {
  OpBuilder &b = segment.builder();
  auto matrix = [&](int64_t columns, Type element) {
    return segment.allocate(MemRefType::get({ShapedType::kDynamic, columns}, element), rows);
  };
  sums = matrix(blocks * kPackedColumns, b.getF32Type());
  if (pairs)
    rounded = matrix(depth(), b.getBF16Type());
  if (decoded)
    weights = segment.allocate(MemRefType::get({decoded->bytes()}, b.getI8Type()), {});
  segment.status();
}

/// One call of the host: sums [rows, columns] = x W.
struct HostProduct::Call {
  Value rows, x, weight, columns, sums; ///< x, weight, sums: !llvm.ptr
};

void HostProduct::emitCall(SegmentLowering &segment, const emit::Code &code,
                           const Call &call) const {
  OpBuilder &b = code.builder;
  Location loc = code.loc;
  MLIRContext *context = b.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = b.getI64Type();
  auto type = call::matmulType(context);
  auto number = [&](int64_t value) {
    return code.make<LLVM::ConstantOp>(i64, b.getI64IntegerAttr(value)).getResult();
  };
  auto word = [&](int32_t value) {
    return code.make<LLVM::ConstantOp>(b.getI32Type(), b.getI32IntegerAttr(value)).getResult();
  };
  Value columns = code.toI64(call.columns);
  const std::pair<MatmulField, Value> fields[] = {
      {MatmulField::M, code.toI64(call.rows)},
      {MatmulField::N, columns},
      {MatmulField::K, number(depth())},
      {MatmulField::X, call.x},
      {MatmulField::XStride, number(depth())},
      {MatmulField::Weight, call.weight},
      {MatmulField::Layout, word(pairs ? PLX_LAYOUT_BF16 : PLX_LAYOUT_F32)},
      {MatmulField::Compute, word(pairs ? PLX_COMPUTE_ROUNDED : PLX_COMPUTE_F32)},
      {MatmulField::Out, call.sums},
      {MatmulField::OutStride, columns},
      // The host keeps its own.
      {MatmulField::Scratch, code.make<LLVM::ZeroOp>(pointer)},
  };
  code.stackScope([&] {
    Value frame = code.make<LLVM::AllocaOp>(pointer, type, number(1));
    for (auto [field, value] : fields)
      code.make<LLVM::StoreOp>(
          value, call::fieldAddress(b, loc, type, frame, static_cast<int32_t>(field)));
    Value self = call::loadHost(b, loc, segment.host(), call::HostField::Self);
    Value matmul = call::loadHost(b, loc, segment.host(), call::HostField::Matmul);
    auto callee = LLVM::LLVMFunctionType::get(b.getI32Type(), {pointer, pointer});
    Value result = code.make<LLVM::CallOp>(callee, ValueRange{matmul, self, frame}).getResult();
    Value status = segment.status(), before = code.loadScalar(status, {});
    Value good = code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, before,
                                          code.make<arith::ConstantIntOp>(0, 32));
    code.make<memref::StoreOp>(code.select(good, result, before), status, ValueRange());
  });
}

void HostProduct::emit(SegmentLowering &segment, OpBuilder &builder, Location loc,
                       const emit::ProductOperands &operands,
                       const emit::ProductEpilogue &epilogue) const {
  emit::Code code{builder, loc};
  auto flat = [&](Value memref) -> Value {
    return code.make<memref::CollapseShapeOp>(memref, ArrayRef<ReassociationIndices>{{0, 1}});
  };
  auto address = [&](Value memref) { return call::pointerFromMemref(builder, loc, memref); };
  auto parallel = [&](Value count, int64_t work, emit::Code::Body body) {
    code.parallel(count, body);
    builder.getInsertionBlock()->back().setAttr(kWorkAttr, builder.getI64IntegerAttr(work));
  };
  if (pairs) {
    Value to = flat(rounded);
    parallel(operands.rows, spec.k, [&](Value row) {
      emit::emitRoundedRow(code, segment.isa(), operands.x, row, spec.k, depth(), to,
                           [&](Value at) { return code.add(code.mul(row, depth()), at); });
    });
  }
  Value x = address(pairs ? rounded : operands.x), flatSums = flat(sums);
  int64_t blockBytes = PackedGeometry(spec.form, spec.k).blockBytes;
  code.loop(0, spec.blocks(), blocks, [&](Value first) {
    Value count = code.min(code.sub(code.index(spec.blocks()), first), code.index(blocks));
    Value weight;
    if (decoded) {
      emit::emitPanel(builder, loc, segment.isa(), *decoded, operands.weight, first, count,
                      weights);
      weight = address(weights);
    } else {
      weight = code.make<LLVM::GEPOp>(LLVM::LLVMPointerType::get(builder.getContext()),
                                      builder.getI8Type(), address(operands.weight),
                                      ValueRange{code.toI64(code.mul(first, blockBytes))});
    }
    Value columns = code.mul(count, kPackedColumns);
    emitCall(segment, code, {operands.rows, x, weight, columns, address(sums)});
    parallel(operands.rows, kEpilogueWork * blocks * kPackedColumns, [&](Value row) {
      Value begin = code.mul(row, columns);
      code.loop(code.index(0), count, 1, [&](Value block) {
        emit::emitRowEpilogue(code, segment.isa(), spec, epilogue, code.add(first, block), row,
                              flatSums, code.add(begin, code.mul(block, kPackedColumns)));
      });
    });
  });
}

} // namespace plexus::compiler
