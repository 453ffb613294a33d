// Generates attention with an online softmax over pages of keys and values.
#include "passes/lower/cpu/emit/Attention.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/KvCodes.h"
#include "passes/lower/cpu/emit/KvPages.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include "llvm/Support/MathExtras.h"
#include <limits>
#include <numeric>

using namespace mlir;

namespace plexus::emit {

namespace {

constexpr int64_t kTileRows = 6; // rows of a register tile
constexpr int64_t kItemRows =
    24; // rows (token, head) of a work item, a few more where a group is big
/// Below every score, and finite: e^(score - lowest) of a hidden score (-inf) is 0, not NaN.
constexpr double kLowest = -1e30;

/// Emits one attention; the members are what its parts share. Within a work item, row r is head
/// r % group of the item's token r / group.
class AttentionEmitter {
public:
  AttentionEmitter(Code code, const Isa &isa, const AttentionSpec &spec,
                   const AttentionOperands &operands);
  void emit();

private:
  /// The tokens [begin, end) of one sequence, and what they see of it. Sizes and slots are index.
  struct Segment {
    Value sequence, begin, end, kvHead;
    Value past, slots;      ///< committed slots; all slots that a token may see
    Value lowMin, lowMax;   ///< of the first visible slot
    Value highMin, highMax; ///< of the end of the visible slots; all below highMin are seen
  };
  /// Softmaxes under way, for each row of some kind.
  struct Accumulators {
    Value largest; ///< [rows]
    Value sums;    ///< [rows][lanes] partial sums of exponentials
    Value outputs; ///< [rows][valueDim], not yet normalised
  };
  /// One page of a segment for one key head.
  struct Page {
    Value keys, values, valueStride; ///< !llvm.ptr, !llvm.ptr, elements
    Value firstSlot;
    Value partial; ///< i1: some row does not see all of it
  };

  void transposeKeys();
  void emitItem(Value item, Value tiles, Value tileTokens);
  void emitSegment(Segment segment);
  void emitSpan(const Segment &segment, Value span);
  void emitPage(const Segment &segment, Value number);
  void planSpans();
  void keepPartials(const Segment &segment);
  void mergePartials();
  Value partialRow(Value token, Value head, Value span);
  Accumulators stackAccumulators(int64_t rows);
  void clear(const Accumulators &rows, Value row);
  void merge(const Accumulators &total, Value row, const Accumulators &part, Value partRow);
  void measureSegment(Segment &segment);
  std::pair<Value, Value> visibleRange(const Segment &segment, Value token);
  void loadQueries(const Segment &segment);
  Page page(const Segment &segment, Value number);
  void buildMask(const Segment &segment, const Page &page);
  void buildTreeMask(const Segment &segment, const Page &page, Value token, Value maskRow);
  void scoreTile(const Page &page, int64_t rows, Value row);
  void softmaxRow(const Page &page, Value row, Value maskRow);
  void valueTiles(const Page &page, Value count, int64_t rows, Value row);
  void valueTile(const Page &page, Value count, int64_t rows, Value row, Value column,
                 int64_t vectors, int64_t width);
  void finishRows(const Segment &segment);
  void finishRow(const Accumulators &total, Value token, Value head, Value row);

  void forTokens(const Segment &segment, llvm::function_ref<void(Value token, Value local)> body);
  void forRows(const Segment &segment,
               llvm::function_ref<void(Value token, Value local, Value head, Value row)> body);
  Value reduce(Value vector, llvm::function_ref<Value(Value, Value)> combine);
  Value maximum(Value a, Value b);
  Value hasTree();
  int64_t tileVectors(int64_t rows, int64_t most) const;

