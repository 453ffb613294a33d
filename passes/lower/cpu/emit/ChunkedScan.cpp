// Generates recurrences over matrices of state in chunks of tokens, by products of matrices.
#include "passes/lower/cpu/emit/ChunkedScan.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Carry.h"
#include <numeric>

using namespace mlir;

namespace plexus::emit {
namespace {

/// Rows of a tile: with a quarter of the registers as one vector of columns, its sums fill half of
/// them.
constexpr int64_t kTileRows = 4;

/// i1 in the lanes [0, kChunkTokens) where `predicate` holds of the lane and `number`.
Value lanesThat(const Code &code, arith::CmpIPredicate predicate, Value number) {
  auto type = code.vectorType(kChunkTokens, code.builder.getI32Type());
  llvm::SmallVector<int32_t> numbers(kChunkTokens);
  std::iota(numbers.begin(), numbers.end(), 0);
  Value lane = code.make<arith::ConstantOp>(DenseElementsAttr::get(type, llvm::ArrayRef(numbers)));
  Value other = code.make<vector::BroadcastOp>(type, code.toI32(number));
  return code.make<arith::CmpIOp>(predicate, lane, other);
}

/// The keys of a chunk, [entries, kChunkTokens], in the scratch of all: those of a sequence begin
/// at its first token, and `kChunkTokens` later for each sequence before it, so that the last chunk
/// of each has room for lanes of zeros.
class ChunkKeys {
public:
  ChunkKeys(const Code &code, const ChunkedScanSpec &spec, const ChunkedScanOperands &operands,
            Value sequence, Value token, Value group)
      : code(code), spec(spec), operands(operands), token(token), group(group) {
    Value row = code.add(token, code.mul(sequence, kChunkTokens));
    start = code.add(code.mul(row, spec.groups * spec.entries),
                     code.mul(group, spec.entries * kChunkTokens));
  }

  /// Where the chunk's keys have entry `entry`.
  Value row(Value entry) const { return code.add(start, code.mul(entry, kChunkTokens)); }

  /// Token by token: keys are read in a row, and what is written stays in the first cache.
  void transpose(Value count) const {
    VectorType lanes = code.floats(kChunkTokens);
    code.ifThen(code.less(count, code.index(kChunkTokens)), [&] {
      code.loop(0, spec.entries, 1, [&](Value entry) {
        code.storeVector(code.constant(lanes, 0), operands.keys, row(entry));
      });
    });
    int64_t step = std::gcd(spec.entries, int64_t(8));
    code.loop(code.index(0), count, 1, [&](Value number) {
      code.loop(0, spec.entries, step, [&](Value entry) {
        for (int64_t i = 0; i < step; ++i) {
          Value at = code.add(entry, i);
          Value key = code.loadScalar(operands.key, {code.add(token, number), group, at});
          code.make<memref::StoreOp>(key, operands.keys, code.add(row(at), number));
        }
      });
    });
  }

