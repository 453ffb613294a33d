// Register tiles of attention: scores of rows with the keys of a page, and sums over its values.
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/AttentionParts.h"
#include "passes/lower/cpu/emit/Pairs.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "llvm/Support/MathExtras.h"
#include <limits>
#include <numeric>

using namespace mlir;

namespace plexus::emit {

AttentionTiles::AttentionTiles(const Code &code, const Isa &isa, const AttentionSpec &spec,
                               int64_t maxRows)
    : code(code), isa(isa), spec(spec), maxRows(maxRows), lanes(isa.lanes()),
      group(spec.heads / spec.kvHeads),
      queryWidth(spec.form == KvForm::BF16 ? spec.keys().paddedDim() : spec.keyDim),
      dots(spec.form == KvForm::BF16 && isa.bf16Dot), softmaxOps(code, isa, spec.valueDim) {}

void AttentionTiles::allocate() {
  OpBuilder &b = code.builder;
  Type f32 = b.getF32Type();
  auto pairs = [&](int64_t size, Value &halves, Value &words) {
    Value bytes = code.stackBuffer(size * 2, b.getI8Type());
    halves = code.view(bytes, code.index(0), size, b.getI16Type());
    words = code.view(bytes, code.index(0), size / 2, b.getI32Type());
  };
  scores = code.stackBuffer(maxRows * kStepSlots, f32);
  if (dots) {
    pairs(maxRows * queryWidth, queries, queryWords);
    pairs(maxRows * kStepSlots, weights, weightWords);
  } else {
    queries = code.stackBuffer(maxRows * queryWidth, f32);
  }
  softmaxes = softmaxOps.onStack(maxRows);
}

/// Taking pairs apart needs two registers more: with 16 of them, 6 rows would not fit.
int64_t AttentionTiles::tileRows() const {
  return isa.vectorRegisters <= 16 && spec.form == KvForm::BF16 ? 4 : 6;
}

int64_t AttentionTiles::tileVectors(int64_t rows, int64_t most) const {
  uint64_t budget = isa.vectorRegisters * 3 / 4;
  return std::min<int64_t>(llvm::bit_floor(budget / rows), llvm::bit_floor<uint64_t>(most));
}

void AttentionTiles::storeQuery(Value row, Value entry, Value vector) const {
  code.storeVector(dots ? roundToBf16(code, isa, vector) : vector, queries,
                   {code.add(code.mul(row, queryWidth), entry)});
}

void AttentionTiles::padQuery(Value row) const {
  Type type = cast<MemRefType>(queries.getType()).getElementType();
  for (int64_t i = spec.keyDim; i < queryWidth; ++i) {
    Value zero = code.make<arith::ConstantOp>(code.builder.getZeroAttr(type));
    code.make<memref::StoreOp>(zero, queries, ValueRange{code.add(code.mul(row, queryWidth), i)});
  }
}

//===--- What both products share ---===//

/// Vectors of words at words [place, place + vectors * width) of `data`.
Code::Values AttentionTiles::loadWords(Value data, Value place, int64_t vectors,
                                       int64_t width) const {
  Type element = unit() == 2 ? Type(code.builder.getI32Type()) : Type(code.builder.getF32Type());
  Code::Values words;
  for (int64_t v = 0; v < vectors; ++v)
    words.push_back(loadAt(code, code.vectorType(width, element),
                           elementAddress(code, data, code.add(place, v * width))));
  return words;
}

/// A word of pairs in all lanes with `dots`, else the f32 number `part` of the word at `place`.
Value AttentionTiles::factorWord(Value words, Value floats, Value place, int64_t part,
                                 int64_t width) const {
  if (dots)
    return code.splat(width, code.loadScalar(words, {place}));
  return code.splat(width, code.loadScalar(floats, {code.add(code.mul(place, unit()), part)}));
}

void AttentionTiles::multiply(Code::Values &tile, llvm::ArrayRef<Value> words, int64_t rows,
                              int64_t parts, Factor factor) const {
  int64_t vectors = static_cast<int64_t>(words.size());
  llvm::SmallVector<Code::Values, 2> operands(dots ? 1 : parts); // [part][vector]
  for (Value word : words) {
    if (dots || unit() == 1) {
      operands[0].push_back(word);
      continue;
    }
    auto [first, second] = widenPairs(code, word);
    operands[0].push_back(first);
    if (parts > 1)
      operands[1].push_back(second);
  }
  for (auto [part, own] : llvm::enumerate(operands))
    for (int64_t r = 0; r < rows; ++r) {
      Value x = factor(r, static_cast<int64_t>(part));
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = tile[r * vectors + v];
        sum = dots ? pairDot(code, x, own[v], sum) : code.fma(x, own[v], sum);
      }
    }
}

