// Generates attention with an online softmax over pages of keys and values.
#include "passes/lower/cpu/emit/Attention.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/lower/cpu/emit/AttentionParts.h"
#include "passes/lower/cpu/emit/KvCodes.h"
#include "passes/lower/cpu/emit/KvSealed.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace plexus::emit {

namespace {

/// Rows (token, head) of a work item, a few more where a group is big; and of one that reads
/// several key heads.
constexpr int64_t kItemRows = 24, kManyHeadRows = 64;
/// The same where pages are decoded, which more rows share.
constexpr int64_t kDecodedRows = 48;
/// Few tokens wait for memory, whose prefetchers want to see so many bytes in a row.
constexpr int64_t kRunBytes = 8192;

/// Emits one attention; the members are what its parts share. Within a work item, rows are ordered
/// by key head, token, and head of the group.
class AttentionEmitter {
public:
  AttentionEmitter(Code code, const Isa &isa, const AttentionSpec &spec,
                   const AttentionOperands &operands);
  void emit();

private:
  void writeScratch();
  void planSpans();
  struct Item {
    Value firstHead, endHead; ///< key heads
    Value tokens;             ///< of a tile: rows of a head are at multiples of it
  };
  void emitItem(Value number, Value tileCount, Value range, Value tileTokens);
  Value headRange(Value tileTokens);
  void emitSegments(AttentionSegment segment);
  void emitSegment(AttentionSegment segment);
  void emitSpan(const AttentionSegment &segment, Value span);
  void emitStep(const AttentionSegment &segment, Value firstPage, Value endPage, Value column);
  void emitScores(const AttentionSegment &segment, Value page, Value head, Value next,
                  Value column);
  void emitValues(const AttentionSegment &segment, Value page, Value head, Value next,
                  Value column);
  void hide(const AttentionSegment &segment, Value page, Value column);
  AttentionTiles::Rows rowsOf(const AttentionSegment &segment, Value head);
  void keepPartials(const AttentionSegment &segment, const Softmaxes &all);
  Softmaxes choose(Value condition, const Softmaxes &yes, const Softmaxes &no);
  void mergePartials();
  Value partialRow(Value token, Value head, Value span);
  void loadQueries(const AttentionSegment &segment);
  void finish(const Softmaxes &total, Value token, Value head, Value row);

  Value pageStart(const AttentionSegment &segment, Value page);
  Value keysOf(const AttentionSegment &segment, Value page, Value head);
  void setPage(const AttentionSegment &segment, Value page);
  Value nextStep(const AttentionSegment &segment, Value page);
  Code::Values ofForm(const AttentionSegment &segment, Value page,
                      llvm::function_ref<Code::Values(Value)> ofSealed,
                      llvm::function_ref<Code::Values()> ofOpen);
  RowAddress valuesOf(const AttentionSegment &segment, Value page, Value head);
  bool isDecoded() const { return operands.kv && spec.keys().isQuantized(); }
  bool isSealing() const { return operands.kv && spec.seals; }
  Value isSealed(const AttentionSegment &segment, Value page);
  /// Whether pages of scratch hold values too.
  bool copiesValues() const { return spec.form == KvForm::BF16; }

  void forTokens(const AttentionSegment &segment,
                 llvm::function_ref<void(Value token, Value local)> body);
  void forRows(const AttentionSegment &segment,
               llvm::function_ref<void(Value token, Value local, Value head, Value row)> body);

