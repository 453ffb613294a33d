// Generates products of quantized integer weights with activations rounded to 8 bits.
//
// Each row of x is rounded once, in steps of k: x = s q with s = max|x| / 127 of the step, q in
// [-127, 127]. A step is a group of the weight where it has groups, so that
//   y_n = sum over steps  d_n s (sum q v - z_n sum q)        (PackedZeros::Point, None with z =
//   center) y_n = sum over steps  d_n s (sum q v) + z_n s sum q      (PackedZeros::Min)
// where the inner sums are exact integers and the outer one runs in the order of k in f32.
// This is the dynamic scheme that peers use for few rows, with finer groups. With a fixed scale
// (plx.fake_quantize, arXiv:1712.05877) s is given, and steps are as long as the first level of
// cache likes them.
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/ProductParts.h"
#include "passes/lower/cpu/emit/QuadDot.h"
#include "passes/lower/cpu/emit/QuantBlock.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace plexus::emit {

namespace {

constexpr int64_t kMostStep = 128, kMostFixedStep = 256, kLeastStep = 32;
/// Rows whose sums stay on the stack while a block of columns is read.
constexpr int64_t kManyIntegerRows = 96;
/// Rows, and products of a row and a vector of columns, of a tile that keeps its sums in registers:
/// as many integers and as many f32 besides the weights.
constexpr int64_t kHeldRows = 6, kHeldSums = 12;
/// k that such tiles take at a time: the columns of a block of so many lie in the first level.
constexpr int64_t kHeldDepth = 256;
/// Lines of the next such columns that a step of a tile asks for.
constexpr int64_t kHeldLines = 8;
/// Rows of a tile of the few.
constexpr int64_t kWideRows = 8, kNarrowRows = 4;
/// Bytes ahead of the record that is being read that are asked for: what comes while memory takes
/// its time. (On Zen 5 a row of 4 bits took 1.36 times as long with 4096, 4 rows 1.2 times.)
constexpr int64_t kAhead = 16384;

/// k of one step: the weight's group, or for whole channels the largest piece that divides them.
int64_t stepOf(const ProductSpec &spec) {
  if (spec.form.group)
    return spec.form.group;
  int64_t paddedK = PackedGeometry(spec.form, spec.k).paddedK;
  int64_t step = spec.fixedScale ? kMostFixedStep : kMostStep;
  while (paddedK % step)
    step -= kLeastStep;
  return step;
}

/// Scratch of one row: q[paddedK] i8, then s[steps] f32, then sum q [steps] i32, then what a step's
/// integer sums begin with [steps] i32.
struct RowLayout {
  explicit RowLayout(const ProductSpec &spec) : step(stepOf(spec)) {
    int64_t paddedK = PackedGeometry(spec.form, spec.k).paddedK;
    steps = paddedK / step;
    scales = llvm::alignTo(paddedK, 4) / 4;
    sums = scales + steps;
    starts = sums + steps;
    bytes = llvm::alignTo(4 * (starts + steps), 64);
  }
  int64_t step, steps;
  int64_t scales, sums, starts; ///< in elements of 4 bytes
  int64_t bytes;
};

class IntegerEmitter {
public:
  IntegerEmitter(const Code &code, const Isa &isa, const ProductSpec &spec,
                 const ProductOperands &operands, const ProductEpilogue &epilogue, bool many)
      : code(code), isa(isa), spec(spec), operands(operands), epilogue(epilogue), layout(spec),
        reader(code, spec.form, spec.k, operands.weight, isa.lanes()), dots(code, isa, spec.form),
        lanes(isa.lanes()), many(many) {}