/// Asks for the lines of words [word, word + words) behind `base`.
void AttentionTiles::prefetch(Value few, Value base, Value word, int64_t words) const {
  if (!base)
    return;
  code.ifThen(few, [&] {
    for (int64_t i = 0; i < words; i += 16)
      code.make<LLVM::Prefetch>(elementAddress(code, base, code.add(word, i)), /*rw=*/0,
                                /*hint=*/3, /*cache=*/1);
  });
}

//===--- Scores ---===//

void AttentionTiles::score(const Keys &keys, const Rows &all, Value column) const {
  Value few = code.less(all.count, code.index(2 * tileRows()));
  code.wholeRowTiles(all.count, tileRows(), group, [&](int64_t rows, Value row) {
    scoreTile(keys, few, rows, code.add(all.first, row), column);
  });
}

void AttentionTiles::scoreTile(const Keys &keys, Value few, int64_t rows, Value row,
                               Value column) const {
  int64_t vectors = tileVectors(rows, kPageTokens / lanes), width = vectors * lanes;
  VectorType type = code.floats(lanes);
  int64_t depth = queryWidth / unit(), unroll = std::gcd<int64_t>(depth, 4);
  auto step = [&](Code::Values &tile, Value k, Value slot) {
    Code::Values words =
        loadWords(keys.data, code.add(code.mul(k, kPageTokens), slot), vectors, lanes);
    multiply(tile, words, rows, unit(), [&](int64_t r, int64_t part) {
      Value place = code.add(code.mul(code.add(row, r), depth), k);
      return factorWord(queryWords, queries, place, part, lanes);
    });
  };
  code.loop(0, kPageTokens, width, [&](Value slot) {
    Code::Values tile(rows * vectors, code.constant(type, 0));
    tile =
        code.loop(code.index(0), code.index(depth), unroll, tile, [&](Value k, ValueRange carried) {
          Code::Values next(carried);
          for (int64_t u = 0; u < unroll; ++u)
            step(next, code.add(k, u), slot);
          for (int64_t u = 0; u < unroll; ++u)
            prefetch(few, keys.next, code.add(code.mul(code.add(k, u), kPageTokens), slot), width);
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v) {
        Value score = tile[r * vectors + v];
        if (spec.softcap != 0) {
          score = code.make<arith::MulFOp>(score, code.constant(type, 1.0 / spec.softcap));
          score = code.make<arith::MulFOp>(emitTanh(code.builder, code.loc, score),
                                           code.constant(type, spec.softcap));
        }
        Value place = code.add(code.mul(code.add(row, r), kStepSlots), code.add(column, slot));
        code.storeVector(score, scores, {code.add(place, v * lanes)});
      }
  });
}

void AttentionTiles::hide(Value row, Value column, llvm::ArrayRef<Value> hidden) const {
  VectorType type = code.floats(lanes);
  Value infinite = code.constant(type, -std::numeric_limits<double>::infinity());
  for (auto [v, off] : llvm::enumerate(hidden)) {
    Value place =
        code.add(code.add(code.mul(row, kStepSlots), column), static_cast<int64_t>(v) * lanes);
    Value score = code.loadVector(type, scores, {place});
    code.storeVector(code.select(off, infinite, score), scores, {place});
  }
}

void AttentionTiles::softmax(Value row, Value begin, Value end) const {
  VectorType type = code.floats(lanes);
  int64_t vectors = kPageTokens / lanes;
  Value base = code.mul(row, kStepSlots);
  auto fold = [&](llvm::ArrayRef<Value> values, llvm::function_ref<Value(Value, Value)> combine) {
    Value all = values[0];
    for (Value value : values.drop_front())
      all = combine(all, value);
    return all;
  };
  auto pages = [&](Value init, llvm::function_ref<Value(Value, Value)> next) {
    return code.loop(begin, end, kPageTokens, Code::Values(vectors, init),
                     [&](Value column, ValueRange in) {
                       Code::Values out;
                       Value first = code.add(base, column);
                       for (int64_t v = 0; v < vectors; ++v)
                         out.push_back(next(code.add(first, v * lanes), in[v]));
                       return out;
                     });
  };
  auto larger = [&](Value x, Value y) { return maximum(code, x, y); };
  auto plus = [&](Value x, Value y) { return code.make<arith::AddFOp>(x, y).getResult(); };
  Value lowest = code.constant(type, -std::numeric_limits<double>::infinity());
  Code::Values tops = pages(lowest, [&](Value place, Value top) {
    return larger(code.loadVector(type, scores, {place}), top);
  });
  Value now = larger(reduceLanes(code, fold(tops, larger), larger),
                     code.loadScalar(softmaxes.largest, {row}));
  Value nows = code.splat(lanes, now);
  Code::Values sums = pages(code.constant(type, 0), [&](Value place, Value sum) {
    Value score = code.loadVector(type, scores, {place});
    Value p = emitExp(code.builder, code.loc, code.make<arith::SubFOp>(score, nows));
    code.storeVector(dots ? roundToBf16(code, isa, p) : p, dots ? weights : scores, {place});
    return plus(sum, p);
  });
  softmaxOps.grow(softmaxes, row, now, fold(sums, plus));
}

//===--- Values ---===//

void AttentionTiles::addValues(const Values &values, const Rows &all, Value column) const {
  Value few = code.less(all.count, code.index(2 * tileRows()));
  code.wholeRowTiles(all.count, tileRows(), group, [&](int64_t rows, Value row) {
    valueTiles(values, few, rows, code.add(all.first, row), column);
  });
}

void AttentionTiles::valueTiles(const Values &values, Value few, int64_t rows, Value row,
                                Value column) const {
  int64_t full = spec.valueDim / lanes, vectors = full > 0 ? tileVectors(rows, full) : 0;
  int64_t tiled = full > 0 ? full / vectors * vectors : 0;
  if (tiled > 0)
    code.loop(0, tiled * lanes, vectors * lanes, [&](Value first) {
      valueTile(values, few, rows, row, column, {first, vectors, lanes});
    });
  if (tiled < full)
    valueTile(values, few, rows, row, column, {code.index(tiled * lanes), full - tiled, lanes});
  if (full * lanes < spec.valueDim)
    valueTile(values, few, rows, row, column, {code.index(full * lanes), 1, spec.valueDim % lanes});
}

void AttentionTiles::valueTile(const Values &values, Value few, int64_t rows, Value row,
                               Value column, const Columns &columns) const {
  int64_t vectors = columns.vectors;
  auto forTile = [&](llvm::function_ref<void(int64_t, Value)> body) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        body(r * vectors + v,
             code.add(code.add(code.mul(code.add(row, r), spec.valueDim), columns.first),
                      v * columns.width));
  };
  auto step = [&](Code::Values &tile, Value line, llvm::ArrayRef<Value> words, int64_t parts) {
    multiply(tile, words, rows, parts, [&](int64_t r, int64_t part) {
      Value place = code.add(code.mul(code.add(row, r), kStepSlots), column);
      place = code.add(code.div(place, unit()), line);
      return factorWord(weightWords, scores, place, part, columns.width);
    });
  };
  auto load = [&](Value line) {
    return loadWords(values.data, code.add(code.mul(line, values.stride), columns.first),
                     columns.vectors, columns.width);
  };
  Code::Values tile(rows * vectors);
  forTile([&](int64_t i, Value place) {
    tile[i] = code.loadVector(code.floats(columns.width), softmaxes.outputs, {place});
  });
  Value lines = code.div(values.slots, unit());
  tile = code.loop(code.index(0), lines, 1, tile, [&](Value line, ValueRange carried) {
    Code::Values next(carried);
    step(next, line, load(line), unit());
    prefetch(few, values.next, code.add(code.mul(line, values.stride), columns.first),
             columns.vectors * columns.width);
    return next;
  });
  if (unit() == 2) {
    // What lies beside the last of an odd number of values was not written, or is old.
    Value odd = code.less(code.index(0), code.rem(values.slots, 2));
    tile = code.ifElse(
        odd, ValueRange(tile).getTypes(),
        [&] {
          Code::Values next(tile), words = load(lines);
          for (Value &word : words)
            word = code.make<arith::AndIOp>(word, code.constant(word.getType(), 0xffff));
          step(next, lines, words, 1);
          return next;
        },
        [&] { return tile; });
  }
  forTile([&](int64_t i, Value place) { code.storeVector(tile[i], softmaxes.outputs, {place}); });
}

} // namespace plexus::emit
