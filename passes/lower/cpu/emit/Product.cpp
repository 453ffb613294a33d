// Generates the product of activations with a packed weight, with its epilogue.
#include "passes/lower/cpu/emit/Product.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/Pairs.h"
#include "passes/lower/cpu/emit/Panel.h"
#include "passes/lower/cpu/emit/ProductParts.h"
#include "passes/lower/cpu/emit/QuantBlock.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace plexus::emit {

namespace {

/// k of one pass over the rows in the streaming variant, and bytes of the weight that are asked for
/// before they are read: both stay in L1.
constexpr int64_t kFewChunk = 32, kAhead = 16384;
/// k and rows of one pass in the tiled variant: its panel stays in L2, a column group of it in L1.
constexpr int64_t kManyChunk = 256, kManyRows = 192;
/// Rows of one pass with pairs, which read a panel twice as fast: more share its decoding.
constexpr int64_t kManyPairRows = 512;
/// Lines of the next chunk's weights that a pair of k asks for.
constexpr int64_t kManyLines = 2;
/// k of a panel for few rows: it stays in L1.
constexpr int64_t kFewPanel = 64;

/// Strips of kManyChunk k that activations are rounded to for many rows.
int64_t stripCount(const ProductSpec &spec) {
  return llvm::divideCeil(PackedGeometry(spec.form, spec.k).paddedK, kManyChunk);
}

/// A place that a register tile reads weights from.
struct Source {
  bool panel;        ///< f32, in the order of the tile; otherwise packed as spec.form says
  Value memref;      ///< flat
  Value base;        ///< first element of the tile's columns at unit `origin`
  Value origin;      ///< in units
  int64_t unit;      ///< k in an element
  int64_t stride;    ///< elements from one unit to the next
  Value ahead;       ///< what unit 0 of these columns asks for ahead; null: nothing
  bool many = false; ///< rows come from strips
};

/// Activations as pairs of bf16: x[row, 2 unit] lies at row * stride + unit - origin.
struct PairRows {
  Value memref;   ///< flat, of i32
  Value origin;   ///< in units
  int64_t stride; ///< elements from one row to the next
};

/// Emits one product; the members are what its parts share.
class ProductEmitter {
public:
  ProductEmitter(Code code, const Isa &isa, const ProductSpec &spec,
                 const ProductOperands &operands, const ProductEpilogue &epilogue);

  void emitFew();
  void emitMany();

private:
  void roundFew();
  void roundMany();
  PairRows strip(Value begin, Value firstRow) const;
  void emitBlock(Value block, Value first, Value rowCount, int64_t maxRows, bool many);
  void emitStreamed(Value block, Value begin, Value end, Value rowCount, bool many);
  void emitPanel(Value block, Value begin, Value end, Value rowCount);
  void packPanel(Value block, Value begin, Value end);
  void decodePanel(Value block, Value begin, Value end);
  Value panelPlace(Value column) const;
  void emitTile(const Source &source, int64_t rows, int64_t vectors, Value row, Value column,
                Value begin, Value end);
  Code::Values multiply(const Source &source, int64_t rows, int64_t vectors, Value row, Value unit,
                        Code::Values sums);
  Code::Values widen(Value packed);
  Value activation(const Source &source, Value row, Value unit, int64_t part);
  void prefetchMany(Value row, Value unit);
  void prefetch(const Source &source, int64_t vectors, Value unit, int64_t unrolled);

  Source packedBlock(Value block) const;
  Value loadPacked(const Source &source, Value unit, int64_t vector);
  int64_t tileVectors(int64_t rows) const;
  int64_t panelWidth() const { return tileVectors(kTileRows) * lanes; }
  bool usesPanel(bool many) const;
  int64_t chunkBytes() const { return geometry.blockBytes * kManyChunk / geometry.paddedK; }
  /// Elements of one block of 64 columns, and bytes of one; plain forms only.
  int64_t blockElements() const { return geometry.paddedK / unitK * kBlock; }
  int64_t elementBytes() const { return spec.form.info().bits * unitK / 8; }

