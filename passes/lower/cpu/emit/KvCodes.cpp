// A group's scale is its range in steps; codes count from its minimum, both rounded to f16 first.
#include "passes/lower/cpu/emit/KvCodes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "runtime/abi/Call.h"

using namespace mlir;

namespace plexus::emit {

static constexpr int64_t kTokens = PLX_PAGE_TOKENS, kGroup = KvPartLayout::kGroup, kLevels = 255;

Value KvCodes::codeAddress(Value part, Value head, Value token, Value byte) const {
  int64_t bytes = layout.codeBytes();
  Value place = keys ? code.add(code.mul(code.add(code.mul(head, bytes), byte), kTokens), token)
                     : code.add(code.mul(code.add(code.mul(head, kTokens), token), bytes), byte);
  return byteOffset(code.builder, code.loc, part, place);
}

Value KvCodes::scaleAddress(Value part, Value head, Value token, Value group, int64_t which) const {
  int64_t groups = layout.groups();
  Value line =
      keys ? code.add(code.mul(head, groups), group) : code.add(code.mul(head, kTokens), token);
  Value place = keys ? code.add(code.mul(code.add(code.mul(line, 2), which), kTokens), token)
                     : code.add(code.mul(code.add(code.mul(line, groups), group), 2), which);
  return byteOffset(code.builder, code.loc, part,
                    code.add(code.mul(place, 2), layout.scalesOffset()));
}

Value KvCodes::loadHalf(Value address) const {
  Value half = code.make<LLVM::LoadOp>(code.builder.getF16Type(), address, 2);
  return code.make<arith::ExtFOp>(code.builder.getF32Type(), half);
}

//===--- Rounding ---===//

void KvCodes::write(Value part, Value head, Value token, Value row) const {
  OpBuilder &b = code.builder;
  // Padding repeats the last entry, which changes no range.
  if (layout.dim < layout.paddedDim()) {
    Value last = code.loadScalar(row, {code.index(layout.dim - 1)});
    code.loop(layout.dim, layout.paddedDim(), 1,
              [&](Value i) { code.make<memref::StoreOp>(last, row, ValueRange{i}); });
  }
  Value codes = code.stackBuffer(kGroup, b.getI8Type());
  code.loop(0, layout.groups(), 1,
            [&](Value group) { writeGroup(part, head, token, group, row, codes); });
}

void KvCodes::writeGroup(Value part, Value head, Value token, Value group, Value row,
                         Value codes) const {
  OpBuilder &b = code.builder;
  Type f32 = b.getF32Type(), f16 = b.getF16Type();
  Value first = code.mul(group, kGroup);
  Code::Values xs;
  for (int64_t i = 0; i < kGroup; i += lanes)
    xs.push_back(code.loadVector(code.floats(lanes), row, {code.add(first, i)}));
  Value low = xs[0], high = xs[0];
  for (Value x : llvm::drop_begin(xs)) {
    low = code.make<arith::MinimumFOp>(low, x);
    high = code.make<arith::MaximumFOp>(high, x);
  }
  low = code.make<vector::ReductionOp>(vector::CombiningKind::MINIMUMF, low);
  high = code.make<vector::ReductionOp>(vector::CombiningKind::MAXIMUMF, high);
  Value step = code.make<arith::MulFOp>(code.make<arith::SubFOp>(high, low),
                                        code.constant(f32, 1.0 / static_cast<double>(kLevels)));
  Value scaleHalf = code.make<arith::TruncFOp>(f16, step);
  Value lowHalf = code.make<arith::TruncFOp>(f16, low);
  code.make<LLVM::StoreOp>(scaleHalf, scaleAddress(part, head, token, group, 0), 2);
  code.make<LLVM::StoreOp>(lowHalf, scaleAddress(part, head, token, group, 1), 2);
  Value scale = code.make<arith::ExtFOp>(f32, scaleHalf);
  Value base = code.make<arith::ExtFOp>(f32, lowHalf);
  Value some = code.make<arith::CmpFOp>(arith::CmpFPredicate::OGT, scale, code.constant(f32, 0));
  Value inverse = code.make<arith::DivFOp>(code.constant(f32, 1), scale);
  inverse = code.select(some, inverse, code.constant(f32, 0));
  auto type = code.floats(lanes);
  Value most = code.constant(type, static_cast<double>(kLevels)), zero = code.constant(type, 0);
  for (auto [i, x] : llvm::enumerate(xs)) {
    Value q = code.make<arith::MulFOp>(code.make<arith::SubFOp>(x, code.splat(lanes, base)),
                                       code.splat(lanes, inverse));
    // Comparisons that NaN fails leave an integer in range; the scale says NaN.
    q = code.select(code.make<arith::CmpFOp>(arith::CmpFPredicate::OGT, q, zero), q, zero);
    q = code.select(code.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, q, most), q, most);
    q = code.make<arith::AddFOp>(q, code.constant(type, 0.5));
    Value integers = code.make<arith::FPToUIOp>(code.vectorType(lanes, b.getI32Type()), q);
    code.storeVector(code.make<arith::TruncIOp>(code.vectorType(lanes, b.getI8Type()), integers),
                     codes, {code.index(static_cast<int64_t>(i) * lanes)});
  }
  code.loop(0, kGroup, 1, [&](Value j) {
    Value byte = code.loadScalar(codes, {j});
    code.make<LLVM::StoreOp>(byte, codeAddress(part, head, token, code.add(first, j)), 1);
  });
}