  Code code;
  const Isa &isa;
  const AttentionSpec &spec;
  const AttentionOperands &operands;
  BatchFields batch;
  int64_t group, maxTokens, maxRows;
  AttentionTiles tiles;
  KvSealed sealed;
  Visibility visibility;
  SoftmaxRows softmaxRows;
  Value split;        ///< i1: spans are work items of their own
  Value spans;        ///< work items that share a tile's context
  Softmaxes partials; ///< in scratch, for each token, head and span: where `split`
                      // Of a work item:
  Item item;
  Value span;       ///< the item's, where `split`
  Softmaxes totals; ///< of the spans so far
  Value decoded;    ///< keys or values of a page, from a quantized state
};

AttentionEmitter::AttentionEmitter(Code code, const Isa &isa, const AttentionSpec &spec,
                                   const AttentionOperands &operands)
    : code(code), isa(isa), spec(spec), operands(operands),
      batch(loadBatch(code.builder, code.loc, operands.batch)), group(spec.heads / spec.kvHeads),
      maxTokens(std::max<int64_t>(1, (spec.seals ? kDecodedRows : kItemRows) / group)),
      maxRows(std::max(maxTokens * group, std::min(spec.heads, kManyHeadRows) / group * group)),
      tiles(this->code, isa, spec, maxRows), sealed(this->code, isa, spec, operands.frequencies),
      visibility(this->code, isa, spec, batch, operands.kv != nullptr),
      softmaxRows(this->code, isa, spec.valueDim) {}

void AttentionEmitter::forTokens(const AttentionSegment &segment,
                                 llvm::function_ref<void(Value, Value)> body) {
  code.loop(segment.begin, segment.end, 1,
            [&](Value token) { body(token, code.sub(token, segment.begin)); });
}

void AttentionEmitter::forRows(const AttentionSegment &segment,
                               llvm::function_ref<void(Value, Value, Value, Value)> body) {
  code.loop(item.firstHead, item.endHead, 1, [&](Value kvHead) {
    Value first = rowsOf(segment, kvHead).first;
    forTokens(segment, [&](Value token, Value local) {
      code.loop(0, group, 1, [&](Value i) {
        Value head = code.add(code.mul(kvHead, group), i);
        body(token, local, head, code.add(first, code.add(code.mul(local, group), i)));
      });
    });
  });
}

AttentionTiles::Rows AttentionEmitter::rowsOf(const AttentionSegment &segment, Value head) {
  Value tokens = code.sub(segment.end, segment.begin);
  Value before = code.mul(code.sub(head, item.firstHead), item.tokens);
  return {code.mul(before, group), code.mul(tokens, group)};
}

/// Tiles of a head alternate between its first and its last, so that a contiguous range of items
/// (one thread's) is made of long and short causal rows alike.
static Value foldedTile(const Code &code, Value number, Value tiles) {
  Value half = code.div(number, 2), odd = code.less(code.index(0), code.rem(number, 2));
  return code.select(odd, code.sub(code.add(tiles, -1), half), half);
}

void AttentionEmitter::emit() {
  if (!operands.kv)
    writeScratch();
  planSpans();
  Value perSequence =
      code.make<arith::DivSIOp>(batch.tokens, code.max(batch.sequences, code.index(1)));
  Value tileTokens = code.min(code.max(perSequence, code.index(1)), code.index(maxTokens));
  Value tileCount = code.make<arith::CeilDivSIOp>(batch.tokens, tileTokens);
  Value range = headRange(tileTokens);
  Value ranges = code.make<arith::CeilDivUIOp>(code.index(spec.kvHeads), range);
  code.parallel(code.mul(code.mul(tileCount, ranges), spans),
                [&](Value number) { emitItem(number, tileCount, range, tileTokens); });
  if (operands.kv)
    code.ifThen(split, [&] { mergePartials(); });
}

/// Key heads of a work item: one where there are many tokens, else what makes a run in memory.
Value AttentionEmitter::headRange(Value tileTokens) {
  int64_t run = llvm::divideCeil(kRunBytes, spec.keys().codeBytes() * kPageTokens);
  Value fitting = code.make<arith::DivUIOp>(code.index(maxRows), code.mul(tileTokens, group));
  Value heads = code.min(code.min(fitting, code.index(run)), code.index(spec.kvHeads));
  Value few = code.less(batch.tokens, code.index(kSplitTokens + 1));
  return code.select(few, code.max(heads, code.index(1)), code.index(1));
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
    auto type = MemRefType::get({ShapedType::kDynamic}, code.builder.getF32Type());
    Value size = code.mul(count, floats);
    Value view = code.make<memref::ViewOp>(type, operands.scratch, bytes, size);
    bytes = code.add(bytes, code.mul(size, sizeof(float)));
    return view;
  };
  partials.outputs = part(spec.valueDim);
  partials.sums = part(isa.lanes());
  partials.largest = part(1);
}

//===--- Pages ---===//

static int64_t scratchPageBytes(const AttentionSpec &spec) {
  return spec.keys().bytes() + (spec.form == KvForm::BF16 ? spec.values().bytes() : 0);
}