  void emit();

private:
  void roundRow(Value row);
  void roundStep(Value row, Value step, int64_t columns, Value words);
  void roundStepFixed(Value row, Value step, int64_t columns, Value words);
  Value loadX(Value row, Value k, int64_t count) const;
  Value storeRounded(Value x, Value factor, Value place);
  void storeStep(Value step, Value scale, Value sum, Value words);
  void emitBlock(Value block, const BlockSums &sums);
  void emitHeldBlock(Value block, const BlockSums &sums);
  void prefetchHeld(Value block, Value row, Value column, Value begin, Value step);
  Code::Values loadSums(const BlockSums &sums, int64_t rows, int64_t vectors, Value row,
                        Value column) const;
  void storeSums(llvm::ArrayRef<Value> values, const BlockSums &sums, int64_t rows, int64_t vectors,
                 Value row, Value column) const;
  QuantBlock::Record recordOf(Value block, Value step) const;
  Code::Values viewsOf(const BlockSums &sums, int64_t rows, Value row) const;
  void emitNarrowRows(Value block, const BlockSums &sums);
  void emitWideRows(Value block, const BlockSums &sums);
  void prefetch(const QuantBlock::Record &record, Value column, int64_t vectors, int64_t ahead);
  void emitTile(const QuantBlock::Record &record, Value step, int64_t rows, int64_t vectors,
                Value row, Value column, const BlockSums &sums);
  using Tile = llvm::SmallVector<QuadDot::Sum>;
  Tile multiplyStep(const QuantBlock::Record &record, Value step, llvm::ArrayRef<Value> views,
                    int64_t vectors, Value column);
  Tile startTile(Value step, llvm::ArrayRef<Value> views, int64_t vectors);
  void multiplyUnits(Tile &tile, llvm::ArrayRef<Value> views, int64_t vectors, Value offset,
                     Value quad, Value column, int64_t units);
  void addStep(Code::Values &sums, const Tile &tile, const QuantBlock::Record &record, Value step,
               llvm::ArrayRef<Value> views, int64_t vectors, Value column);
  /// Visits a tile's places among the sums.
  void forPlaces(int64_t rows, int64_t vectors, Value row, Value column,
                 llvm::function_ref<void(int64_t, Value)> body) const;
  /// Scratch of a row as words of f32 or i32.
  Value rowView(Value row, Type type) const {
    return code.view(operands.scratch, code.mul(row, layout.bytes), layout.bytes / 4, type);
  }
  int64_t heldSteps() const { return std::max<int64_t>(1, kHeldDepth / layout.step); }
  int64_t tileVectors(int64_t rows) const {
    uint64_t budget = isa.vectorRegisters / 2;
    return std::min<int64_t>(kBlock / lanes, llvm::bit_floor(budget / rows));
  }
  /// What is taken off each value that is multiplied.
  int64_t offset() const {
    return (spec.form.zeros == PackedZeros::None ? spec.form.info().center : 0) + dots.offset();
  }
  Type i32() const { return code.builder.getI32Type(); }
  Type f32() const { return code.builder.getF32Type(); }