  static constexpr int64_t kTileRows = 6;

  Code code;
  const Isa &isa;
  const ProductSpec &spec;
  const ProductOperands &operands;
  const ProductEpilogue &epilogue;
  PackedGeometry geometry;
  int64_t unitK; ///< k in an element of the weight (bf16 pairs: 2)
  int64_t lanes;
  int64_t panelDepth = kManyChunk; ///< k of the panel
  bool dots = false;               ///< pairs are multiplied
  Type packedElement;
  Value weight; ///< the packed weight as a flat memref of elements
  PairRows pairs;
  Value nextChunk;  ///< of many pairs: where the weights of the next k begin, about; bytes
  Value sums;       ///< [rows][64] f32, on the stack
  Value panel;      ///< [64 / width][panelDepth][width] f32, or [panelDepth / 2][64] pairs; stack
  Value panelBytes; ///< the same, of pairs
  Value firstRow;
};

ProductEmitter::ProductEmitter(Code code, const Isa &isa, const ProductSpec &spec,
                               const ProductOperands &operands, const ProductEpilogue &epilogue)
    : code(code), isa(isa), spec(spec), operands(operands), epilogue(epilogue),
      geometry(spec.form, spec.k), unitK(spec.form.info().unit), lanes(isa.lanes()) {
  OpBuilder &builder = code.builder;
  packedElement = spec.form.values == PackedValues::BF16  ? Type(builder.getI32Type())
                  : spec.form.values == PackedValues::F16 ? Type(builder.getF16Type())
                                                          : Type(builder.getF32Type());
  if (!spec.form.isQuantized())
    weight =
        code.view(operands.weight, code.index(0), spec.blocks() * blockElements(), packedElement);
}

/// Vectors across of a tile of `rows`: as many as leave registers for weights and activations.
int64_t ProductEmitter::tileVectors(int64_t rows) const {
  uint64_t budget = isa.vectorRegisters * 3 / 4;
  return std::min<int64_t>(kBlock / lanes, llvm::bit_floor(budget / rows));
}

/// With many rows the panel holds f32 in the order in which a register tile wants it. A lone odd k
/// of a bf16 pair is read from a panel too: the streaming tile takes whole pairs.
bool ProductEmitter::usesPanel(bool many) const {
  if (spec.form.isQuantized())
    return true;
  if (many && !dots)
    return spec.form.values != PackedValues::F32 || panelWidth() != kBlock;
  return spec.form.values == PackedValues::BF16 && spec.k % 2 != 0 && !dots;
}

Source ProductEmitter::packedBlock(Value block) const {
  Value base = code.mul(block, blockElements());
  return {false, weight, base, code.index(0), unitK, kBlock, Value()};
}

void ProductEmitter::emitFew() {
  dots = spec.compute == ProductCompute::Bf16;
  if (dots)
    roundFew();
  code.parallel(code.index(spec.blocks()), [&](Value block) {
    emitBlock(block, code.index(0), operands.rows, kFewRows, /*many=*/false);
  });
}

void ProductEmitter::emitMany() {
  dots = spec.manyPairs;
  if (dots)
    roundMany();
  int64_t most = dots ? kManyPairRows : kManyRows;
  code.parallel(code.index(spec.blocks()), [&](Value block) {
    code.loop(code.index(0), operands.rows, most, [&](Value row) {
      Value count = code.min(code.sub(operands.rows, row), code.index(most));
      emitBlock(block, row, count, most, /*many=*/true);
    });
  });
}

/// [kFewRows][paddedK] of the scratch = bf16 of x.
void ProductEmitter::roundFew() {
  int64_t width = geometry.paddedK;
  Value rounded =
      code.view(operands.scratch, code.index(0), kFewRows * width, code.builder.getBF16Type());
  code.loop(code.index(0), operands.rows, 1, [&](Value row) {
    emitRoundedRow(code, isa, operands.x, row, spec.k, width, rounded,
                   [&](Value at) { return code.add(code.mul(row, width), at); });
  });
  Type pair = code.builder.getI32Type();
  pairs = {code.view(operands.scratch, code.index(0), kFewRows * width / 2, pair), code.index(0),
           width / 2};
}

/// [strips][rows][kManyChunk] of the scratch = bf16 of x: what a panel is multiplied with lies
/// together, so that neither pages nor sets of a cache are shared by few lines of many rows.
void ProductEmitter::roundMany() {
  Value rounded = code.view(operands.scratch, code.index(0), kManyChunk * stripCount(spec),
                            code.builder.getBF16Type());
  Value stripSize = code.mul(operands.rows, kManyChunk);
  code.parallel(operands.rows, [&](Value row) {
    emitRoundedRow(code, isa, operands.x, row, spec.k, geometry.paddedK, rounded, [&](Value at) {
      Value begin = code.mul(code.div(at, kManyChunk), stripSize);
      return code.add(code.add(begin, code.mul(row, kManyChunk)), code.rem(at, kManyChunk));
    });
  });
}

/// The pairs of rows from `firstRow` in the strip that begins at k `begin`.
PairRows ProductEmitter::strip(Value begin, Value firstRow) const {
  Value row = code.add(code.mul(code.div(begin, kManyChunk), operands.rows), firstRow);
  Value place = code.mul(row, 2 * kManyChunk);
  return {
      code.view(operands.scratch, place, kManyPairRows * kManyChunk / 2, code.builder.getI32Type()),
      code.div(begin, 2), kManyChunk / 2};
}

/// All of K for `rowCount` rows from `first` and one block of columns, then their epilogue.
void ProductEmitter::emitBlock(Value block, Value first, Value rowCount, int64_t maxRows,
                               bool many) {
  firstRow = first;
  bool paneled = usesPanel(many);
  panelDepth =
      many || !spec.form.isQuantized() ? kManyChunk : std::max<int64_t>(kFewPanel, spec.form.group);
  int64_t chunk = paneled ? panelDepth : many ? kManyChunk : kFewChunk;
  Type f32 = code.builder.getF32Type();
  code.stackScope([&] {
    sums = code.stackBuffer(maxRows * kBlock, f32);
    if (paneled && dots) {
      panelBytes = code.stackBuffer(panelDepth * kBlock * 2, code.builder.getI8Type());
      panel =
          code.view(panelBytes, code.index(0), panelDepth / 2 * kBlock, code.builder.getI32Type());
    } else if (paneled) {
      panel = code.stackBuffer(panelDepth * kBlock, f32);
    }
    BlockSums block64{sums, first, rowCount};
    fillZero(code, isa, block64);
    code.loop(0, spec.k, chunk, [&](Value begin) {
      Value end = code.min(code.add(begin, chunk), code.index(spec.k));
      if (many && dots) {
        pairs = strip(begin, first);
        nextChunk = code.add(code.mul(block, geometry.blockBytes),
                             code.mul(code.add(code.div(begin, chunk), 1), chunkBytes()));
      }
      if (paneled)
        emitPanel(block, begin, end, rowCount);
      else
        emitStreamed(block, begin, end, rowCount, many);
    });
    emitProductEpilogue(code, isa, spec, epilogue, block, block64);
  });
}

/// Tiles that read the packed block itself.
void ProductEmitter::emitStreamed(Value block, Value begin, Value end, Value rowCount, bool many) {
  // Splitting bf16 pairs takes two registers more than reading f32: 6 rows would not fit in 16.
  bool tight = isa.vectorRegisters <= 16 && spec.form.values == PackedValues::BF16;
  Value first = code.div(begin, unitK), last = code.ceilDiv(end, unitK);
  code.rowTiles(rowCount, tight ? 4 : kTileRows, [&](int64_t rows, Value row) {
    int64_t vectors = tileVectors(rows);
    code.loop(0, kBlock, vectors * lanes, [&](Value column) {
      Source source = packedBlock(block);
      source.many = many && dots;
      if (!many) {
        // The tile's share of a later chunk: that of its columns, as if they came first in it.
        int64_t chunkBytes = kFewChunk / unitK * kBlock * elementBytes();
        int64_t later = std::max<int64_t>(1, kAhead / chunkBytes) * (kFewChunk / unitK);
        Value next = code.add(source.base, code.mul(code.add(first, later), kBlock));
        Value before = code.mul(column, kFewChunk / unitK);
        Value own = code.mul(first, vectors * lanes);
        source.ahead = code.sub(code.add(next, before), own);
      }
      source.base = code.add(source.base, column);
      emitTile(source, rows, vectors, row, column, first, last);
    });
  });
}

/// Tiles that read the panel, made from the block first.
void ProductEmitter::emitPanel(Value block, Value begin, Value end, Value rowCount) {
  int64_t width = panelWidth();
  if (spec.form.isQuantized())
    decodePanel(block, begin, end);
  else
    packPanel(block, begin, end);
  int64_t unit = dots ? 2 : 1;
  Value first = code.div(begin, unit), last = code.ceilDiv(end, unit);
  code.loop(0, kBlock, width, [&](Value column) {
    Source source{true,    panel, code.mul(column, panelDepth / unit), first, unit, width,
                  Value(), dots};
    code.rowTiles(rowCount, kTileRows, [&](int64_t rows, Value row) {
      emitTile(source, rows, width / lanes, row, column, first, last);
    });
  });
}

void ProductEmitter::packPanel(Value block, Value begin, Value end) {
  Source source = packedBlock(block);
  int64_t width = panelWidth();
  code.loop(code.div(begin, unitK), code.ceilDiv(end, unitK), 1, [&](Value unit) {
    Value k = code.sub(code.mul(unit, unitK), begin);
    for (int64_t column = 0; column < kBlock; column += lanes) {
      Code::Values parts = widen(loadPacked(source, unit, column / lanes));
      int64_t group = column / width * panelDepth * width + column % width;
      for (auto [part, value] : llvm::enumerate(parts))
        code.storeVector(
            value, panel,
            {code.add(code.mul(k, width), group + static_cast<int64_t>(part) * width)});
    }
  });
}

/// Where a column begins in the panel.
Value ProductEmitter::panelPlace(Value column) const {
  int64_t width = panelWidth();
  return code.add(code.mul(code.div(column, width), panelDepth * width), code.rem(column, width));
}

/// The panel of a quantized weight. `begin` is the first k of a record where records are shorter
/// than the panel.
void ProductEmitter::decodePanel(Value block, Value begin, Value end) {
  QuantBlock reader(code, spec.form, spec.k, operands.weight, lanes);
  int64_t group = geometry.group, width = panelWidth();
  auto decode = [&](Value index, Value first, Value units, Value origin) {
    QuantBlock::Record record = reader.record(block, index);
    code.loop(0, kBlock, lanes, [&](Value column) {
      if (dots) {
        PanelRows rows(code, /*pairs=*/true, panelBytes, panelDepth);
        reader.decode(record, first, units, column, [&](Value k, Value element) {
          rows.store(code.add(origin, k), column, element);
        });
        return;
      }
      Value place = code.add(panelPlace(column), code.mul(origin, width));
      reader.decode(record, first, units, column, [&](Value k, Value element) {
        code.storeVector(element, panel, {code.add(place, code.mul(k, width))});
      });
    });
  };
  if (spec.form.group == 0) {
    Value units = code.ceilDiv(code.sub(end, begin), reader.unit());
    decode(code.index(0), code.div(begin, reader.unit()), units, code.index(0));
    return;
  }
  Value units = code.index(group / reader.unit());
  code.loop(code.div(begin, group), code.ceilDiv(end, group), 1, [&](Value index) {
    decode(index, code.index(0), units, code.sub(code.mul(index, group), begin));
  });
}

/// sums[row.., column..] += x[row.., begin..end] * W[begin..end, column..], in registers.
void ProductEmitter::emitTile(const Source &source, int64_t rows, int64_t vectors, Value row,
                              Value column, Value begin, Value end) {
  auto place = [&](int64_t r, int64_t v) {
    return code.add(code.add(code.mul(code.add(row, r), kBlock), column), v * lanes);
  };
  Code::Values tile;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      tile.push_back(code.loadVector(code.floats(lanes), sums, {place(r, v)}));
  int64_t units = llvm::divideCeil(spec.k, source.unit);
  // Some 32 multiply-adds hide what a turn of the loop costs.
  uint64_t turns = std::clamp<int64_t>(32 / (rows * vectors * source.unit), 1, 4);
  int64_t unroll = std::gcd<int64_t>(units, llvm::bit_floor(turns));
  tile = code.loop(begin, end, unroll, tile, [&](Value unit, ValueRange carried) {
    Code::Values next(carried);
    for (int64_t u = 0; u < unroll; ++u) {
      Value current = code.add(unit, u);
      next = multiply(source, rows, vectors, row, current, next);
      if (source.ahead)
        prefetch(source, vectors, current, u);
      if (source.many && rows == kTileRows)
        prefetchMany(row, current);
    }
    return next;
  });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      code.storeVector(tile[r * vectors + v], sums, {place(r, v)});
}

/// The vector of columns [vector * lanes, +lanes) at one unit, as it is stored.
Value ProductEmitter::loadPacked(const Source &source, Value unit, int64_t vector) {
  Value offset = code.mul(code.sub(unit, source.origin), source.stride);
  Value place = code.add(code.add(source.base, offset), vector * lanes);
  Type element =
      source.panel ? cast<MemRefType>(source.memref.getType()).getElementType() : packedElement;
  return code.loadVector(code.vectorType(lanes, element), source.memref, {place});
}

/// The f32 vectors, one for each k, of a packed one.
Code::Values ProductEmitter::widen(Value packed) {
  VectorType floats = code.floats(lanes);
  if (spec.form.values == PackedValues::F32)
    return {packed};
  if (spec.form.values == PackedValues::F16)
    return {code.make<arith::ExtFOp>(floats, packed)};
  auto [first, second] = widenPairs(code, packed);
  return {first, second};
}

/// x[row, k], or a pair of them, in all lanes.
Value ProductEmitter::activation(const Source &source, Value row, Value unit, int64_t part) {
  if (dots) {
    Value place = code.add(code.mul(row, pairs.stride), code.sub(unit, pairs.origin));
    return code.splat(lanes, code.loadScalar(pairs.memref, {place}));
  }
  Value k = code.add(code.mul(unit, source.unit), part);
  return code.splat(lanes, code.loadScalar(operands.x, {code.add(firstRow, row), k}));
}

/// One unit's multiply-adds of a tile.
Code::Values ProductEmitter::multiply(const Source &source, int64_t rows, int64_t vectors,
                                      Value row, Value unit, Code::Values tile) {
  llvm::SmallVector<Code::Values> weights; // [vector][part]
  for (int64_t v = 0; v < vectors; ++v) {
    Value packed = loadPacked(source, unit, v);
    weights.push_back(source.panel || dots ? Code::Values{packed} : widen(packed));
  }
  int64_t parts = weights.front().size();
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t r = 0; r < rows; ++r) {
      Value x = activation(source, code.add(row, r), unit, part);
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = tile[r * vectors + v];
        sum = dots ? pairDot(code, x, weights[v][part], sum) : code.fma(x, weights[v][part], sum);
      }
    }
  return tile;
}

