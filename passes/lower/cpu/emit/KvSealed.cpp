// Decodes sealed pages, and turns keys, on their way into the products of attention.
#include "passes/lower/cpu/emit/KvSealed.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/KvPages.h"
#include "passes/lower/cpu/emit/Pairs.h"
#include "passes/lower/cpu/emit/VectorMath.h"

using namespace mlir;

namespace plexus::emit {

static constexpr int64_t kTokens = PLX_PAGE_TOKENS, kGroup = KvSealedLayout::kGroup,
                         kCodes = KvSealedLayout::kCodeBytes;

void KvSealed::allocate() {
  OpBuilder &b = code.builder;
  Type f32 = b.getF32Type();
  int64_t keyRows = spec.keys().paddedDim();
  int64_t vectors = std::max(layout.keyDim, layout.valueVectors());
  floats = code.stackBuffer(keyRows * kTokens, f32);
  scales = code.stackBuffer(vectors, f32);
  minima = code.stackBuffer(vectors, f32);
  if (turns()) {
    cosines = code.stackBuffer(spec.keptRope->dims / 2 * kTokens, f32);
    sines = code.stackBuffer(spec.keptRope->dims / 2 * kTokens, f32);
    stepCosines = code.stackBuffer(spec.keptRope->dims / 2 * kTokens, f32);
    stepSines = code.stackBuffer(spec.keptRope->dims / 2 * kTokens, f32);
    fillSteps();
  }
  int64_t size = std::max(keyRows, layout.paddedValueDim()) * kTokens;
  Value bytes = code.stackBuffer(size * 2, b.getI8Type());
  halves = code.view(bytes, code.index(0), size, b.getI16Type());
  words = code.view(bytes, code.index(0), size / 2, b.getI32Type());
}

//===--- Memory ---===//

Value KvSealed::at(Value base, Value bytes) const {
  return byteOffset(code.builder, code.loc, base, bytes);
}

Value KvSealed::loadHalf(Value address) const {
  Value half = code.make<LLVM::LoadOp>(code.builder.getF16Type(), address, 2);
  return code.make<arith::ExtFOp>(code.builder.getF32Type(), half);
}

Value KvSealed::bytesToFloats(Value bytes, bool isSigned) const {
  OpBuilder &b = code.builder;
  Type wide = b.getI32Type(), result = b.getF32Type();
  if (auto type = dyn_cast<VectorType>(bytes.getType())) {
    wide = code.vectorType(type.getNumElements(), wide);
    result = code.vectorType(type.getNumElements(), result);
  }
  Value integers = isSigned ? code.make<arith::ExtSIOp>(wide, bytes).getResult()
                            : code.make<arith::ExtUIOp>(wide, bytes).getResult();
  return code.make<arith::SIToFPOp>(result, integers);
}

Value KvSealed::row(Value entry, int64_t token) const {
  return code.add(code.mul(entry, kTokens), token);
}

/// Words whose halves are bf16 of two vectors of f32.
Value KvSealed::joinHalves(Value low, Value high) const {
  OpBuilder &b = code.builder;
  if (isa.bf16Dot && lanes == 16) {
    // One instruction rounds both, one behind the other, a second mixes them.
    auto name = b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512");
    Value halves = code.make<LLVM::CallIntrinsicOp>(code.vectorType(2 * lanes, b.getBF16Type()),
                                                    name, ValueRange{high, low})
                       .getResult(0);
    halves = code.make<vector::BitCastOp>(code.vectorType(2 * lanes, b.getI16Type()), halves);
    llvm::SmallVector<int64_t> order;
    for (int64_t i = 0; i < lanes; ++i)
      order.append({i, lanes + i});
    halves = code.make<vector::ShuffleOp>(halves, halves, order);
    return code.make<vector::BitCastOp>(code.vectorType(lanes, b.getI32Type()), halves);
  }
  VectorType type =
      code.vectorType(cast<VectorType>(low.getType()).getNumElements(), code.builder.getI32Type());
  Value first = code.make<arith::ExtUIOp>(type, roundToBf16(code, isa, low));
  Value second = code.make<arith::ExtUIOp>(type, roundToBf16(code, isa, high));
  second = code.make<arith::ShLIOp>(second, code.constant(type, 16));
  return code.make<arith::OrIOp>(first, second);
}

//===--- Codes ---===//

void KvSealed::loadKeyScales(Value part) const {
  OpBuilder &b = code.builder;
  Value unit = loadHalf(at(part, layout.keyUnit()));
  code.pieces(layout.keyDim, lanes, [&](Value d, VectorType type) {
    int64_t count = type.getNumElements();
    Value half = code.make<LLVM::LoadOp>(code.vectorType(count, b.getF16Type()),
                                         at(part, code.add(code.mul(d, 2), layout.keyMinima())), 2);
    code.storeVector(code.make<arith::ExtFOp>(type, half), minima, {d});
    Value bytes = code.make<LLVM::LoadOp>(code.vectorType(count, b.getI8Type()),
                                          at(part, code.add(d, layout.keyScales())), 1);
    code.storeVector(code.make<arith::MulFOp>(bytesToFloats(bytes, false), code.splat(count, unit)),
                     scales, {d});
  });
}

void KvSealed::loadValueScales(Value part) const {
  OpBuilder &b = code.builder;
  Value unit = loadHalf(at(part, layout.valueUnits()));
  Value lowUnit = loadHalf(at(part, layout.valueUnits() + 2));
  code.loop(0, layout.valueVectors(), lanes, [&](Value v) {
    auto load = [&](int64_t place, bool isSigned, Value by, Value to) {
      Value bytes = code.make<LLVM::LoadOp>(code.vectorType(lanes, b.getI8Type()),
                                            at(part, code.add(v, place)), 1);
      code.storeVector(
          code.make<arith::MulFOp>(bytesToFloats(bytes, isSigned), code.splat(lanes, by)), to, {v});
    };
    load(layout.valueMinima(), true, lowUnit, minima);
    load(layout.valueScales(), false, unit, scales);
  });
}

std::pair<Value, Value> KvSealed::decode(Value codes, Value scale, Value low) const {
  OpBuilder &b = code.builder;
  VectorType wide = code.vectorType(lanes, b.getI32Type());
  Value bytes = code.make<LLVM::LoadOp>(code.vectorType(lanes, b.getI8Type()), codes, 1);
  Value both = code.make<arith::ExtUIOp>(wide, bytes);
  auto number = [&](Value q) {
    Value x = code.make<arith::SIToFPOp>(code.floats(lanes), q);
    return code.fma(x, scale, low);
  };
  return {number(code.make<arith::AndIOp>(both, code.constant(wide, 15))),
          number(code.make<arith::ShRUIOp>(both, code.constant(wide, 4)))};
}

void KvSealed::forOutliers(Value list, int64_t number,
                           llvm::function_ref<void(Value, Value)> body) const {
  Type i16 = code.builder.getI16Type(), i32 = code.builder.getI32Type();
  code.loop(0, number, 1, [&](Value i) {
    Value pair = at(list, code.mul(i, KvSealedLayout::kOutlierBytes));
    Value place = code.make<LLVM::LoadOp>(i16, pair, 2);
    Value half = code.make<LLVM::LoadOp>(i16, at(pair, 2), 2);
    body(code.toIndex(code.make<arith::ExtUIOp>(i32, place)), half);
  });
}

//===--- Keys ---===//

void KvSealed::prefetch(Value address, int64_t bytes) const {
  for (int64_t i = 0; i < bytes; i += 64)
    code.make<LLVM::Prefetch>(at(address, i), /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

void KvSealed::prefetchKeys(Value layer, Value head) const {
  prefetch(at(layer, code.mul(head, layout.keyBytes())), layout.keyBytes());
}

void KvSealed::prefetchValues(Value layer, Value head) const {
  prefetch(at(layer, code.add(code.mul(head, layout.valueBytes()), layout.valuePlace(0))),
           layout.valueBytes());
}

/// Rotations by vectors of 32 positions, as f32, times `factor`.
void KvSealed::fillTable(llvm::ArrayRef<Value> positions, float factor, Value toCosines,
                         Value toSines) const {
  for (auto [v, position] : llvm::enumerate(positions)) {
    int64_t t = static_cast<int64_t>(v) * lanes;
    code.loop(0, spec.keptRope->dims / 2, 1, [&](Value i) {
      Value angles =
          code.make<arith::MulFOp>(position, code.splat(lanes, code.loadScalar(frequencies, {i})));
      auto [sine, cosine] = emitSinCos(code.builder, code.loc, angles);
      Value scale = code.constant(code.floats(lanes), factor);
      code.storeVector(code.make<arith::MulFOp>(cosine, scale), toCosines, {row(i, t)});
      code.storeVector(code.make<arith::MulFOp>(sine, scale), toSines, {row(i, t)});
    });
  }
}

void KvSealed::fillSteps() const {
  Code::Values positions;
  for (int64_t t = 0; t < kTokens; t += lanes) {
    llvm::SmallVector<float> numbers;
    for (int64_t i = 0; i < lanes; ++i)
      numbers.push_back(static_cast<float>(t + i));
    positions.push_back(code.make<arith::ConstantOp>(
        DenseElementsAttr::get(code.floats(lanes), llvm::ArrayRef<float>(numbers))));
  }
  fillTable(positions, spec.keptRope->attentionScaling, stepCosines, stepSines);
}

/// Rotations by the 32 positions from `first` (f32) on: by the first and by the step, one after the
/// other.
void KvSealed::addSteps(Value first) const {
  int64_t half = spec.keptRope->dims / 2;
  code.pieces(half, lanes, [&](Value i, VectorType type) {
    Value angles = code.make<arith::MulFOp>(code.splat(type.getNumElements(), first),
                                            code.loadVector(type, frequencies, {i}));
    auto [sine, cosine] = emitSinCos(code.builder, code.loc, angles);
    code.storeVector(cosine, scales, {i}); // free until a head's are loaded
    code.storeVector(sine, minima, {i});
  });
  code.loop(0, half, 1, [&](Value i) {
    Value cosine = code.splat(lanes, code.loadScalar(scales, {i}));
    Value sine = code.splat(lanes, code.loadScalar(minima, {i}));
    for (int64_t t = 0; t < kTokens; t += lanes) {
      Value stepCosine = loadRow(stepCosines, i, t), stepSine = loadRow(stepSines, i, t);
      auto product = [&](Value x, Value y) { return code.make<arith::MulFOp>(x, y).getResult(); };
      code.storeVector(
          code.fma(cosine, stepCosine, code.make<arith::NegFOp>(product(sine, stepSine))), cosines,
          {row(i, t)});
      code.storeVector(code.fma(sine, stepCosine, product(cosine, stepSine)), sines, {row(i, t)});
    }
  });
}

void KvSealed::setPage(Value page, Value isSealed) const {
  OpBuilder &b = code.builder;
  VectorType words = code.vectorType(lanes, b.getI32Type());
  Value first = code.make<LLVM::LoadOp>(b.getI32Type(), page, 4);
  Value inOrder = isSealed;
  Code::Values positions;
  for (int64_t t = 0; t < kTokens; t += lanes) {
    Value numbers = code.make<LLVM::LoadOp>(words, at(page, t * 4), 4);
    positions.push_back(code.make<arith::SIToFPOp>(code.floats(lanes), numbers));
    llvm::SmallVector<int32_t> steps;
    for (int64_t i = 0; i < lanes; ++i)
      steps.push_back(static_cast<int32_t>(t + i));
    Value expected = code.make<arith::AddIOp>(code.splat(lanes, first),
                                              code.make<arith::ConstantOp>(DenseElementsAttr::get(
                                                  words, llvm::ArrayRef<int32_t>(steps))));
    Value same = code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, numbers, expected);
    Value all = code.make<vector::ReductionOp>(vector::CombiningKind::AND, same);
    inOrder = code.make<arith::AndIOp>(inOrder, all);
  }
  // A page that is not sealed may not be full: what its rows are turned by must not depend on it.
  code.ifElse(
      inOrder, [&] { addSteps(code.make<arith::SIToFPOp>(b.getF32Type(), first)); },
      [&] { fillTable(positions, spec.keptRope->attentionScaling, cosines, sines); });
}

/// Row `entry` of the keys under way, of cosines or of sines: the tokens from `token` on.
Value KvSealed::loadRow(Value memref, Value entry, int64_t token) const {
  return code.loadVector(code.floats(lanes), memref, {row(entry, token)});
}

/// Rows `first` and `second` turned as pair `pair`.
std::pair<Value, Value> KvSealed::turnRows(Value pair, Value first, Value second,
                                           int64_t token) const {
  Value a = loadRow(floats, first, token), b = loadRow(floats, second, token);
  Value cosine = loadRow(cosines, pair, token), sine = loadRow(sines, pair, token);
  auto product = [&](Value x, Value y) { return code.make<arith::MulFOp>(x, y).getResult(); };
  return {code.fma(a, cosine, code.make<arith::NegFOp>(product(b, sine))),
          code.fma(b, cosine, product(a, sine))};
}

void KvSealed::storeWords(Value number, int64_t token, Value low, Value high) const {
  code.storeVector(joinHalves(low, high), words, {row(number, token)});
}

/// Words [first, end) of the keys, from rows as they are.
void KvSealed::roundRows(int64_t first, int64_t end) const {
  code.loop(first, end, 1, [&](Value word) {
    Value entry = code.mul(word, 2);
    for (int64_t t = 0; t < kTokens; t += lanes)
      storeWords(word, t, loadRow(floats, entry, t), loadRow(floats, code.add(entry, 1), t));
  });
}

/// Turns the keys under way by the page's positions and rounds them.
Value KvSealed::turnKeys() const {
  const RopeSpec &rope = *spec.keptRope;
  int64_t half = rope.dims / 2;
  auto eachTile = [&](int64_t count, llvm::function_ref<void(Value, int64_t)> body) {
    code.loop(0, count, 1, [&](Value i) {
      for (int64_t t = 0; t < kTokens; t += lanes)
        body(i, t);
    });
  };
  if (rope.interleaved) { // a pair is a word
    eachTile(half, [&](Value i, int64_t t) {
      Value entry = code.mul(i, 2);
      auto [first, second] = turnRows(i, entry, code.add(entry, 1), t);
      storeWords(i, t, first, second);
    });
  } else if (half % 2 == 0) { // two pairs are two words
    eachTile(half / 2, [&](Value i, int64_t t) {
      Value entry = code.mul(i, 2), next = code.add(entry, 1);
      auto [a, b] = turnRows(entry, entry, code.add(entry, half), t);
      auto [c, d] = turnRows(next, next, code.add(next, half), t);
      storeWords(i, t, a, c);
      storeWords(code.add(i, half / 2), t, b, d);
    });
  } else {
    eachTile(half, [&](Value i, int64_t t) {
      auto [first, second] = turnRows(i, i, code.add(i, half), t);
      code.storeVector(first, floats, {row(i, t)});
      code.storeVector(second, floats, {row(code.add(i, half), t)});
    });
    roundRows(0, half);
  }
  roundRows(half, spec.keys().paddedDim() / 2);
  return bytesAddress(code, words);
}

Value KvSealed::roundKeys() const {
  roundRows(0, spec.keys().paddedDim() / 2);
  return bytesAddress(code, words);
}

Value KvSealed::keys(Value layer, Value head) const {
  OpBuilder &b = code.builder;
  Value part = at(layer, code.mul(head, layout.keyBytes()));
  loadKeyScales(part);
  code.loop(0, layout.keyDim, 1, [&](Value d) {
    Value scale = code.splat(lanes, code.loadScalar(scales, {d}));
    Value low = code.splat(lanes, code.loadScalar(minima, {d}));
    for (int64_t j = 0; j < kCodes; j += lanes) {
      auto [first, second] = decode(at(part, code.add(code.mul(d, kCodes), j)), scale, low);
      code.storeVector(first, floats, {row(d, j)});
      code.storeVector(second, floats, {row(d, kCodes + j)});
    }
  });
  for (int64_t d = layout.keyDim; d < spec.keys().paddedDim(); ++d)
    for (int64_t t = 0; t < kTokens; t += lanes)
      code.storeVector(code.constant(code.floats(lanes), 0), floats, {row(code.index(d), t)});
  forOutliers(at(part, layout.keyOutlierList()), layout.keyOutliers(),
              [&](Value place, Value half) {
                Value word = code.make<arith::ExtUIOp>(b.getI32Type(), half);
                word = code.make<arith::ShLIOp>(word, code.constant(b.getI32Type(), 16));
                Value exact = code.make<arith::BitcastOp>(b.getF32Type(), word);
                code.make<memref::StoreOp>(exact, floats, ValueRange{place});
              });
  return turns() ? turnKeys() : roundKeys();
}

Value KvSealed::openKeys(Value part) const {
  VectorType type = code.vectorType(lanes, code.builder.getI32Type());
  code.loop(0, spec.keys().paddedDim() / 2, 1, [&](Value pair) {
    for (int64_t t = 0; t < kTokens; t += lanes) {
      Value loaded = code.make<LLVM::LoadOp>(type, at(part, code.mul(row(pair, t), 4)), 4);
      auto [first, second] = widenPairs(code, loaded);
      code.storeVector(first, floats, {row(code.mul(pair, 2), t)});
      code.storeVector(second, floats, {row(code.add(code.mul(pair, 2), 1), t)});
    }
  });
  return turnKeys();
}

//===--- Values ---===//

Value KvSealed::values(Value layer, Value head) const {
  Value part = at(layer, code.add(code.mul(head, layout.valueBytes()), layout.valuePlace(0)));
  int64_t groups = layout.groups(), padded = layout.paddedValueDim();
  loadValueScales(part);
  code.loop(0, kTokens / 2, 1, [&](Value pair) {
    code.loop(0, groups, 1, [&](Value group) {
      Value first = code.add(code.mul(pair, 2 * groups), group), second = code.add(first, groups);
      auto number = [&](Value memref, Value v) {
        return code.splat(lanes, code.loadScalar(memref, {v}));
      };
      Value to = code.add(code.mul(pair, padded), code.mul(group, kGroup));
      for (int64_t j = 0; j < kCodes; j += lanes) {
        auto entries = [&](Value v) {
          return decode(at(part, code.add(code.mul(v, kCodes), j)), number(scales, v),
                        number(minima, v));
        };
        auto [low0, high0] = entries(first);
        auto [low1, high1] = entries(second);
        code.storeVector(joinHalves(low0, low1), words, {code.add(to, j)});
        code.storeVector(joinHalves(high0, high1), words, {code.add(to, kCodes + j)});
      }
    });
  });
  forOutliers(at(part, layout.valueOutlierList()), layout.valueOutliers(),
              [&](Value place, Value half) {
                Value token = code.div(place, padded), entry = code.rem(place, padded);
                Value word = code.add(code.mul(code.div(token, 2), padded), entry);
                Value to = code.add(code.mul(word, 2), code.rem(token, 2));
                code.make<memref::StoreOp>(half, halves, ValueRange{to});
              });
  return bytesAddress(code, words);
}

//===--- Single entries ---===//

/// Entry `number` of 32 whose codes begin at `codes`.
Value KvSealed::element(Value codes, Value number, Value scale, Value low) const {
  OpBuilder &b = code.builder;
  Type i32 = b.getI32Type();
  Value byte = code.make<LLVM::LoadOp>(b.getI8Type(), at(codes, code.rem(number, kCodes)), 1);
  Value both = code.make<arith::ExtUIOp>(i32, byte);
  Value q = code.select(code.less(number, code.index(kCodes)),
                        code.make<arith::AndIOp>(both, code.constant(i32, 15)),
                        code.make<arith::ShRUIOp>(both, code.constant(i32, 4)));
  return code.fma(code.make<arith::SIToFPOp>(b.getF32Type(), q), scale, low);
}

/// `value`, or what the list has for `place`; rounded as the pages that are made are.
Value KvSealed::withOutliers(Value value, Value list, int64_t number, Value place) const {
  OpBuilder &b = code.builder;
  return code.loop(
      code.index(0), code.index(number), 1, ValueRange{value},
      [&](Value i, ValueRange before) -> Code::Values {
        Value pair = at(list, code.mul(i, KvSealedLayout::kOutlierBytes));
        Type i16 = b.getI16Type(), i32 = b.getI32Type();
        auto load = [&](Value from) -> Value {
          return code.make<arith::ExtUIOp>(i32, code.make<LLVM::LoadOp>(i16, from, 2).getResult());
        };
        Value isIt =
            code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, code.toIndex(load(pair)), place);
        Value word = code.make<arith::ShLIOp>(load(at(pair, 2)), code.constant(i32, 16));
        Value exact = code.make<arith::BitcastOp>(b.getF32Type(), word);
        return {code.select(isIt, exact, before[0])};
      })[0];
}

Value KvSealed::keyElement(Value layer, Value head, Value token, Value entry) const {
  Value part = at(layer, code.mul(head, layout.keyBytes()));
  auto byte = [&](Value address) {
    return bytesToFloats(code.make<LLVM::LoadOp>(code.builder.getI8Type(), address, 1), false);
  };
  Value scale = code.make<arith::MulFOp>(byte(at(part, code.add(entry, layout.keyScales()))),
                                         loadHalf(at(part, layout.keyUnit())));
  Value low = loadHalf(at(part, code.add(code.mul(entry, 2), layout.keyMinima())));
  Value value = element(at(part, code.mul(entry, kCodes)), token, scale, low);
  return withOutliers(value, at(part, layout.keyOutlierList()), layout.keyOutliers(),
                      code.add(code.mul(entry, kTokens), token));
}

Value KvSealed::valueElement(Value layer, Value head, Value token, Value entry) const {
  Value part = at(layer, code.add(code.mul(head, layout.valueBytes()), layout.valuePlace(0)));
  Value vector = code.add(code.mul(token, layout.groups()), code.div(entry, kGroup));
  auto byte = [&](int64_t place, bool isSigned) {
    Value loaded =
        code.make<LLVM::LoadOp>(code.builder.getI8Type(), at(part, code.add(vector, place)), 1);
    return bytesToFloats(loaded, isSigned);
  };
  Value scale = code.make<arith::MulFOp>(byte(layout.valueScales(), false),
                                         loadHalf(at(part, layout.valueUnits())));
  Value low = code.make<arith::MulFOp>(byte(layout.valueMinima(), true),
                                       loadHalf(at(part, layout.valueUnits() + 2)));
  Value value = element(at(part, code.mul(vector, kCodes)), code.rem(entry, kGroup), scale, low);
  return withOutliers(value, at(part, layout.valueOutlierList()), layout.valueOutliers(),
                      code.add(code.mul(token, layout.paddedValueDim()), entry));
}

} // namespace plexus::emit