  /// Products of queries and keys of all tokens with the keys, as many sums as half the registers
  /// hold.
  void multiply(const Isa &isa, Value count) const {
    llvm::SmallVector<std::pair<Value, Value>> products{{operands.query, operands.forQuery}};
    if (spec.erase)
      products.emplace_back(operands.key, operands.forKey);
    int64_t held = kChunkTokens / isa.lanes() * static_cast<int64_t>(products.size());
    VectorType lanes = code.floats(kChunkTokens);
    code.rowTiles(count, std::max<int64_t>(isa.vectorRegisters / 2 / held, 1),
                  [&](int64_t rows, Value first) {
                    auto at = [&](int64_t r) { return code.add(token, code.add(first, r)); };
                    Code::Values zeros(rows * products.size(), code.constant(lanes, 0));
                    Code::Values sums =
                        code.loop(code.index(0), code.index(spec.entries), 1, zeros,
                                  [&](Value entry, ValueRange last) -> Code::Values {
                                    Value keys = code.loadVector(lanes, operands.keys, row(entry));
                                    Code::Values next;
                                    for (auto [x, out] : products)
                                      for (int64_t r = 0; r < rows; ++r)
                                        next.push_back(code.fma(
                                            code.splat(kChunkTokens,
                                                       code.loadScalar(x, {at(r), group, entry})),
                                            keys, last[next.size()]));
                                    return next;
                                  });
                    size_t sum = 0;
                    for (auto [x, out] : products)
                      for (int64_t r = 0; r < rows; ++r)
                        code.storeVector(sums[sum++], out, {at(r), group, code.index(0)});
                  });
  }

private:
  const Code &code;
  const ChunkedScanSpec &spec;
  const ChunkedScanOperands &operands;
  Value token, group, start;
};

/// A block of columns of one head's state along one sequence.
class ChunkedHead {
public:
  ChunkedHead(const Code &code, const ChunkedScanSpec &spec, const ChunkedScanOperands &operands,
              Value head, Value column, VectorType type)
      : code(code), spec(spec), operands(operands), head(head), column(column), type(type),
        group(code.div(head, spec.heads / spec.groups)), width(type.getNumElements()) {}

  void emit(const CarryFields &fields, Value sequence) {
    auto buffer = [&](int64_t size) { return code.stackBuffer(size, code.builder.getF32Type()); };
    state = buffer(spec.entries * width);
    written = buffer(kChunkTokens * width);
    forQuery = buffer(kChunkTokens * kChunkTokens);
    forKey = spec.erase ? buffer(kChunkTokens * kChunkTokens) : Value();
    fromStart = buffer(kChunkTokens);
    toEnd = buffer(kChunkTokens);
    Value first = code.add(code.mul(head, spec.entries * spec.width), column);
    CarryBlock block{first, spec.width, spec.entries, type, state, width};
    forChunksInBlock(code, fields, sequence, block, kChunkTokens, [&](Value token, Value tokens) {
      begin = token, count = tokens;
      ChunkKeys keys(code, spec, operands, sequence, token, group);
      Value decay = emitDecays();
      code.rowTiles(count, kTileRows, [&](int64_t rows, Value row) { emitWritten(rows, row); });
      code.rowTiles(count, kTileRows, [&](int64_t rows, Value row) { emitRows(rows, row); });
      emitState(keys, decay);
    });
  }

private:
  Value mul(Value x, Value y) const { return code.make<arith::MulFOp>(x, y); }
  Value spread(Value scalar) const { return code.splat(width, scalar); }
  Value tokenAt(Value row, int64_t r) const { return code.add(begin, code.add(row, r)); }
  Value ofHead(Value memref, Value token) const { return code.loadScalar(memref, {token, head}); }
  Value rowOf(Value buffer, Value row) const {
    return code.loadVector(type, buffer, {code.mul(row, width)});
  }
  Value pair(Value matrix, Value row, Value other) const {
    return spread(code.loadScalar(matrix, {code.add(code.mul(row, kChunkTokens), other)}));
  }

  /// fromStart (D), toEnd (L of the last token), and L times the products with the keys; returns
  /// D of the last token. Row t of L is row t - 1 times g_t, and 1 at t itself.
  Value emitDecays() const {
    VectorType lanes = code.floats(kChunkTokens);
    Value zero = code.constant(lanes, 0), one = code.constant(lanes, 1);
    Code::Values start{zero, code.constant(code.builder.getF32Type(), 1)};
    Code::Values end =
        code.loop(code.index(0), count, 1, start, [&](Value row, ValueRange last) -> Code::Values {
          Value token = code.add(begin, row), decay = ofHead(operands.decays, token);
          Value faded = mul(last[0], code.splat(kChunkTokens, decay));
          Value itself = lanesThat(code, arith::CmpIPredicate::eq, row);
          Value between = code.select(itself, one, faded), whole = mul(last[1], decay);
          auto keep = [&](Value products, Value matrix) {
            Value line = code.loadVector(lanes, products, {token, group, code.index(0)});
            code.storeVector(mul(line, between), matrix, {code.mul(row, kChunkTokens)});
          };
          keep(operands.forQuery, forQuery);
          if (spec.erase)
            keep(operands.forKey, forKey);
          code.make<memref::StoreOp>(whole, fromStart, row);
          return {between, whole};
        });
    code.storeVector(end[0], toEnd, {code.index(0)});
    return end[1];
  }