/// Without a state, the batch's keys (and values, as pairs) go into pages of scratch: sequence s
/// starts at page token_begin[s] / 32 + s, which leaves each sequence the pages that it needs.
void AttentionEmitter::writeScratch() {
  OpBuilder &b = code.builder;
  emit::forTokens(b, code.loc, batch.tokens, [&](Value token) {
    AttentionSegment segment;
    segment.sequence = loadI32(b, code.loc, batch.sequence, token);
    Value slot = code.sub(token, loadI32(b, code.loc, batch.tokenBegin, segment.sequence));
    KvRows rows{operands.key, copiesValues() ? operands.value : Value(), token, operands.ropeTable};
    writeSlot(code, isa, spec,
              {pageStart(segment, code.div(slot, kPageTokens)), code.rem(slot, kPageTokens)}, rows);
  });
}

Value AttentionEmitter::pageStart(const AttentionSegment &segment, Value page) {
  OpBuilder &b = code.builder;
  if (operands.kv)
    return loadPage(b, code.loc, operands.kv, segment.sequence, page);
  Value begin = loadI32(b, code.loc, batch.tokenBegin, segment.sequence);
  Value first = code.add(code.div(begin, kPageTokens), segment.sequence);
  return byteOffset(b, code.loc, bytesAddress(code, operands.scratch),
                    code.mul(code.add(first, page), scratchPageBytes(spec)));
}

/// Address of the head's keys in a page.
Value AttentionEmitter::keysOf(const AttentionSegment &segment, Value page, Value head) {
  Value bytes = code.mul(head, spec.keys().codeBytes() * kPageTokens);
  return byteOffset(code.builder, code.loc, pageStart(segment, page), bytes);
}

/// Address of the head's values in a page, and the words from one row of them to the next.
RowAddress AttentionEmitter::valuesOf(const AttentionSegment &segment, Value page, Value head) {
  if (!operands.kv && !copiesValues()) {
    Value begin = loadI32(code.builder, code.loc, batch.tokenBegin, segment.sequence);
    return rowAddress(code, operands.value, code.add(begin, code.mul(page, kPageTokens)),
                      code.mul(head, spec.valueDim));
  }
  KvPartLayout layout = spec.values();
  Value bytes = code.add(code.mul(head, layout.codeBytes() * kPageTokens), spec.keys().bytes());
  return {byteOffset(code.builder, code.loc, pageStart(segment, page), bytes),
          code.index(layout.paddedDim())};
}

//===--- Work items ---===//

void AttentionEmitter::emitItem(Value number, Value tileCount, Value range, Value tileTokens) {
  OpBuilder &b = code.builder;
  span = code.make<arith::RemUIOp>(number, spans);
  Value headTile = code.make<arith::DivUIOp>(number, spans);
  item.firstHead = code.mul(code.make<arith::DivUIOp>(headTile, tileCount), range);
  item.endHead = code.min(code.add(item.firstHead, range), code.index(spec.kvHeads));
  item.tokens = tileTokens;
  Value tile = foldedTile(code, code.make<arith::RemUIOp>(headTile, tileCount), tileCount);
  Value first = code.mul(tile, tileTokens);
  Value last = code.min(code.add(first, tileTokens), batch.tokens);
  Value firstSequence = loadI32(b, code.loc, batch.sequence, first);
  Value lastSequence = loadI32(b, code.loc, batch.sequence, code.add(last, -1));
  code.stackScope([&] {
    tiles.allocate();
    visibility.allocate(maxTokens);
    totals = softmaxRows.onStack(maxRows);
    if (isDecoded())
      decoded = code.stackBuffer(std::max(spec.keys().paddedDim(), spec.values().paddedDim()) *
                                     kPageTokens,
                                 b.getF32Type());
    if (isSealing())
      sealed.allocate();
    code.loop(firstSequence, code.add(lastSequence, 1), 1, [&](Value sequence) {
      AttentionSegment segment;
      segment.sequence = sequence;

      segment.begin = code.max(first, loadI32(b, code.loc, batch.tokenBegin, sequence));
      segment.end = code.min(last, loadI32(b, code.loc, batch.tokenBegin, code.add(sequence, 1)));
      code.ifThen(code.less(segment.begin, segment.end), [&] { emitSegments(segment); });
    });
  });
}