  const Code &code;
  const Isa &isa;
  const ProductSpec &spec;
  const ProductOperands &operands;
  const ProductEpilogue &epilogue;
  RowLayout layout;
  QuantBlock reader;
  QuadDot dots;
  int64_t lanes;
  bool many;
};

void IntegerEmitter::emit() {
  if (many)
    code.parallel(operands.rows, [&](Value row) { roundRow(row); });
  else
    code.loop(code.index(0), operands.rows, 1, [&](Value row) { roundRow(row); });
  int64_t most = many ? kManyIntegerRows : kFewRows;
  code.parallel(code.index(spec.blocks()), [&](Value block) {
    code.stackScope([&] {
      Value memref = code.stackBuffer(most * kBlock, f32());
      if (!many)
        return emitBlock(block, {memref, code.index(0), operands.rows});
      code.loop(code.index(0), operands.rows, most, [&](Value row) {
        Value count = code.min(code.sub(operands.rows, row), code.index(most));
        // Fewer registers hold no tile's integers and floats at once.
        if (isa.vectorRegisters > 16)
          emitHeldBlock(block, {memref, row, count});
        else
          emitBlock(block, {memref, row, count});
      });
    });
  });
}

//===--- Activations ---===//

void IntegerEmitter::roundRow(Value row) {
  Value words = rowView(row, i32());
  int64_t whole = spec.k / layout.step;
  auto round = [&](Value step, int64_t columns) {
    if (spec.fixedScale)
      roundStepFixed(row, step, columns, words);
    else
      roundStep(row, step, columns, words);
  };
  code.loop(0, whole, 1, [&](Value step) { round(step, layout.step); });
  // K ends inside a step, and superblocks may pad whole ones.
  for (int64_t step = whole; step < layout.steps; ++step)
    round(code.index(step), std::max<int64_t>(spec.k - step * layout.step, 0));
}

/// `count` columns of x from k on, at most a vector of them; the other lanes are 0.
Value IntegerEmitter::loadX(Value row, Value k, int64_t count) const {
  if (count >= lanes)
    return code.loadVector(code.floats(lanes), operands.x, {row, k});
  Value zero = code.constant(code.floats(lanes), 0);
  if (count <= 0)
    return zero;
  Value mask = code.make<vector::CreateMaskOp>(code.vectorType(lanes, code.builder.getI1Type()),
                                               ValueRange{code.index(count)});
  return code.make<vector::MaskedLoadOp>(code.floats(lanes), operands.x, ValueRange{row, k}, mask,
                                         zero);
}

/// Stores x * factor, rounded, as bytes; returns the integers. Adding 1.5 * 2^23 rounds to the
/// nearest integer and leaves it in the low bits; what is not finite leaves 0 there.
Value IntegerEmitter::storeRounded(Value x, Value factor, Value place) {
  auto type = code.vectorType(lanes, i32());
  constexpr int64_t kMagicBits = 0x4b400000;
  Value magic = code.constant(code.floats(lanes), 12582912.0);
  Value rounded = code.make<arith::BitcastOp>(type, code.fma(x, factor, magic));
  Value bytes =
      code.make<arith::TruncIOp>(code.vectorType(lanes, code.builder.getI8Type()), rounded);
  code.storeVector(bytes, operands.scratch, {place});
  return code.make<arith::SubIOp>(rounded, code.constant(type, kMagicBits));
}

/// Rounds the first `columns` columns of a step, the others are 0, with the scale that is given;
/// larger magnitudes than 127 of it become that.
void IntegerEmitter::roundStepFixed(Value row, Value step, int64_t columns, Value words) {
  Value scale = code.loadScalar(operands.range, {code.index(0)});
  Value one = code.constant(f32(), 1), most = code.constant(f32(), 127);
  Value factor = code.splat(lanes, code.make<arith::DivFOp>(one, scale));
  Value limit = code.make<arith::MulFOp>(scale, most);
  Value high = code.splat(lanes, limit);
  Value low = code.splat(lanes, code.make<arith::NegFOp>(limit));
  Value first = code.mul(step, layout.step);
  Value start = code.add(code.mul(row, layout.bytes), first);
  auto round = [&](Value k, int64_t count) {
    Value x = loadX(row, code.add(first, k), count);
    x = code.make<arith::MaxNumFOp>(x, low);
    x = code.make<arith::MinNumFOp>(x, high);
    return storeRounded(x, factor, code.add(start, k));
  };
  Value sum = code.constant(code.vectorType(lanes, i32()), 0);
  int64_t whole = columns / lanes * lanes;
  sum = code.loop(code.index(0), code.index(whole), lanes, sum, [&](Value k, ValueRange in) {
    return Code::Values{code.make<arith::AddIOp>(in[0], round(k, lanes))};
  })[0];
  for (int64_t k = whole; k < layout.step; k += lanes)
    sum = code.make<arith::AddIOp>(sum, round(code.index(k), columns - k));
  storeStep(step, scale, sum, words);
}

/// Rounds the first `columns` columns of a step, the others are 0. NaN and infinity anywhere in the
/// step make its scale, and so the row's results, NaN or infinite.
void IntegerEmitter::roundStep(Value row, Value step, int64_t columns, Value words) {
  auto type = code.vectorType(lanes, i32());
  Value first = code.mul(step, layout.step);
  Code::Values xs;
  // As integers, magnitudes compare as they do as floats, with infinity and NaN above.
  Value most = code.constant(type, 0);
  for (int64_t k = 0; k < layout.step; k += lanes) {
    Value x = loadX(row, code.add(first, k), columns - k);
    Value bits = code.make<arith::BitcastOp>(type, x);
    bits = code.make<arith::AndIOp>(bits, code.constant(type, 0x7fffffff));
    most = code.make<arith::MaxSIOp>(most, bits);
    xs.push_back(x);
  }
  Value peak = code.make<vector::ReductionOp>(vector::CombiningKind::MAXSI, most);
  peak = code.make<arith::BitcastOp>(f32(), peak);
  Value inverse = code.make<arith::DivFOp>(code.constant(f32(), 127), peak);
  Value scale = code.make<arith::MulFOp>(peak, code.constant(f32(), 1.0 / 127));
  Value sum = code.constant(type, 0);
  Value factor = code.splat(lanes, inverse);
  for (auto [i, x] : llvm::enumerate(xs)) {
    Value place =
        code.add(code.mul(row, layout.bytes), code.add(first, static_cast<int64_t>(i) * lanes));
    sum = code.make<arith::AddIOp>(sum, storeRounded(x, factor, place));
  }
  storeStep(step, scale, sum, words);
}

/// What a step needs beside its bytes; `sum`: of the integers, a vector.
void IntegerEmitter::storeStep(Value step, Value scale, Value sum, Value words) {
  Value total = code.make<vector::ReductionOp>(vector::CombiningKind::ADD, sum);
  Value scaleBits = code.make<arith::BitcastOp>(i32(), scale);
  code.make<memref::StoreOp>(scaleBits, words, ValueRange{code.add(step, layout.scales)});
  code.make<memref::StoreOp>(total, words, ValueRange{code.add(step, layout.sums)});
  // The offset of the stored values, and a center, come off: integers too.
  Value start = code.make<arith::MulIOp>(total, code.constant(i32(), -double(offset())));
  code.make<memref::StoreOp>(start, words, ValueRange{code.add(step, layout.starts)});
}

//===--- Products ---===//

/// Where a step's values lie: in a record of its own, or in that of all of K.
QuantBlock::Record IntegerEmitter::recordOf(Value block, Value step) const {
  if (spec.form.group)
    return reader.record(block, step);
  QuantBlock::Record record = reader.record(block, code.index(0));
  int64_t bytes = layout.step / reader.unit() * reader.geometry().unitBytes;
  record.values = code.add(record.values, code.mul(step, bytes));
  return record;
}

Code::Values IntegerEmitter::viewsOf(const BlockSums &sums, int64_t rows, Value row) const {
  Code::Values views;
  for (int64_t r = 0; r < rows; ++r)
    views.push_back(rowView(code.add(code.add(sums.firstRow, row), r), i32()));
  return views;
}

/// Many rows: some steps of a block stay in the first level of cache, and are read once for each
/// tile of rows.
void IntegerEmitter::emitHeldBlock(Value block, const BlockSums &sums) {
  fillZero(code, isa, sums);
  int64_t chunk = heldSteps();
  code.loop(0, layout.steps, chunk, [&](Value begin) {
    Value end = code.min(code.add(begin, chunk), code.index(layout.steps));
    code.rowTiles(sums.rows, kHeldRows, [&](int64_t rows, Value row) {
      int64_t vectors =
          std::min<int64_t>(kBlock / lanes, llvm::bit_floor<uint64_t>(kHeldSums / rows));
      code.loop(0, kBlock, vectors * lanes, [&](Value column) {
        Code::Values views = viewsOf(sums, rows, row);
        Code::Values held = loadSums(sums, rows, vectors, row, column);
        held = code.loop(begin, end, 1, held, [&](Value step, ValueRange in) {
          Code::Values next(in);
          QuantBlock::Record record = recordOf(block, step);
          Tile tile = multiplyStep(record, step, views, vectors, column);
          addStep(next, tile, record, step, views, vectors, column);
          if (rows == kHeldRows)
            prefetchHeld(block, row, column, begin, step);
          return next;
        });
        storeSums(held, sums, rows, vectors, row, column);
      });
    });
  });
  emitProductEpilogue(code, isa, spec, epilogue, block, sums);
}

/// Asks for a share of what comes behind the steps from `begin`; the first tiles ask for all of it.
void IntegerEmitter::prefetchHeld(Value block, Value row, Value column, Value begin, Value step) {
  const PackedGeometry &place = reader.geometry();
  int64_t chunk = heldSteps(), width = kHeldSums / kHeldRows * lanes, share = 64 * kHeldLines;
  int64_t chunkBytes = place.blockBytes * chunk * layout.step / place.paddedK;
  int64_t tileBytes = chunk * (kBlock / width) * share;
  int64_t tiles = llvm::divideCeil(chunkBytes, tileBytes);
  Value next = code.add(code.mul(block, place.blockBytes),
                        code.mul(code.add(code.div(begin, chunk), 1), chunkBytes));
  Value tile = code.min(code.div(row, kHeldRows), code.index(tiles - 1));
  Value turn = code.add(code.mul(code.sub(step, begin), kBlock / width), code.div(column, width));
  Value first = code.add(next, code.add(code.mul(tile, tileBytes), code.mul(turn, share)));
  for (int64_t line = 0; line < share; line += 64)
    code.make<memref::PrefetchOp>(operands.weight, ValueRange{code.add(first, line)},
                                  /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

/// Few rows. Less than eight take a step of the weights after the other. Eight, where registers
/// hold their sums, take half the columns in all steps, so that values of 4 bits are taken apart
/// once for all of them; a block that was asked for a block earlier then lies in the second level,
/// for the rows behind them too.
void IntegerEmitter::emitBlock(Value block, const BlockSums &sums) {
  fillZero(code, isa, sums);
  if (isa.vectorRegisters > 16)
    code.ifElse(
        code.less(sums.rows, code.index(kWideRows)), [&] { emitNarrowRows(block, sums); },
        [&] { emitWideRows(block, sums); });
  else
    emitNarrowRows(block, sums);
  emitProductEpilogue(code, isa, spec, epilogue, block, sums);
}

void IntegerEmitter::emitNarrowRows(Value block, const BlockSums &sums) {
  code.loop(0, layout.steps, 1, [&](Value step) {
    QuantBlock::Record record = recordOf(block, step);
    code.rowTiles(sums.rows, kNarrowRows, [&](int64_t rows, Value row) {
      int64_t vectors = tileVectors(rows);
      code.loop(0, kBlock, vectors * lanes, [&](Value column) {
        code.ifThen(code.less(row, code.index(1)),
                    [&] { prefetch(record, column, vectors, kAhead); });
        emitTile(record, step, rows, vectors, row, column, sums);
      });
    });
  });
}

void IntegerEmitter::emitWideRows(Value block, const BlockSums &sums) {
  code.rowTiles(sums.rows, kWideRows, [&](int64_t rows, Value row) {
    int64_t vectors = tileVectors(rows);
    code.loop(0, kBlock, vectors * lanes, [&](Value column) {
      code.loop(0, layout.steps, 1, [&](Value step) {
        QuantBlock::Record record = recordOf(block, step);
        if (rows == kWideRows)
          code.ifThen(code.less(row, code.index(1)),
                      [&] { prefetch(record, column, vectors, reader.geometry().blockBytes); });
        emitTile(record, step, rows, vectors, row, column, sums);
      });
    });
  });
}

/// Asks for a step's worth of lines that come some records later, or a tile's share of them: all at
/// once would hold up the loads behind them. (Tiles of several rows read a record in an order that
/// hardware prefetchers do not follow.)
void IntegerEmitter::prefetch(const QuantBlock::Record &record, Value column, int64_t vectors,
                              int64_t ahead) {
  int64_t bytes = layout.step / reader.unit() * reader.geometry().unitBytes;
  if (spec.form.group)
    bytes = reader.geometry().recordBytes;
  int64_t columns = vectors * lanes, share = llvm::alignTo(bytes * columns / kBlock, 64);
  Value first = code.mul(code.div(column, columns), share);
  for (int64_t line = 0; line < share; line += 64)
    code.make<memref::PrefetchOp>(
        operands.weight, ValueRange{code.add(code.add(record.values, first), ahead + line)},
        /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
}

/// sums[row.., column..] += one step, with exact sums in registers.
void IntegerEmitter::emitTile(const QuantBlock::Record &record, Value step, int64_t rows,
                              int64_t vectors, Value row, Value column, const BlockSums &sums) {
  Code::Values views = viewsOf(sums, rows, row);
  Tile tile = multiplyStep(record, step, views, vectors, column);
  Code::Values values = loadSums(sums, rows, vectors, row, column);
  addStep(values, tile, record, step, views, vectors, column);
  storeSums(values, sums, rows, vectors, row, column);
}

Code::Values IntegerEmitter::loadSums(const BlockSums &sums, int64_t rows, int64_t vectors,
                                      Value row, Value column) const {
  Code::Values values(rows * vectors);
  forPlaces(rows, vectors, row, column, [&](int64_t i, Value place) {
    values[i] = code.loadVector(code.floats(lanes), sums.memref, {place});
  });
  return values;
}

void IntegerEmitter::storeSums(llvm::ArrayRef<Value> values, const BlockSums &sums, int64_t rows,
                               int64_t vectors, Value row, Value column) const {
  forPlaces(rows, vectors, row, column,
            [&](int64_t i, Value place) { code.storeVector(values[i], sums.memref, {place}); });
}

void IntegerEmitter::forPlaces(int64_t rows, int64_t vectors, Value row, Value column,
                               llvm::function_ref<void(int64_t, Value)> body) const {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      body(r * vectors + v,
           code.add(code.mul(code.add(row, r), kBlock), code.add(column, v * lanes)));
}

/// The exact sums of one step.
IntegerEmitter::Tile IntegerEmitter::multiplyStep(const QuantBlock::Record &record, Value step,
                                                  llvm::ArrayRef<Value> views, int64_t vectors,
                                                  Value column) {
  Tile tile = startTile(step, views, vectors);
  int64_t units = layout.step / reader.unit();
  // Eight quads a turn: as many products of 4 bits as 16 bits hold.
  int64_t unroll = std::gcd(units, std::max<int64_t>(1, 32 / reader.unit()));
  Value quad = code.mul(step, layout.step / 4);
  Code::Values wide;
  for (const QuadDot::Sum &sum : tile)
    wide.push_back(sum.wide);
  wide = code.loop(code.index(0), code.index(units), unroll, wide, [&](Value unit, ValueRange in) {
    Tile turn;
    for (Value value : in)
      turn.push_back({value, {}, 0});
    multiplyUnits(turn, views, vectors,
                  code.add(record.values, code.mul(unit, reader.geometry().unitBytes)),
                  code.add(quad, code.mul(unit, reader.unit() / 4)), column, unroll);
    Code::Values next;
    for (const QuadDot::Sum &sum : turn)
      next.push_back(sum.wide);
    return next;
  });
  for (auto [sum, value] : llvm::zip_equal(tile, wide))
    sum.wide = value;
  return tile;
}

IntegerEmitter::Tile IntegerEmitter::startTile(Value step, llvm::ArrayRef<Value> views,
                                               int64_t vectors) {
  Tile tile;
  for (Value view : views) {
    Value start =
        offset() ? code.loadScalar(view, {code.add(step, layout.starts)}) : code.constant(i32(), 0);
    for (int64_t v = 0; v < vectors; ++v)
      tile.push_back({code.splat(lanes, start), {}, 0});
  }
  return tile;
}

/// Adds the products of `units` units whose first quad is `quad` of the row.
void IntegerEmitter::multiplyUnits(Tile &tile, llvm::ArrayRef<Value> views, int64_t vectors,
                                   Value offset, Value quad, Value column, int64_t units) {
  for (int64_t unit = 0; unit < units; ++unit) {
    llvm::SmallVector<Code::Values> weights; // [vector][quad]
    for (int64_t v = 0; v < vectors; ++v)
      weights.push_back(reader.quads(code.add(offset, unit * reader.geometry().unitBytes),
                                     code.add(column, v * lanes)));
    int64_t quads = reader.unit() / 4;
    for (int64_t q = 0; q < quads; ++q) {
      llvm::SmallVector<QuadDot::Weight> prepared;
      for (int64_t v = 0; v < vectors; ++v)
        prepared.push_back(dots.prepare(weights[v][q]));
      for (auto [r, view] : llvm::enumerate(views)) {
        Value x = code.loadScalar(view, {code.add(quad, unit * quads + q)});
        for (int64_t v = 0; v < vectors; ++v)
          dots.accumulate(tile[r * vectors + v], prepared[v], x);
      }
    }
  }
  for (QuadDot::Sum &sum : tile)
    dots.finish(sum);
}

/// The step's integers, scaled, onto the sums in f32.
void IntegerEmitter::addStep(Code::Values &sums, const Tile &tile, const QuantBlock::Record &record,
                             Value step, llvm::ArrayRef<Value> views, int64_t vectors,
                             Value column) {
  llvm::SmallVector<QuantBlock::Header> headers;
  for (int64_t v = 0; v < vectors; ++v)
    headers.push_back(reader.header(record, code.add(column, v * lanes)));
  VectorType floats = code.floats(lanes);
  for (auto [r, view] : llvm::enumerate(views)) {
    Value scale =
        code.make<arith::BitcastOp>(f32(), code.loadScalar(view, {code.add(step, layout.scales)}));
    Value total;
    if (spec.form.zeros != PackedZeros::None)
      total =
          code.make<arith::SIToFPOp>(f32(), code.loadScalar(view, {code.add(step, layout.sums)}));
    if (spec.form.zeros == PackedZeros::Min)
      total = code.make<arith::MulFOp>(total, scale);
    for (int64_t v = 0; v < vectors; ++v) {
      Value &sum = sums[r * vectors + v];
      Value exact = code.make<arith::SIToFPOp>(floats, tile[r * vectors + v].wide);
      if (spec.form.zeros == PackedZeros::Point)
        exact =
            code.fma(code.splat(lanes, code.make<arith::NegFOp>(total)), headers[v].zero, exact);
      if (spec.form.zeros == PackedZeros::Min)
        sum = code.fma(code.splat(lanes, total), headers[v].zero, sum);
      Value factor = code.make<arith::MulFOp>(headers[v].scale, code.splat(lanes, scale));
      sum = code.fma(exact, factor, sum);
    }
  }
}

} // namespace

int64_t integerScratchRowBytes(const ProductSpec &spec) { return RowLayout(spec).bytes; }

void emitIntegerProduct(const Code &code, const Isa &isa, const ProductSpec &spec,
                        const ProductOperands &operands, const ProductEpilogue &epilogue,
                        bool many) {
  IntegerEmitter(code, isa, spec, operands, epilogue, many).emit();
}

} // namespace plexus::emit