/// Asks for a share of the next tile's activations, which follow this tile's, and of the next
/// chunk's weights, all of which the first tiles ask for.
void ProductEmitter::prefetchMany(Value row, Value unit) {
  constexpr int64_t kUnits = kManyChunk / 2, kLine = 64;
  auto ask = [&](Value memref, Value place, int level) {
    code.make<memref::PrefetchOp>(memref, ValueRange{place}, /*isWrite=*/false, level,
                                  /*isDataCache=*/true);
  };
  Value turn = code.sub(unit, pairs.origin),
        next = code.mul(code.add(row, kTileRows), pairs.stride);
  ask(pairs.memref, code.add(next, code.mul(turn, kTileRows * pairs.stride / kUnits)), 3);
  int64_t tileBytes = kUnits * kManyLines * kLine,
          tiles = llvm::divideCeil(chunkBytes(), tileBytes);
  Value tile = code.min(code.div(row, kTileRows), code.index(tiles - 1));
  Value place =
      code.add(nextChunk, code.add(code.mul(tile, tileBytes), code.mul(turn, kManyLines * kLine)));
  for (int64_t line = 0; line < kManyLines; ++line)
    ask(operands.weight, code.add(place, line * kLine), 2);
}

/// Asks for the next chunk's lines in the order of memory, whatever the order of this chunk's
/// tiles: a share of them at each unit. (In the order of the tiles, 16 columns of each row, 4 rows
/// of f32 took 1.4 times as long on Zen 3: hardware prefetchers follow lines that come one after
/// another.)
void ProductEmitter::prefetch(const Source &source, int64_t vectors, Value unit, int64_t unrolled) {
  int64_t groups = kBlock / (vectors * lanes), rowLines = elementBytes();
  int64_t step = std::max<int64_t>(1, groups / rowLines); // units to a line
  if (unrolled % step != 0)
    return;
  int64_t share = kBlock / groups; // elements that a unit asks for
  Value place = code.add(source.ahead, code.mul(unit, share));
  for (int64_t i = 0; i < share * step; i += 64 / elementBytes())
    code.make<memref::PrefetchOp>(source.memref, ValueRange{code.add(place, i)}, /*isWrite=*/false,
                                  /*localityHint=*/3, /*isDataCache=*/true);
}

} // namespace