//===--- Decoding ---===//

/// Unsigned `bytes`, a vector or one, as f32.
Value KvCodes::bytesToFloats(Value bytes) const {
  OpBuilder &b = code.builder;
  auto vector = dyn_cast<VectorType>(bytes.getType());
  Type words = b.getI32Type(), floats = b.getF32Type();
  if (vector) {
    words = code.vectorType(vector.getNumElements(), words);
    floats = code.vectorType(vector.getNumElements(), floats);
  }
  Value value = code.make<arith::ExtUIOp>(words, bytes);
  return code.make<arith::SIToFPOp>(floats, value);
}

void KvCodes::decode(Value part, Value head, Value out) const {
  keys ? decodeKeys(part, head, out) : decodeValues(part, head, out);
}

void KvCodes::decodeKeys(Value part, Value head, Value out) const {
  OpBuilder &b = code.builder;
  auto halves = code.vectorType(lanes, b.getF16Type());
  auto bytes = code.vectorType(lanes, b.getI8Type());
  code.loop(0, layout.groups(), 1, [&](Value group) {
    for (int64_t t = 0; t < kTokens; t += lanes) {
      Value token = code.index(t);
      auto number = [&](int64_t which) {
        Value half =
            code.make<LLVM::LoadOp>(halves, scaleAddress(part, head, token, group, which), 2);
        return code.make<arith::ExtFOp>(code.floats(lanes), half).getResult();
      };
      Value scale = number(0), low = number(1);
      code.loop(0, kGroup, 1, [&](Value j) {
        Value entry = code.add(code.mul(group, kGroup), j);
        Value loaded = code.make<LLVM::LoadOp>(bytes, codeAddress(part, head, token, entry), 1);
        code.storeVector(code.fma(bytesToFloats(loaded), scale, low), out,
                         {code.add(code.mul(entry, kTokens), t)});
      });
    }
  });
}

void KvCodes::decodeValues(Value part, Value head, Value out) const {
  auto bytes = code.vectorType(lanes, code.builder.getI8Type());
  code.loop(0, kTokens, 1, [&](Value token) {
    code.loop(0, layout.groups(), 1, [&](Value group) {
      Value scale = code.splat(lanes, loadHalf(scaleAddress(part, head, token, group, 0)));
      Value low = code.splat(lanes, loadHalf(scaleAddress(part, head, token, group, 1)));
      for (int64_t j = 0; j < kGroup; j += lanes) {
        Value entry = code.add(code.mul(group, kGroup), j);
        Value loaded = code.make<LLVM::LoadOp>(bytes, codeAddress(part, head, token, entry), 1);
        code.storeVector(code.fma(bytesToFloats(loaded), scale, low), out,
                         {code.add(code.mul(token, layout.paddedDim()), entry)});
      }
    });
  });
}

Value KvCodes::element(Value part, Value head, Value token, Value entry) const {
  Value group = code.div(entry, kGroup);
  Value byte =
      code.make<LLVM::LoadOp>(code.builder.getI8Type(), codeAddress(part, head, token, entry), 1);
  return code.fma(bytesToFloats(byte), loadHalf(scaleAddress(part, head, token, group, 0)),
                  loadHalf(scaleAddress(part, head, token, group, 1)));
}

} // namespace plexus::emit