  /// D_t S_0^T x_t for `rows` tokens from `row` on, x being keys or queries.
  Code::Values ofStart(Value vectors, int64_t rows, Value row) const {
    Code::Values zeros(rows, code.constant(type, 0));
    Code::Values sums = code.loop(
        code.index(0), code.index(spec.entries), 1, zeros,
        [&](Value entry, ValueRange last) -> Code::Values {
          Value kept = rowOf(state, entry);
          Code::Values next;
          for (int64_t r = 0; r < rows; ++r)
            next.push_back(code.fma(
                spread(code.loadScalar(vectors, {tokenAt(row, r), group, entry})), kept, last[r]));
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      sums[r] = mul(sums[r], spread(code.loadScalar(fromStart, {code.add(row, r)})));
    return sums;
  }

  /// Adds what tokens before `end` wrote, weighed by `matrix`.
  Code::Values addWritten(Value matrix, Code::Values sums, Value row, Value end) const {
    return code.loop(
        code.index(0), end, 1, sums, [&](Value other, ValueRange last) -> Code::Values {
          Value u = rowOf(written, other);
          Code::Values next;
          for (size_t r = 0; r < last.size(); ++r)
            next.push_back(
                code.fma(pair(matrix, code.add(row, static_cast<int64_t>(r)), other), u, last[r]));
          return next;
        });
  }

  /// u of `rows` tokens: those before them have theirs.
  void emitWritten(int64_t rows, Value row) const {
    Code::Values found;
    if (spec.erase)
      found = addWritten(forKey, ofStart(operands.key, rows, row), row, row);
    Code::Values made;
    for (int64_t r = 0; r < rows; ++r) {
      Value token = tokenAt(row, r);
      Value u = code.loadVector(type, operands.value, {token, head, column});
      if (spec.erase) {
        for (int64_t other = 0; other < r; ++other)
          found[r] =
              code.fma(pair(forKey, code.add(row, r), code.add(row, other)), made[other], found[r]);
        u = code.make<arith::SubFOp>(u, found[r]);
      }
      made.push_back(mul(u, spread(ofHead(operands.weights, token))));
      code.storeVector(made.back(), written, {code.mul(code.add(row, r), width)});
    }
  }

  void emitRows(int64_t rows, Value row) const {
    Code::Values sums =
        addWritten(forQuery, ofStart(operands.query, rows, row), row, code.add(row, rows));
    for (int64_t r = 0; r < rows; ++r) {
      Value token = tokenAt(row, r);
      if (operands.skip) { // of one lane: the weight may be bf16
        Value skip = code.make<vector::ExtractOp>(
            loadFloats(code, code.floats(1), operands.skip, {head}), 0);
        Value x = code.loadVector(type, operands.value, {token, head, column});
        sums[r] = code.fma(spread(skip), x, sums[r]);
      }
      code.storeVector(sums[r], operands.out, {token, head, column});
    }
  }

  /// The state behind the chunk. What was written fades first, for all entries at once.
  void emitState(const ChunkKeys &keys, Value decay) const {
    code.loop(code.index(0), count, 1, [&](Value row) {
      Value faded = mul(rowOf(written, row), spread(code.loadScalar(toEnd, {row})));
      code.storeVector(faded, written, {code.mul(row, width)});
    });
    code.rowTiles(code.index(spec.entries), kTileRows, [&](int64_t entries, Value entry) {
      Code::Values sums;
      for (int64_t i = 0; i < entries; ++i)
        sums.push_back(mul(rowOf(state, code.add(entry, i)), spread(decay)));
      sums =
          code.loop(code.index(0), count, 1, sums, [&](Value row, ValueRange last) -> Code::Values {
            Value u = rowOf(written, row);
            Code::Values next;
            for (int64_t i = 0; i < entries; ++i) {
              Value place = code.add(keys.row(code.add(entry, i)), row);
              Value key = code.loadScalar(operands.keys, place);
              next.push_back(code.fma(spread(key), u, last[i]));
            }
            return next;
          });
      for (int64_t i = 0; i < entries; ++i)
        code.storeVector(sums[i], state, {code.mul(code.add(entry, i), width)});
    });
  }

  const Code &code;
  const ChunkedScanSpec &spec;
  const ChunkedScanOperands &operands;
  Value head, column;
  VectorType type;
  Value group;
  int64_t width;
  Value begin, count; ///< of the chunk
  /// On the stack: S [entries, width], u [tokens, width], [tokens, tokens] twice, [tokens] twice.
  Value state, written, forQuery, forKey, fromStart, toEnd;
};

} // namespace

void emitChunkProducts(OpBuilder &builder, Location loc, const Isa &isa,
                       const ChunkedScanSpec &spec, const ChunkedScanOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  auto border = [&](Value number) {
    return loadI32(builder, loc, fields.batch.tokenBegin, number);
  };
  // The first token of a chunk sees to all of it.
  forTokens(builder, loc, fields.batch.tokens, [&](Value token) {
    Value sequence = loadI32(builder, loc, fields.batch.sequence, token);
    Value begin = border(sequence), end = border(code.add(sequence, 1));
    Value isFirst = code.make<arith::CmpIOp>(
        arith::CmpIPredicate::eq, code.rem(code.sub(token, begin), kChunkTokens), code.index(0));
    Value isLong = code.make<arith::CmpIOp>(arith::CmpIPredicate::sge, code.sub(end, begin),
                                            code.index(spec.shortest));
    code.ifThen(code.make<arith::AndIOp>(isFirst, isLong), [&] {
      Value count = code.min(code.sub(end, token), code.index(kChunkTokens));
      code.loop(0, spec.groups, 1, [&](Value group) {
        ChunkKeys keys(code, spec, operands, sequence, token, group);
        keys.transpose(count);
        keys.multiply(isa, count);
      });
    });
  });
}

void emitChunkedScan(OpBuilder &builder, Location loc, const Isa &isa, const ChunkedScanSpec &spec,
                     const ChunkedScanOperands &operands) {
  Code code{builder, loc};
  CarryFields fields = loadCarry(builder, loc, operands.batch, operands.state);
  int64_t wide = isa.lanes() * isa.vectorRegisters / 8;
  int64_t columns = spec.width / wide, rest = spec.width % wide;
  auto forHeads = [&](int64_t blocks, int64_t begin, VectorType type) {
    code.parallel(code.mul(fields.batch.sequences, spec.heads * blocks), [&](Value item) {
      Value sequence = code.div(item, spec.heads * blocks);
      Value inSequence = code.rem(item, spec.heads * blocks);
      code.ifThen(isChain(code, fields, sequence, spec.shortest), [&] {
        Value column = code.add(code.mul(code.rem(inSequence, blocks), wide), begin);
        code.stackScope([&] {
          ChunkedHead(code, spec, operands, code.div(inSequence, blocks), column, type)
              .emit(fields, sequence);
        });
      });
    });
  };
  if (columns > 0)
    forHeads(columns, 0, code.floats(wide));
  if (rest > 0)
    forHeads(1, columns * wide, code.floats(rest));
}

} // namespace plexus::emit