int64_t ProductSpec::weightBytes() const { return blocks() * PackedGeometry(form, k).blockBytes; }

ProductScratch productScratch(const ProductSpec &spec) {
  int64_t rowBytes = 0;
  if (spec.roundsToBytes())
    rowBytes = integerScratchRowBytes(spec);
  else if (spec.compute == ProductCompute::Bf16)
    rowBytes = PackedGeometry(spec.form, spec.k).paddedK * 2;
  if (spec.manyPairs)
    return {std::max(rowBytes, stripCount(spec) * kManyChunk * 2), true};
  return {rowBytes, spec.compute == ProductCompute::IntAlways};
}

void emitProduct(OpBuilder &builder, Location loc, const Isa &isa, const ProductSpec &spec,
                 const ProductOperands &operands, const ProductEpilogue &epilogue,
                 const ProductFallback &manyRows) {
  assert(spec.compute != ProductCompute::Bf16 ||
         (isa.bf16Dot && spec.form.values == PackedValues::BF16));
  assert(!spec.roundsToBytes() || spec.form.isInteger());
  assert(!spec.manyPairs ||
         (isa.bf16Dot && (spec.form.values == PackedValues::BF16 || spec.form.isQuantized())));
  Code code{builder, loc};
  ProductEmitter emitter(code, isa, spec, operands, epilogue);
  Value many = code.less(code.index(kFewRows), operands.rows);
  auto generateMany = [&] {
    if (spec.compute == ProductCompute::IntAlways)
      emitIntegerProduct(code, isa, spec, operands, epilogue, /*many=*/true);
    else
      emitter.emitMany();
  };
  auto emitMany = [&] {
    if (manyRows.unless)
      code.ifElse(manyRows.unless, generateMany, [&] { manyRows.emit(builder, loc); });
    else if (manyRows.emit)
      manyRows.emit(builder, loc);
    else
      generateMany();
  };
  code.ifElse(many, emitMany, [&] {
    if (spec.roundsToBytes())
      emitIntegerProduct(code, isa, spec, operands, epilogue, /*many=*/false);
    else
      emitter.emitFew();
  });
}

} // namespace plexus::emit