/// All of a segment's tokens read the same form of each page.
void AttentionEmitter::emitSegments(AttentionSegment segment) {
  if (!isSealing())
    return emitSegment(segment);
  Value begin = segment.begin, end = segment.end;
  code.loop(begin, end, 1, ValueRange{begin}, [&](Value token, ValueRange first) -> Code::Values {
    Value next = code.add(token, 1), last = code.add(end, -1);
    segment.sealed = sealedPages(code, batch, token);
    Value same = code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, segment.sealed,
                                          sealedPages(code, batch, code.min(next, last)));
    Value ends = code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, token, last);
    ends = code.make<arith::OrIOp>(
        ends, code.make<arith::XOrIOp>(same, code.make<arith::ConstantIntOp>(1, 1)));
    segment.begin = first[0], segment.end = next;
    code.ifThen(ends, [&] { emitSegment(segment); });
    return {code.select(ends, next, first[0])};
  });
}

void AttentionEmitter::emitSegment(AttentionSegment segment) {
  visibility.measure(segment);
  loadQueries(segment);
  Value first = code.div(segment.lowMin, kSpanSlots);
  Value end = code.ceilDiv(segment.highMax, kSpanSlots);
  first = code.select(split, code.max(first, span), first);
  end = code.select(split, code.min(end, code.add(span, 1)), end);
  // Merging what a single span gives into nothing would change no bit of it.
  Value many = code.less(code.add(first, 1), end);
  code.loop(first, end, 1, [&](Value number) {
    emitSpan(segment, number);
    code.ifThen(many, [&] {
      forRows(segment, [&](Value, Value, Value, Value row) {
        softmaxRows.merge(totals, row, tiles.rows(), row);
      });
    });
  });
  Value none = code.less(code.add(end, -1), first);
  Softmaxes all = choose(code.make<arith::OrIOp>(many, none), totals, tiles.rows());
  auto finishAll = [&] {
    forRows(segment,
            [&](Value token, Value, Value head, Value row) { finish(all, token, head, row); });
  };
  if (operands.kv)
    code.ifElse(split, [&] { keepPartials(segment, all); }, finishAll);
  else
    finishAll();
}

Softmaxes AttentionEmitter::choose(Value condition, const Softmaxes &yes, const Softmaxes &no) {
  return {code.select(condition, yes.largest, no.largest),
          code.select(condition, yes.sums, no.sums),
          code.select(condition, yes.outputs, no.outputs)};
}

/// Copies the rows' queries, turned and times the scale, and clears the rows' totals.
void AttentionEmitter::loadQueries(const AttentionSegment &segment) {
  forRows(segment, [&](Value token, Value, Value head, Value row) {
    forHead(code, isa, spec.rope.value_or(RopeSpec()), operands.ropeTable, spec.keyDim,
            operands.query, token, code.mul(head, spec.keyDim), [&](Value entry, Value query) {
              Value scale = code.constant(query.getType(), spec.scale);
              tiles.storeQuery(row, entry, code.make<arith::MulFOp>(query, scale));
            });
    tiles.padQuery(row);
    softmaxRows.clear(totals, row);
  });
}

void AttentionEmitter::emitSpan(const AttentionSegment &segment, Value number) {
  constexpr int64_t pages = kSpanSlots / kPageTokens;
  forRows(segment, [&](Value, Value, Value, Value row) { softmaxRows.clear(tiles.rows(), row); });
  Value first = code.max(code.div(segment.lowMin, kPageTokens), code.mul(number, pages));
  Value end =
      code.min(code.ceilDiv(segment.highMax, kPageTokens), code.mul(code.add(number, 1), pages));
  // Steps begin at multiples of their size, so that a row's sums do not depend on its neighbours.
  code.loop(code.div(first, kStepPages), code.ceilDiv(end, kStepPages), 1, [&](Value step) {
    Value begin = code.mul(step, kStepPages);
    emitStep(segment, code.max(first, begin), code.min(end, code.add(begin, kStepPages)), begin);
  });
}