  Code code;
  const Isa &isa;
  const AttentionSpec &spec;
  const AttentionOperands &operands;
  BatchFields batch;
  int64_t lanes, group, maxTokens, maxRows;
  Type f32;
  Value split;           ///< i1: spans are work items of their own
  Value spans;           ///< work items that share a tile's context
  Accumulators partials; ///< in scratch, for each token, head and span: where `split`
  // On the stack of a work item:
  Value span;        ///< the item's, where `split`
  Value queries;     ///< [rows][keyDim], scaled
  Value scores;      ///< [rows][32], then their exponentials
  Accumulators rows; ///< of the current span
  Accumulators totals;
  Value correction;                 ///< [rows] factor on the outputs so far
  Value lows, highs;                ///< [tokens] visible range of slots, index
  Value decodedKeys, decodedValues; ///< of the page, from a quantized state
  Value mask;                       ///< [tokens][32], negative: hidden
};

AttentionEmitter::AttentionEmitter(Code code, const Isa &isa, const AttentionSpec &spec,
                                   const AttentionOperands &operands)
    : code(code), isa(isa), spec(spec), operands(operands),
      batch(loadBatch(code.builder, code.loc, operands.batch)), lanes(isa.lanes()),
      group(spec.heads / spec.kvHeads), maxTokens(std::max<int64_t>(1, kItemRows / group)),
      maxRows(maxTokens * group), f32(code.builder.getF32Type()) {}

int64_t AttentionEmitter::tileVectors(int64_t rows, int64_t most) const {
  uint64_t budget = isa.vectorRegisters * 3 / 4;
  return std::min<int64_t>(llvm::bit_floor(budget / rows), llvm::bit_floor<uint64_t>(most));
}

void AttentionEmitter::forTokens(const Segment &segment,
                                 llvm::function_ref<void(Value, Value)> body) {
  code.loop(segment.begin, segment.end, 1,
            [&](Value token) { body(token, code.sub(token, segment.begin)); });
}

void AttentionEmitter::forRows(const Segment &segment,
                               llvm::function_ref<void(Value, Value, Value, Value)> body) {
  forTokens(segment, [&](Value token, Value local) {
    code.loop(0, group, 1, [&](Value i) {
      Value head = code.add(code.mul(segment.kvHead, group), i);
      body(token, local, head, code.add(code.mul(local, group), i));
    });
  });
}

/// Combines the lanes of a vector, halves first.
Value AttentionEmitter::reduce(Value vector, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    Value low = code.make<vector::ExtractStridedSliceOp>(vector, int64_t{0}, half, 1);
    Value high = code.make<vector::ExtractStridedSliceOp>(vector, half, half, 1);
    vector = combine(low, high);
  }
  return code.make<vector::ExtractOp>(vector, llvm::ArrayRef<int64_t>{0});
}

Value AttentionEmitter::maximum(Value a, Value b) {
  return code.select(code.make<arith::CmpFOp>(arith::CmpFPredicate::OGT, a, b), a, b);
}

Value AttentionEmitter::hasTree() {
  Value null = code.make<LLVM::ZeroOp>(batch.tree.getType());
  return code.make<LLVM::ICmpOp>(LLVM::ICmpPredicate::ne, batch.tree, null);
}

/// Tiles of a head alternate between its first and its last, so that a contiguous range of items
/// (one thread's) is made of long and short causal rows alike.
static Value foldedTile(const Code &code, Value number, Value tiles) {
  Value half = code.div(number, 2), odd = code.less(code.index(0), code.rem(number, 2));
  return code.select(odd, code.sub(code.add(tiles, -1), half), half);
}

void AttentionEmitter::emit() {
  if (!operands.kv)
    transposeKeys();
  planSpans();
  Value perSequence =
      code.make<arith::DivSIOp>(batch.tokens, code.max(batch.sequences, code.index(1)));
  Value tileTokens = code.min(code.max(perSequence, code.index(1)), code.index(maxTokens));
  Value tiles = code.make<arith::CeilDivSIOp>(batch.tokens, tileTokens);
  code.parallel(code.mul(code.mul(tiles, spec.kvHeads), spans),
                [&](Value item) { emitItem(item, tiles, tileTokens); });
  if (operands.kv)
    code.ifThen(split, [&] { mergePartials(); });
}

/// Whether spans are items of their own, and where they leave their results.
void AttentionEmitter::planSpans() {
  if (!operands.kv) {
    split = code.make<arith::ConstantIntOp>(0, 1);
    spans = code.index(1);
    return;
  }
  Value isLong = code.less(code.index(kSpanSlots), batch.context);
  Value isFew = code.less(batch.tokens, code.index(kSplitTokens + 1));
  split = code.make<arith::AndIOp>(isLong, isFew);
  spans = code.select(split, code.ceilDiv(batch.context, kSpanSlots), code.index(1));
  Value count =
      code.select(split, code.mul(code.mul(batch.tokens, spec.heads), spans), code.index(0));
  Value bytes = code.index(0);
  auto part = [&](int64_t floats) {
    auto type = MemRefType::get({ShapedType::kDynamic}, f32);
    Value size = code.mul(count, floats);
    Value view = code.make<memref::ViewOp>(type, operands.scratch, bytes, size);
    bytes = code.add(bytes, code.mul(size, sizeof(float)));
    return view;
  };
  partials.outputs = part(spec.valueDim);
  partials.sums = part(lanes);
  partials.largest = part(1);
}

/// Without a state, K^T goes into scratch: sequence s starts at page token_begin[s] / 32 + s, which
/// leaves each sequence the pages that it needs.
void AttentionEmitter::transposeKeys() {
  OpBuilder &b = code.builder;
  Value pages = bytesAddress(code, operands.scratch);
  plexus::emit::forTokens(b, code.loc, batch.tokens, [&](Value token) {
    Value sequence = loadI32(b, code.loc, batch.sequence, token);
    Value begin = loadI32(b, code.loc, batch.tokenBegin, sequence);
    Value slot = code.sub(token, begin);
    Value number =
        code.add(code.add(code.div(begin, kPageTokens), sequence), code.div(slot, kPageTokens));
    Value bytes = code.mul(number, pagePartBytes(spec.kvHeads, spec.keyDim));
    writeKey(code, isa, spec, operands.ropeTable, operands.key, token,
             byteOffset(b, code.loc, pages, bytes), code.rem(slot, kPageTokens));
  });
}

AttentionEmitter::Accumulators AttentionEmitter::stackAccumulators(int64_t count) {
  return {code.stackBuffer(count, f32), code.stackBuffer(count * lanes, f32),
          code.stackBuffer(count * spec.valueDim, f32)};
}

void AttentionEmitter::clear(const Accumulators &rows, Value row) {
  code.pieces(spec.valueDim, lanes, [&](Value i, VectorType type) {
    code.storeVector(code.constant(type, 0), rows.outputs,
                     {code.add(code.mul(row, spec.valueDim), i)});
  });
  code.storeVector(code.constant(code.floats(lanes), 0), rows.sums, {code.mul(row, lanes)});
  code.make<memref::StoreOp>(code.constant(f32, kLowest), rows.largest, ValueRange{row});
}

/// total[row] takes in part[partRow].
void AttentionEmitter::merge(const Accumulators &total, Value row, const Accumulators &part,
                             Value partRow) {
  OpBuilder &b = code.builder;
  Value before = code.loadScalar(total.largest, {row}),
        own = code.loadScalar(part.largest, partRow);
  Value now = maximum(before, own);
  Value keep = emitExp(b, code.loc, code.make<arith::SubFOp>(before, now));
  Value take = emitExp(b, code.loc, code.make<arith::SubFOp>(own, now));
  code.make<memref::StoreOp>(now, total.largest, ValueRange{row});
  auto mix = [&](Value to, Value toPlace, Value from, Value fromPlace, VectorType type) {
    int64_t width = type.getNumElements();
    Value added =
        code.make<arith::MulFOp>(code.loadVector(type, from, {fromPlace}), code.splat(width, take));
    Value kept = code.loadVector(type, to, {toPlace});
    code.storeVector(code.fma(kept, code.splat(width, keep), added), to, {toPlace});
  };
  mix(total.sums, code.mul(row, lanes), part.sums, code.mul(partRow, lanes), code.floats(lanes));
  code.pieces(spec.valueDim, lanes, [&](Value i, VectorType type) {
    mix(total.outputs, code.add(code.mul(row, spec.valueDim), i), part.outputs,
        code.add(code.mul(partRow, spec.valueDim), i), type);
  });
}

Value AttentionEmitter::partialRow(Value token, Value head, Value number) {
  return code.add(code.mul(code.add(code.mul(token, spec.heads), head), spans), number);
}

void AttentionEmitter::emitItem(Value item, Value tiles, Value tileTokens) {
  OpBuilder &b = code.builder;
  span = code.make<arith::RemUIOp>(item, spans);
  Value headTile = code.make<arith::DivUIOp>(item, spans);
  Value kvHead = code.make<arith::DivUIOp>(headTile, tiles);
  Value tile = foldedTile(code, code.make<arith::RemUIOp>(headTile, tiles), tiles);
  Value first = code.mul(tile, tileTokens);
  Value last = code.min(code.add(first, tileTokens), batch.tokens);
  Value firstSequence = loadI32(b, code.loc, batch.sequence, first);
  Value lastSequence = loadI32(b, code.loc, batch.sequence, code.add(last, -1));
  code.stackScope([&] {
    queries = code.stackBuffer(maxRows * spec.keyDim, f32);
    scores = code.stackBuffer(maxRows * kPageTokens, f32);
    rows = stackAccumulators(maxRows);
    totals = stackAccumulators(maxRows);
    correction = code.stackBuffer(maxRows, f32);
    lows = code.stackBuffer(maxTokens, b.getIndexType());
    highs = code.stackBuffer(maxTokens, b.getIndexType());
    mask = code.stackBuffer(maxTokens * kPageTokens, f32);
    if (operands.kv && spec.keys().isQuantized()) {
      decodedKeys = code.stackBuffer(spec.keys().paddedDim() * kPageTokens, f32);
      decodedValues = code.stackBuffer(spec.values().paddedDim() * kPageTokens, f32);
    }
    code.loop(firstSequence, code.add(lastSequence, 1), 1, [&](Value sequence) {
      Segment segment;
      segment.sequence = sequence;
      segment.kvHead = kvHead;
      segment.begin = code.max(first, loadI32(b, code.loc, batch.tokenBegin, sequence));
      segment.end = code.min(last, loadI32(b, code.loc, batch.tokenBegin, code.add(sequence, 1)));
      code.ifThen(code.less(segment.begin, segment.end), [&] { emitSegment(segment); });
    });
  });
}

void AttentionEmitter::emitSegment(Segment segment) {
  measureSegment(segment);
  loadQueries(segment);
  Value first = code.div(segment.lowMin, kSpanSlots);
  Value end = code.ceilDiv(segment.highMax, kSpanSlots);
  first = code.select(split, code.max(first, span), first);
  end = code.select(split, code.min(end, code.add(span, 1)), end);
  code.loop(first, end, 1, [&](Value number) { emitSpan(segment, number); });
  if (operands.kv)
    code.ifElse(split, [&] { keepPartials(segment); }, [&] { finishRows(segment); });
  else
    finishRows(segment);
}

void AttentionEmitter::emitSpan(const Segment &segment, Value number) {
  constexpr int64_t pages = kSpanSlots / kPageTokens;
  forRows(segment, [&](Value, Value, Value, Value row) { clear(rows, row); });
  Value first = code.max(code.div(segment.lowMin, kPageTokens), code.mul(number, pages));
  Value end =
      code.min(code.ceilDiv(segment.highMax, kPageTokens), code.mul(code.add(number, 1), pages));
  code.loop(first, end, 1, [&](Value page) { emitPage(segment, page); });
  forRows(segment, [&](Value, Value, Value, Value row) { merge(totals, row, rows, row); });
}

void AttentionEmitter::emitPage(const Segment &segment, Value number) {
  Value count = code.mul(code.sub(segment.end, segment.begin), group);
  Page current = page(segment, number);
  code.ifThen(current.partial, [&] { buildMask(segment, current); });
  code.wholeRowTiles(count, kTileRows, group,
                     [&](int64_t size, Value row) { scoreTile(current, size, row); });
  forRows(segment, [&](Value, Value local, Value, Value row) {
    softmaxRow(current, row, code.mul(local, kPageTokens));
  });
  Value slots = code.min(code.sub(segment.highMax, current.firstSlot), code.index(kPageTokens));
  code.wholeRowTiles(count, kTileRows, group,
                     [&](int64_t size, Value row) { valueTiles(current, slots, size, row); });
}

void AttentionEmitter::finishRows(const Segment &segment) {
  forRows(segment,
          [&](Value token, Value, Value head, Value row) { finishRow(totals, token, head, row); });
}

/// What the item's span gives, into scratch.
void AttentionEmitter::keepPartials(const Segment &segment) {
  forRows(segment, [&](Value token, Value, Value head, Value row) {
    Value place = partialRow(token, head, span);
    clear(partials, place);
    merge(partials, place, totals, row);
  });
}

/// The results of all spans become the rows'.
void AttentionEmitter::mergePartials() {
  code.stackScope([&] {
    Accumulators total = stackAccumulators(1);
    Value zero = code.index(0);
    code.loop(zero, batch.tokens, 1, [&](Value token) {
      code.loop(0, spec.heads, 1, [&](Value head) {
        clear(total, zero);
        code.loop(zero, spans, 1, [&](Value number) {
          merge(total, zero, partials, partialRow(token, head, number));
        });
        finishRow(total, token, head, zero);
      });
    });
  });
}

/// {first visible slot, end of the slots that are visible without looking at the tree}.
std::pair<Value, Value> AttentionEmitter::visibleRange(const Segment &segment, Value token) {
  OpBuilder &b = code.builder;
  Value low = code.index(0);
  if (spec.window > 0) {
    Value index = loadI32(b, code.loc, batch.index, token);
    low = code.max(low, code.add(index, 1 - spec.window));
  }
  if (!spec.causal)
    return {low, segment.slots};
  Value own = operands.kv
                  ? loadI32(b, code.loc, batch.slot, token)
                  : code.sub(token, loadI32(b, code.loc, batch.tokenBegin, segment.sequence));
  return {low, code.select(hasTree(), segment.past, code.add(own, 1))};
}

void AttentionEmitter::measureSegment(Segment &segment) {
  OpBuilder &b = code.builder;
  Value zero = code.index(0), most = code.index(std::numeric_limits<int64_t>::max());
  Value end = loadI32(b, code.loc, batch.tokenBegin, code.add(segment.sequence, 1));
  segment.past = zero;
  segment.slots = code.sub(end, loadI32(b, code.loc, batch.tokenBegin, segment.sequence));
  if (operands.kv) {
    segment.past = loadI32(b, code.loc, batch.past, segment.sequence);
    Value last = loadI32(b, code.loc, batch.slot, code.add(end, -1));
    segment.slots = code.add(last, 1);
  }
  Code::Values limits = code.loop(segment.begin, segment.end, 1, {most, zero, most, zero},
                                  [&](Value token, ValueRange so) -> Code::Values {
                                    auto [low, high] = visibleRange(segment, token);
                                    Value local = code.sub(token, segment.begin);
                                    code.make<memref::StoreOp>(low, lows, ValueRange{local});
                                    code.make<memref::StoreOp>(high, highs, ValueRange{local});
                                    return {code.min(so[0], low), code.max(so[1], low),
                                            code.min(so[2], high), code.max(so[3], high)};
                                  });
  segment.lowMin = limits[0], segment.lowMax = limits[1];
  segment.highMin = limits[2], segment.highMax = limits[3];
  if (!spec.causal)
    return;
  auto pending = [&]() -> Code::Values {
    Value first = loadI32(b, code.loc, batch.pendingBegin, segment.sequence);
    Value end = loadI32(b, code.loc, batch.pendingBegin, code.add(segment.sequence, 1));
    return {code.add(segment.past, code.sub(end, first))};
  };
  segment.highMax = code.ifElse(hasTree(), b.getIndexType(), pending,
                                [&]() -> Code::Values { return {segment.highMax}; })[0];
}

/// Copies the rows' queries, turned and times the scale, and clears the rows' totals.
void AttentionEmitter::loadQueries(const Segment &segment) {
  forRows(segment, [&](Value token, Value local, Value head, Value row) {
    forHead(code, isa, spec.rope.value_or(RopeSpec()), operands.ropeTable, spec.keyDim,
            operands.query, token, code.mul(head, spec.keyDim), [&](Value entry, Value query) {
              Value scale = code.constant(query.getType(), spec.scale);
              code.storeVector(code.make<arith::MulFOp>(query, scale), queries,
                               {code.add(code.mul(row, spec.keyDim), entry)});
            });
    clear(totals, row);
  });
}

AttentionEmitter::Page AttentionEmitter::page(const Segment &segment, Value number) {
  OpBuilder &b = code.builder;
  Page page;
  page.firstSlot = code.mul(number, kPageTokens);
  Value head = code.mul(segment.kvHead, spec.keyDim * kPageTokens);
  if (operands.kv && spec.keys().isQuantized()) {
    Value start = loadPage(b, code.loc, operands.kv, segment.sequence, number);
    KvCodes(code, isa, spec.keys(), true).decode(start, segment.kvHead, decodedKeys);
    Value values = byteOffset(b, code.loc, start, code.index(spec.keys().bytes()));
    KvCodes(code, isa, spec.values(), false).decode(values, segment.kvHead, decodedValues);
    page.keys = bytesAddress(code, decodedKeys);
    page.values = bytesAddress(code, decodedValues);
    page.valueStride = code.index(spec.values().paddedDim());
  } else if (operands.kv) {
    Value start = loadPage(b, code.loc, operands.kv, segment.sequence, number);
    page.keys = elementAddress(code, start, head);
    Value values = code.mul(segment.kvHead, spec.valueDim * kPageTokens);
    int64_t skip = pagePartBytes(spec.kvHeads, spec.keyDim) / sizeof(float);
    page.values = elementAddress(code, start, code.add(values, skip));
    page.valueStride = code.index(spec.valueDim);
  } else {
    Value begin = loadI32(b, code.loc, batch.tokenBegin, segment.sequence);
    Value first = code.add(code.div(begin, kPageTokens), segment.sequence);
    Value bytes = code.mul(code.add(first, number), pagePartBytes(spec.kvHeads, spec.keyDim));
    Value start = byteOffset(b, code.loc, bytesAddress(code, operands.scratch), bytes);
    page.keys = elementAddress(code, start, head);
    RowAddress values = rowAddress(code, operands.value, code.add(begin, page.firstSlot),
                                   code.mul(segment.kvHead, spec.valueDim));
    page.values = values.pointer, page.valueStride = values.stride;
  }
  Value early = code.less(page.firstSlot, segment.lowMax);
  Value late = code.less(segment.highMin, code.add(page.firstSlot, kPageTokens));
  page.partial = code.make<arith::OrIOp>(early, late);
  return page;
}

/// mask[token] = 0 where the token sees the slot, -1 where it does not.
void AttentionEmitter::buildMask(const Segment &segment, const Page &page) {
  auto type = code.vectorType(lanes, code.builder.getI32Type());
  llvm::SmallVector<int32_t> numbers(lanes);
  forTokens(segment, [&](Value token, Value local) {
    Value maskRow = code.mul(local, kPageTokens);
    auto relative = [&](Value bounds) {
      Value bound = code.sub(code.loadScalar(bounds, {local}), page.firstSlot);
      bound = code.max(code.min(bound, code.index(kPageTokens)), code.index(-1));
      return code.splat(lanes, code.toI32(bound));
    };
    Value low = relative(lows), high = relative(highs);
    for (int64_t first = 0; first < kPageTokens; first += lanes) {
      std::iota(numbers.begin(), numbers.end(), first);
      Value slots = code.make<arith::ConstantOp>(
          DenseElementsAttr::get(type, llvm::ArrayRef<int32_t>(numbers)));
      Value above = code.make<arith::CmpIOp>(arith::CmpIPredicate::sge, slots, low);
      Value below = code.make<arith::CmpIOp>(arith::CmpIPredicate::slt, slots, high);
      Value seen = code.make<arith::AndIOp>(above, below);
      VectorType floats = code.floats(lanes);
      code.storeVector(code.select(seen, code.constant(floats, 0), code.constant(floats, -1)), mask,
                       {code.add(maskRow, first)});
    }
    if (spec.causal)
      code.ifThen(hasTree(), [&] { buildTreeMask(segment, page, token, maskRow); });
  });
}

/// Uncovers the pending slots of the page that the token's bits (and the window) let it see.
void AttentionEmitter::buildTreeMask(const Segment &segment, const Page &page, Value token,
                                     Value maskRow) {
  OpBuilder &b = code.builder;
  Value begin = code.max(page.firstSlot, segment.past);
  Value end = code.min(code.add(page.firstSlot, kPageTokens), segment.highMax);
  Value firstPending = loadI32(b, code.loc, batch.pendingBegin, segment.sequence);
  Value index = loadI32(b, code.loc, batch.index, token);
  code.loop(begin, end, 1, [&](Value slot) {
    Value bit = code.sub(slot, segment.past);
    Value wordPlace = code.add(code.mul(token, batch.treeWords), code.div(bit, 64));
    Value address = byteOffset(b, code.loc, batch.tree, code.mul(wordPlace, sizeof(uint64_t)));
    Value word = code.make<LLVM::LoadOp>(b.getI64Type(), address);
    Value shifted = code.make<arith::ShRUIOp>(word, code.toI64(code.rem(bit, 64)));
    Value seen = code.make<arith::TruncIOp>(b.getI1Type(), shifted);
    if (spec.window > 0) {
      Value other = loadI32(b, code.loc, batch.pendingIndex, code.add(firstPending, bit));
      Value inside = code.less(code.sub(index, other), code.index(spec.window));
      seen = code.make<arith::AndIOp>(seen, inside);
    }
    Value value = code.select(seen, code.constant(f32, 0), code.constant(f32, -1));
    Value place = code.add(maskRow, code.sub(slot, page.firstSlot));
    code.make<memref::StoreOp>(value, mask, ValueRange{place});
  });
}

/// scores[row..] = queries[row..] K^T for one page.
void AttentionEmitter::scoreTile(const Page &page, int64_t rows, Value row) {
  int64_t vectors = tileVectors(rows, kPageTokens / lanes);
  VectorType type = code.floats(lanes);
  int64_t unroll = std::gcd<int64_t>(spec.keyDim, 4);
  code.loop(0, kPageTokens, vectors * lanes, [&](Value slot) {
    Code::Values tile(rows * vectors, code.constant(type, 0));
    tile = code.loop(
        code.index(0), code.index(spec.keyDim), unroll, tile, [&](Value d, ValueRange carried) {
          Code::Values next(carried);
          for (int64_t u = 0; u < unroll; ++u) {
            Value k = code.add(d, u);
            Value keyRow = code.add(code.mul(k, kPageTokens), slot);
            Code::Values keys;
            for (int64_t v = 0; v < vectors; ++v)
              keys.push_back(
                  loadAt(code, type, elementAddress(code, page.keys, code.add(keyRow, v * lanes))));
            for (int64_t r = 0; r < rows; ++r) {
              Value place = code.add(code.mul(code.add(row, r), spec.keyDim), k);
              Value query = code.splat(lanes, code.loadScalar(queries, {place}));
              for (int64_t v = 0; v < vectors; ++v)
                next[r * vectors + v] = code.fma(query, keys[v], next[r * vectors + v]);
            }
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v) {
        Value place = code.add(code.mul(code.add(row, r), kPageTokens), slot);
        code.storeVector(tile[r * vectors + v], scores, {code.add(place, v * lanes)});
      }
  });
}

/// scores[row] becomes e^(score - largest so far); the row's sum and correction follow.
void AttentionEmitter::softmaxRow(const Page &page, Value row, Value maskRow) {
  OpBuilder &b = code.builder;
  VectorType type = code.floats(lanes);
  Value base = code.mul(row, kPageTokens);
  Code::Values s;
  for (int64_t i = 0; i < kPageTokens; i += lanes) {
    Value score = code.loadVector(type, scores, {code.add(base, i)});
    if (spec.softcap != 0) {
      score = code.make<arith::MulFOp>(score, code.constant(type, 1.0 / spec.softcap));
      score =
          code.make<arith::MulFOp>(emitTanh(b, code.loc, score), code.constant(type, spec.softcap));
    }
    s.push_back(score);
  }
  s = code.ifElse(
      page.partial, ValueRange(s).getTypes(),
      [&] {
        Code::Values masked;
        Value hidden = code.constant(type, -std::numeric_limits<double>::infinity());
        for (auto [v, score] : llvm::enumerate(s)) {
          int64_t offset = static_cast<int64_t>(v) * lanes;
          Value flag = code.loadVector(type, mask, {code.add(maskRow, offset)});
          Value off =
              code.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, flag, code.constant(type, 0));
          masked.push_back(code.select(off, hidden, score));
        }
        return masked;
      },
      [&] { return s; });
  auto larger = [&](Value x, Value y) { return maximum(x, y); };
  Value top = s[0];
  for (Value score : llvm::drop_begin(s))
    top = maximum(top, score);
  Value before = code.loadScalar(rows.largest, {row});
  Value now = maximum(reduce(top, larger), before);
  Value nows = code.splat(lanes, now), total;
  for (auto [v, score] : llvm::enumerate(s)) {
    Value p = emitExp(b, code.loc, code.make<arith::SubFOp>(score, nows));
    code.storeVector(p, scores, {code.add(base, static_cast<int64_t>(v) * lanes)});
    total = total ? code.make<arith::AddFOp>(total, p).getResult() : p;
  }
  Value factor = emitExp(b, code.loc, code.make<arith::SubFOp>(before, now));
  Value sumPlace = code.mul(row, lanes);
  Value sum = code.loadVector(type, rows.sums, {sumPlace});
  code.storeVector(code.fma(sum, code.splat(lanes, factor), total), rows.sums, {sumPlace});
  code.make<memref::StoreOp>(now, rows.largest, ValueRange{row});
  code.make<memref::StoreOp>(factor, correction, ValueRange{row});
}

/// outputs[row..] = outputs[row..] * correction + scores[row.., 0..count] V for one page.
void AttentionEmitter::valueTiles(const Page &page, Value count, int64_t rows, Value row) {
  int64_t full = spec.valueDim / lanes, vectors = full > 0 ? tileVectors(rows, full) : 0;
  int64_t tiled = full > 0 ? full / vectors * vectors : 0;
  if (tiled > 0)
    code.loop(0, tiled * lanes, vectors * lanes,
              [&](Value column) { valueTile(page, count, rows, row, column, vectors, lanes); });
  if (tiled < full)
    valueTile(page, count, rows, row, code.index(tiled * lanes), full - tiled, lanes);
  if (full * lanes < spec.valueDim)
    valueTile(page, count, rows, row, code.index(full * lanes), 1, spec.valueDim % lanes);
}

void AttentionEmitter::valueTile(const Page &page, Value count, int64_t rows, Value row,
                                 Value column, int64_t vectors, int64_t width) {
  VectorType type = code.floats(width);
  auto place = [&](int64_t r, int64_t v) {
    return code.add(code.add(code.mul(code.add(row, r), spec.valueDim), column), v * width);
  };
  Code::Values tile;
  for (int64_t r = 0; r < rows; ++r) {
    Value factor = code.splat(width, code.loadScalar(correction, {code.add(row, r)}));
    for (int64_t v = 0; v < vectors; ++v)
      tile.push_back(code.make<arith::MulFOp>(
          code.loadVector(type, this->rows.outputs, {place(r, v)}), factor));
  }
  tile = code.loop(code.index(0), count, 1, tile, [&](Value slot, ValueRange carried) {
    Code::Values next(carried), values;
    Value valueRow = code.add(code.mul(slot, page.valueStride), column);
    for (int64_t v = 0; v < vectors; ++v)
      values.push_back(
          loadAt(code, type, elementAddress(code, page.values, code.add(valueRow, v * width))));
    for (int64_t r = 0; r < rows; ++r) {
      Value p = code.loadScalar(scores, {code.add(code.mul(code.add(row, r), kPageTokens), slot)});
      Value weight = code.splat(width, p);
      for (int64_t v = 0; v < vectors; ++v)
        next[r * vectors + v] = code.fma(weight, values[v], next[r * vectors + v]);
    }
    return next;
  });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      code.storeVector(tile[r * vectors + v], this->rows.outputs, {place(r, v)});
}

/// out[token, head] = outputs[row] / sum, where a sink adds to the sum alone.
void AttentionEmitter::finishRow(const Accumulators &total, Value token, Value head, Value row) {
  OpBuilder &b = code.builder;
  auto plus = [&](Value x, Value y) { return code.make<arith::AddFOp>(x, y).getResult(); };
  Value sum = reduce(code.loadVector(code.floats(lanes), total.sums, {code.mul(row, lanes)}), plus);
  Value factor = code.constant(f32, 1);
  if (operands.sinks) {
    Value sink = code.loadScalar(operands.sinks, {head}),
          top = code.loadScalar(total.largest, {row});
    Value now = maximum(sink, top);
    factor = emitExp(b, code.loc, code.make<arith::SubFOp>(top, now));
    Value own = emitExp(b, code.loc, code.make<arith::SubFOp>(sink, now));
    sum = code.fma(sum, factor, own);
  }
  Value scale = code.make<arith::DivFOp>(factor, sum);
  code.pieces(spec.valueDim, lanes, [&](Value i, VectorType type) {
    Value output =
        code.loadVector(type, total.outputs, {code.add(code.mul(row, spec.valueDim), i)});
    output = code.make<arith::MulFOp>(output, code.splat(type.getNumElements(), scale));
    Value place = code.add(code.mul(head, spec.valueDim), i);
    code.storeVector(output, operands.out, {token, place});
  });
}

} // namespace

ScratchSize attentionScratch(const AttentionSpec &spec, const Isa &isa, bool hasState) {
  if (hasState) {
    int64_t row = spec.valueDim + isa.lanes() + 1;
    return {0, 0, spec.heads * row * static_cast<int64_t>(sizeof(float))};
  }
  int64_t page = pagePartBytes(spec.kvHeads, spec.keyDim);
  return {page / kPageTokens, page, 0};
}

void emitAttention(OpBuilder &builder, Location loc, const Isa &isa, const AttentionSpec &spec,
                   const AttentionOperands &operands) {
  AttentionEmitter({builder, loc}, isa, spec, operands).emit();
}

} // namespace plexus::emit