/// Scores with all pages of [firstPage, endPage), their softmaxes, then the values of the pages.
/// Few rows wait for memory, so each head's part of a page asks for what is read after it.
void AttentionEmitter::emitStep(const AttentionSegment &segment, Value firstPage, Value endPage,
                                Value stepPage) {
  Value lastPage = code.add(endPage, -1), lastHead = code.add(item.endHead, -1);
  auto column = [&](Value page) { return code.mul(code.sub(page, stepPage), kPageTokens); };
  bool asks = operands.kv && !isDecoded() && !isSealing();
  // What follows head `head` of `page`, among keys or values; behind them comes `last`.
  auto after = [&](Value page, Value head, llvm::function_ref<Value(Value, Value)> part,
                   Value last) -> Value {
    if (!asks)
      return {};
    Value inPage = code.less(head, lastHead);
    Value nextPage = code.select(inPage, page, code.min(code.add(page, 1), lastPage));
    Value next = part(nextPage, code.select(inPage, code.add(head, 1), item.firstHead));
    Value isLast = code.less(lastPage, code.add(page, 1));
    isLast = code.select(inPage, code.make<arith::ConstantIntOp>(0, 1), isLast);
    return code.select(isLast, last, next);
  };
  auto keys = [&](Value page, Value head) { return keysOf(segment, page, head); };
  auto values = [&](Value page, Value head) { return valuesOf(segment, page, head).pointer; };
  Value firstValues = asks ? values(firstPage, item.firstHead) : Value();
  code.loop(firstPage, endPage, 1, [&](Value page) {
    if (isSealing() && sealed.turns())
      setPage(segment, page);
    code.loop(item.firstHead, item.endHead, 1, [&](Value head) {
      emitScores(segment, page, head, after(page, head, keys, firstValues), column(page));
    });
  });
  code.loop(firstPage, endPage, 1, [&](Value page) { hide(segment, page, column(page)); });
  forRows(segment, [&](Value, Value, Value, Value row) {
    tiles.softmax(row, column(firstPage), column(endPage));
  });
  Value more = code.min(endPage, code.add(code.ceilDiv(segment.highMax, kPageTokens), -1));
  Value nextKeys = asks ? keys(more, item.firstHead) : Value();
  code.loop(firstPage, endPage, 1, [&](Value page) {
    code.loop(item.firstHead, item.endHead, 1, [&](Value head) {
      emitValues(segment, page, head, after(page, head, values, nextKeys), column(page));
    });
  });
}

/// i1: whether the segment reads the sealed form of a page.
Value AttentionEmitter::isSealed(const AttentionSegment &segment, Value page) {
  OpBuilder &b = code.builder;
  Value open = loadPage(b, code.loc, operands.kv, segment.sequence, page, /*toLayer=*/false);
  return code.make<arith::OrIOp>(code.less(page, segment.sealed), isNull(b, code.loc, open));
}

/// What one of two bodies gives for a page's form: an address and a number of words (index).
Code::Values AttentionEmitter::ofForm(const AttentionSegment &segment, Value page,
                                      llvm::function_ref<Code::Values(Value)> ofSealed,
                                      llvm::function_ref<Code::Values()> ofOpen) {
  OpBuilder &b = code.builder;
  llvm::SmallVector<Type> types{operands.kv.getType(), b.getIndexType()};
  return code.ifElse(
      isSealed(segment, page), types,
      [&] { return ofSealed(loadSealedPage(b, code.loc, operands.kv, segment.sequence, page)); },
      ofOpen);
}

/// Where the layer lies in the sealed page that the next step has in this one's place, if any.
Value AttentionEmitter::nextStep(const AttentionSegment &segment, Value page) {
  Value last = code.add(code.ceilDiv(segment.highMax, kPageTokens), -1);
  return loadSealedPage(code.builder, code.loc, operands.kv, segment.sequence,
                        code.min(code.add(page, kStepPages), last));
}

/// The positions of the page's tokens turn its keys.
void AttentionEmitter::setPage(const AttentionSegment &segment, Value page) {
  OpBuilder &b = code.builder;
  auto start = [&](auto load) -> Code::Values {
    return {load(b, code.loc, operands.kv, segment.sequence, page, /*toLayer=*/false)};
  };
  Value small = isSealed(segment, page);
  Value found = code.ifElse(
      small, operands.kv.getType(), [&] { return start(loadSealedPage); },
      [&] { return start(loadPage); })[0];
  sealed.setPage(found, small);
}

void AttentionEmitter::emitScores(const AttentionSegment &segment, Value page, Value head,
                                  Value next, Value column) {
  Value data;
  if (isDecoded()) {
    KvCodes(code, isa, spec.keys(), true).decode(pageStart(segment, page), head, decoded);
    data = bytesAddress(code, decoded);
  } else if (isSealing()) {
    Value unused = code.index(0);
    data = ofForm(
        segment, page,
        [&](Value layer) -> Code::Values {
          sealed.prefetchValues(layer, head); // read after the step's keys
          return {sealed.keys(layer, head), unused};
        },
        [&]() -> Code::Values {
          Value keys = keysOf(segment, page, head);
          return {sealed.turns() ? sealed.openKeys(keys) : keys, unused};
        })[0];
  } else {
    data = keysOf(segment, page, head);
  }
  tiles.score({data, next}, rowsOf(segment, head), column);
}

void AttentionEmitter::hide(const AttentionSegment &segment, Value page, Value column) {
  Value firstSlot = code.mul(page, kPageTokens);
  code.ifThen(visibility.isPartial(segment, firstSlot), [&] {
    visibility.hide(segment, firstSlot, [&](Value local, llvm::ArrayRef<Value> hidden) {
      code.loop(item.firstHead, item.endHead, 1, [&](Value head) {
        Value first = code.add(rowsOf(segment, head).first, code.mul(local, group));
        code.loop(0, group, 1, [&](Value i) { tiles.hide(code.add(first, i), column, hidden); });
      });
    });
  });
}

void AttentionEmitter::emitValues(const AttentionSegment &segment, Value page, Value head,
                                  Value next, Value column) {
  AttentionTiles::Values values;
  if (isDecoded()) {
    Value part = byteOffset(code.builder, code.loc, pageStart(segment, page),
                            code.index(spec.keys().bytes()));
    KvCodes(code, isa, spec.values(), false).decode(part, head, decoded);
    values.data = bytesAddress(code, decoded);
    values.stride = code.index(spec.values().paddedDim());
  } else if (isSealing()) {
    Code::Values made = ofForm(
        segment, page,
        [&](Value layer) -> Code::Values {
          sealed.prefetchKeys(nextStep(segment, page), head);
          return {sealed.values(layer, head), code.index(spec.sealed().paddedValueDim())};
        },
        [&]() -> Code::Values {
          RowAddress rows = valuesOf(segment, page, head);
          return {rows.pointer, rows.stride};
        });
    values.data = made[0], values.stride = made[1];
  } else {
    RowAddress rows = valuesOf(segment, page, head);
    values.data = rows.pointer, values.stride = rows.stride;
  }
  values.next = next;
  values.slots =
      code.min(code.sub(segment.highMax, code.mul(page, kPageTokens)), code.index(kPageTokens));
  tiles.addValues(values, rowsOf(segment, head), column);
}

//===--- Results ---===//

void AttentionEmitter::finish(const Softmaxes &total, Value token, Value head, Value row) {
  Value sink = operands.sinks ? code.loadScalar(operands.sinks, {head}) : Value();
  softmaxRows.finish(total, row, sink, [&](Value i, Value output) {
    code.storeVector(output, operands.out, {token, code.add(code.mul(head, spec.valueDim), i)});
  });
}

Value AttentionEmitter::partialRow(Value token, Value head, Value number) {
  return code.add(code.mul(code.add(code.mul(token, spec.heads), head), spans), number);
}

/// What the item's span gives, into scratch.
void AttentionEmitter::keepPartials(const AttentionSegment &segment, const Softmaxes &all) {
  forRows(segment, [&](Value token, Value, Value head, Value row) {
    Value place = partialRow(token, head, span);
    softmaxRows.clear(partials, place);
    softmaxRows.merge(partials, place, all, row);
  });
}

/// The results of all spans become the rows'.
void AttentionEmitter::mergePartials() {
  code.stackScope([&] {
    Softmaxes total = softmaxRows.onStack(1);
    Value zero = code.index(0);
    code.loop(zero, batch.tokens, 1, [&](Value token) {
      code.loop(0, spec.heads, 1, [&](Value head) {
        softmaxRows.clear(total, zero);
        code.loop(zero, spans, 1, [&](Value number) {
          softmaxRows.merge(total, zero, partials, partialRow(token, head, number));
        });
        finish(total, token, head, zero);
      });
    });
  });
}

} // namespace

ScratchSize attentionScratch(const AttentionSpec &spec, const Isa &isa, bool hasState) {
  if (hasState) {
    int64_t row = spec.valueDim + isa.lanes() + 1;
    return {0, 0, spec.heads * row * static_cast<int64_t>(sizeof(float))};
  }
  int64_t page = scratchPageBytes(spec);
  return {page / kPageTokens, page, 0};
}

void emitAttention(OpBuilder &builder, Location loc, const Isa &isa, const AttentionSpec &spec,
                   const AttentionOperands &operands) {
  AttentionEmitter({builder, loc}, isa, spec, operands).emit();
}

} // namespace plexus::emit
