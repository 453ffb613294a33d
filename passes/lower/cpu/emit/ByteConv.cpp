// Emits convolutions of maps in integers of 8 bits.
//
// With x = s (q - z) and w = d v for a filter's scale d (arXiv:1712.05877, eq. 4 and 7):
//   y = s d (sum q v - z sum v) + bias
// where both sums are integers. The second one is the filter's alone and is what sums begin with.
#include "passes/lower/cpu/emit/ByteConv.h"

#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/QuadDot.h"
#include "passes/lower/cpu/emit/QuantBlock.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace plexus::emit {

using Axis = ByteConvShape::Axis;

int64_t ByteConvShape::axisQuads() const {
  int64_t extent = axis == Axis::Channels ? groupChannels()
                   : axis == Axis::Height ? conv.height.kernel
                                          : conv.width.kernel;
  return llvm::divideCeil(extent, 4);
}

int64_t ByteConvShape::quads() const {
  int64_t others = axis == Axis::Channels ? conv.height.kernel * conv.width.kernel
                   : axis == Axis::Height ? groupChannels() * conv.width.kernel
                                          : groupChannels() * conv.height.kernel;
  return others * axisQuads();
}

int64_t ByteConvShape::lineBytes() const {
  return conv.width.padded() + (axis == Axis::Width ? 3 * conv.width.dilation : 0);
}

int64_t ByteConvShape::wordMaps() const {
  return axis == Axis::Channels ? axisQuads() : groupChannels();
}

int64_t ByteConvShape::phaseWidth() const {
  return llvm::divideCeil(conv.width.padded(), conv.width.stride);
}

namespace {

const PackedForm kBytes{PackedValues::Q8, PackedZeros::None, 0};

/// Lays out the input.
class InputEmitter {
public:
  InputEmitter(OpBuilder &builder, Location loc, const Isa &isa, const ByteConvShape &shape,
               const ByteConvOperands &operands)
      : c{builder, loc}, shape(shape), h(shape.conv.height), w(shape.conv.width),
        operands(operands), lanes(isa.lanes()) {}

  void emit() {
    c.parallel(c.mul(operands.rows, shape.conv.channels * h.padded()),
               [&](Value item) { roundLine(item); });
    c.parallel(c.mul(operands.rows, shape.conv.groups * shape.wordMaps() * h.padded()),
               [&](Value item) { joinLine(item); });
  }

private:
  Type i8() const { return c.builder.getI8Type(); }
  Type i32() const { return c.builder.getI32Type(); }

  /// One padded line of a map as bytes.
  void roundLine(Value item) {
    Value map = c.div(item, h.padded()), y = c.sub(c.rem(item, h.padded()), c.index(h.begin));
    Value to = c.mul(item, shape.lineBytes());
    Type f32 = c.builder.getF32Type();
    Value scale = c.loadScalar(operands.range, c.index(0));
    Value inverse = c.make<arith::DivFOp>(c.constant(f32, 1), scale);
    Value zero = c.loadScalar(operands.range, c.index(1));
    Value zeroByte =
        c.make<arith::TruncIOp>(i8(), c.make<arith::FPToSIOp>(i32(), zero).getResult());
    c.pieces(shape.lineBytes(), lanes, [&](Value i, VectorType type) {
      Value splat = c.make<vector::BroadcastOp>(VectorType::get(type.getShape(), i8()), zeroByte);
      c.storeVector(splat, operands.bytes, c.add(to, i));
    });
    Value inside = c.make<arith::AndIOp>(c.less(c.index(-1), y), c.less(y, c.index(h.input)));
    c.ifThen(inside, [&] {
      Value from = c.mul(c.add(c.mul(map, h.input), y), w.input);
      c.pieces(w.input, lanes, [&](Value i, VectorType type) {
        Value x = c.loadVector(type, operands.input, c.add(from, i));
        c.storeVector(rounded(x, inverse, zero), operands.bytes, c.add(c.add(to, w.begin), i));
      });
    });
  }

  /// clamp(round(x / s) + z, -127, 127) as bytes. Adding 1.5 * 2^23 rounds.
  Value rounded(Value x, Value inverse, Value zero) {
    auto type = cast<VectorType>(x.getType());
    int64_t count = type.getNumElements();
    Value low = c.make<arith::SubFOp>(c.constant(c.builder.getF32Type(), -127), zero);
    Value high = c.make<arith::SubFOp>(c.constant(c.builder.getF32Type(), 127), zero);
    Value q = c.make<arith::MulFOp>(x, c.splat(count, inverse));
    q = c.make<arith::MaxNumFOp>(q, c.splat(count, low));
    q = c.make<arith::MinNumFOp>(q, c.splat(count, high));
    q = c.make<arith::AddFOp>(q, c.constant(type, 12582912.0));
    q = c.make<arith::AddFOp>(q, c.splat(count, zero));
    auto words = VectorType::get(type.getShape(), i32());
    return c.make<arith::TruncIOp>(VectorType::get(type.getShape(), i8()),
                                   c.make<arith::BitcastOp>(words, q).getResult());
  }

  /// Where the four bytes of the words of a line begin. Quads that reach over the end multiply
  /// zeros there.
  Code::Values byteLines(Value row, Value group, Value map, Value y) {
    Code::Values lines;
    Value channels = c.mul(group, shape.groupChannels());
    for (int64_t i = 0; i < 4; ++i) {
      Value channel = map, line = y;
      if (shape.axis == Axis::Channels)
        channel = c.min(c.add(c.mul(map, 4), i), c.index(shape.groupChannels() - 1));
      if (shape.axis == Axis::Height)
        line = c.min(c.add(y, i * h.dilation), c.index(h.padded() - 1));
      channel = c.add(c.mul(row, shape.conv.channels), c.add(channels, channel));
      Value place = c.mul(c.add(c.mul(channel, h.padded()), line), shape.lineBytes());
      lines.push_back(c.add(place, shape.axis == Axis::Width ? i * w.dilation : 0));
    }
    return lines;
  }

  /// One line of words.
  void joinLine(Value item) {
    Value y = c.rem(item, h.padded()), maps = c.div(item, h.padded());
    Value map = c.rem(maps, shape.wordMaps()), groups = c.div(maps, shape.wordMaps());
    Value group = c.rem(groups, shape.conv.groups), row = c.div(groups, shape.conv.groups);
    Code::Values lines = byteLines(row, group, map, y);
    Value to = c.mul(item, shape.lineWords());
    if (w.stride == 1)
      return c.pieces(w.padded(), lanes, [&](Value i, VectorType type) {
        c.storeVector(joined(lines, i, type.getNumElements()), operands.words, c.add(to, i));
      });
    c.loop(0, w.padded(), 1, [&](Value i) {
      Value at = c.add(c.mul(c.rem(i, w.stride), shape.phaseWidth()), c.div(i, w.stride));
      c.storeVector(joined(lines, i, 1), operands.words, c.add(to, at));
    });
  }

  Value joined(ArrayRef<Value> lines, Value column, int64_t count) {
    auto words = c.vectorType(count, i32());
    Value all;
    for (auto [i, line] : llvm::enumerate(lines)) {
      Value bytes = c.loadVector(c.vectorType(count, i8()), operands.bytes, c.add(line, column));
      Value part = c.make<arith::ExtUIOp>(words, bytes);
      if (i > 0)
        part = c.make<arith::ShLIOp>(part, c.constant(words, 8.0 * static_cast<double>(i)));
      all = all ? c.make<arith::OrIOp>(all, part).getResult() : part;
    }
    return all;
  }

  Code c;
  const ByteConvShape &shape;
  const plx::WindowAxis &h, &w;
  const ByteConvOperands &operands;
  int64_t lanes;
};

/// Multiplies.
class ByteConvEmitter {
public:
  ByteConvEmitter(OpBuilder &builder, Location loc, const Isa &isa, const ByteConvShape &shape,
                  const ByteConvOperands &operands)
      : c{builder, loc}, isa(isa), shape(shape), conv(shape.conv), operands(operands),
        dots({builder, loc}, isa, kBytes), lanes(isa.lanes()),
        perGroup(conv.filters / conv.groups) {
    PackedGeometry geometry(kBytes, shape.depth());
    blockWords = geometry.blockBytes / 4;
    headerWords = geometry.headerBytes / 4;
    weights =
        c.view(operands.weight, c.index(0), shape.blocks() * blockWords, builder.getI32Type());
    lineWords = shape.lineWords();
    mapWords = conv.height.padded() * lineWords;
  }

  void emit() {
    SmallVector<int64_t> sizes = plx::filterBlocks(perGroup);
    int64_t large = llvm::count_if(sizes, [&](int64_t size) { return size > sizes.back(); });
    if (large > 0)
      emitTiles(0, large, sizes.front());
    emitTiles(large * sizes.front(), sizes.size() - large, sizes.back());
  }

private:
  /// One loop of a filter: how often, and how far apart places are, in words; or in columns.
  struct Loop {
    int64_t count, step;
    bool columns = false;
  };

  /// Loops in the order in which the weight has its quads.
  SmallVector<Loop> loops() const {
    const int64_t rowStep = conv.height.dilation * lineWords, columnStep = conv.width.dilation;
    const int64_t quads = shape.axisQuads();
    if (shape.axis == Axis::Channels)
      return {
          {conv.height.kernel, rowStep}, {conv.width.kernel, columnStep, true}, {quads, mapWords}};
    if (shape.axis == Axis::Height)
      return {{shape.groupChannels(), mapWords},
              {conv.width.kernel, columnStep, true},
              {quads, 4 * rowStep}};
    return {{shape.groupChannels(), mapWords},
            {conv.height.kernel, rowStep},
            {quads, 4 * columnStep, true}};
  }

  /// `count` tiles of `size` filters in each group, from filter `begin` of the group on.
  void emitTiles(int64_t begin, int64_t count, int64_t size) {
    int64_t vectors = llvm::divideCeil(conv.width.result(), lanes);
    int64_t budget = isa.vectorRegisters - 3 - (isa.byteDot == ByteDot::Vnni ? 0 : 4);
    int64_t most = std::clamp<int64_t>(budget / (size + 1), 1, 8);
    int64_t tiles = llvm::divideCeil(vectors, most), width = llvm::divideCeil(vectors, tiles);
    int64_t lines = conv.height.result();
    c.parallel(c.mul(operands.rows, conv.groups * count * lines * tiles), [&](Value item) {
      Value tile = c.rem(item, tiles), rest = c.div(item, tiles);
      Value line = c.rem(rest, lines);
      rest = c.div(rest, lines);
      Value block = c.rem(rest, count);
      rest = c.div(rest, count);
      Value group = c.rem(rest, conv.groups), row = c.div(rest, conv.groups);
      Value first = c.add(c.mul(group, perGroup), c.add(c.mul(block, size), begin));
      emitTile(size, row, group, first, line, starts(tile, width));
    });
  }

  /// First columns of the vectors of a tile; the last one of a line overlaps the one before it.
  Code::Values starts(Value tile, int64_t width) {
    Code::Values columns;
    Value last = c.index(std::max<int64_t>(conv.width.result() - lanes, 0));
    Value begin = c.mul(tile, width * lanes);
    for (int64_t v = 0; v < width; ++v)
      columns.push_back(c.min(c.add(begin, v * lanes), last));
    return columns;
  }

  void emitTile(int64_t filters, Value row, Value group, Value first, Value line,
                ArrayRef<Value> columns) {
    Value from = c.add(c.mul(row, shape.rowWords()), c.mul(group, shape.wordMaps() * mapWords));
    from = c.add(from, c.mul(line, conv.height.stride * lineWords));
    Code::Values places, sums;
    for (int64_t f = 0; f < filters; ++f) {
      Value filter = c.add(first, f);
      places.push_back(c.add(c.add(c.mul(c.div(filter, kPackedColumns), blockWords), headerWords),
                             c.rem(filter, kPackedColumns)));
      sums.append(columns.size(), c.splat(lanes, c.loadScalar(operands.starts, filter)));
    }
    SmallVector<Loop> order = loops();
    sums = nest(order, from, c.index(0), sums, [&](Value at, Value quad, ValueRange carried) {
      return multiply(places, at, quad, columns, carried);
    });
    store(filters, row, first, line, columns, sums);
  }

  using Inner = function_ref<Code::Values(Value at, Value quad, ValueRange sums)>;

  Code::Values nest(ArrayRef<Loop> order, Value at, Value quad, ValueRange sums, Inner body) {
    if (order.empty())
      return body(at, quad, sums);
    const Loop &loop = order.front();
    int64_t inner = 1;
    for (const Loop &each : order.drop_front())
      inner *= each.count;
    auto once = [&](Value i, ValueRange carried) {
      Value offset = c.mul(i, loop.step);
      if (loop.columns && conv.width.stride > 1)
        offset = c.add(c.mul(c.rem(offset, conv.width.stride), shape.phaseWidth()),
                       c.div(offset, conv.width.stride));
      return nest(order.drop_front(), c.add(at, offset), c.add(quad, c.mul(i, inner)), carried,
                  body);
    };
    if (loop.count == 1)
      return once(c.index(0), sums);
    return c.loop(c.index(0), c.index(loop.count), 1, sums, once);
  }

  /// Sums of four places: here the words of the input are QuadDot's weight, and the filter's quad
  /// is the same in all lanes.
  Code::Values multiply(ArrayRef<Value> places, Value at, Value quad, ArrayRef<Value> columns,
                        ValueRange sums) {
    SmallVector<QuadDot::Weight> x;
    auto words = c.vectorType(lanes, c.builder.getI32Type());
    for (Value column : columns)
      x.push_back(dots.prepare(c.loadVector(words, operands.words, c.add(at, column))));
    Code::Values next;
    for (auto [f, place] : llvm::enumerate(places)) {
      Value w = c.loadScalar(weights, c.add(place, c.mul(quad, kPackedColumns)));
      for (size_t v = 0; v < columns.size(); ++v) {
        QuadDot::Sum sum{sums[f * columns.size() + v], {}, 0};
        dots.accumulate(sum, x[v], w);
        dots.finish(sum);
        next.push_back(sum.wide);
      }
    }
    return next;
  }

  void store(int64_t filters, Value row, Value first, Value line, ArrayRef<Value> columns,
             ArrayRef<Value> sums) {
    int64_t lines = conv.height.result(), width = conv.width.result();
    ImplicitLocOpBuilder b(c.loc, c.builder);
    Value map = c.add(c.mul(row, conv.filters), first);
    for (int64_t f = 0; f < filters; ++f) {
      Value to = c.mul(c.add(c.mul(c.add(map, f), lines), line), width);
      Value filter = c.add(first, f);
      Value scale = c.splat(lanes, c.loadScalar(operands.scales, filter));
      Value bias = operands.bias ? c.splat(lanes, c.loadScalar(operands.bias, filter))
                                 : c.constant(c.floats(lanes), 0);
      for (size_t v = 0; v < columns.size(); ++v) {
        Value exact = c.make<arith::SIToFPOp>(c.floats(lanes), sums[f * columns.size() + v]);
        Value y = plx::buildActivation(b, conv.activation, c.fma(exact, scale, bias));
        Value place = c.add(to, columns[v]);
        if (width >= lanes) {
          c.storeVector(y, operands.output, place);
          continue;
        }
        Value mask = c.make<vector::CreateMaskOp>(c.vectorType(lanes, c.builder.getI1Type()),
                                                  ValueRange{c.index(width)});
        c.make<vector::MaskedStoreOp>(operands.output, ValueRange{place}, mask, y);
      }
    }
  }

  Code c;
  const Isa &isa;
  const ByteConvShape &shape;
  const ConvShape &conv;
  const ByteConvOperands &operands;
  QuadDot dots;
  int64_t lanes, perGroup, blockWords, headerWords, lineWords, mapWords;
  Value weights; ///< i32
};

} // namespace

void emitByteConvInput(OpBuilder &builder, Location loc, const Isa &isa, const ByteConvShape &shape,
                       const ByteConvOperands &operands) {
  InputEmitter(builder, loc, isa, shape, operands).emit();
}

void emitByteConvScales(OpBuilder &builder, Location loc, const Isa &isa,
                        const ByteConvShape &shape, const ByteConvOperands &operands) {
  Code c{builder, loc};
  int64_t lanes = isa.lanes(), quads = shape.quads();
  QuantBlock reader(c, kBytes, shape.depth(), operands.weight, lanes);
  QuadDot dots(c, isa, kBytes);
  Type i32 = builder.getI32Type();
  auto words = c.vectorType(lanes, i32);
  Value ones = c.constant(i32, 0x01010101);
  Value zero = c.make<arith::FPToSIOp>(i32, c.loadScalar(operands.range, c.index(1)));
  // What the bytes of the input are larger by than q - z, where they are multiplied.
  Value shift = c.make<arith::AddIOp>(zero, c.constant(i32, static_cast<double>(dots.offset())));
  Value minus = c.make<arith::SubIOp>(c.constant(i32, 0), shift);
  Value scale = c.splat(lanes, c.loadScalar(operands.range, c.index(0)));
  c.parallel(c.index(shape.blocks() * (kPackedColumns / lanes)), [&](Value item) {
    Value block = c.div(item, kPackedColumns / lanes);
    Value column = c.mul(c.rem(item, kPackedColumns / lanes), lanes);
    QuantBlock::Record record = reader.record(block, c.index(0));
    Value start = c.constant(words, static_cast<double>(-4 * quads * dots.offset()));
    Value sum = c.loop(c.index(0), c.index(quads), 1, start, [&](Value quad, ValueRange carried) {
      Value at = c.add(record.values, c.mul(quad, reader.geometry().unitBytes));
      QuadDot::Sum each{carried[0], {}, 0};
      dots.accumulate(each, dots.prepare(reader.quads(at, column)[0]), ones);
      dots.finish(each);
      return Code::Values{each.wide};
    })[0];
    Value to = c.add(c.mul(block, kPackedColumns), column);
    c.storeVector(c.make<arith::MulIOp>(sum, c.splat(lanes, minus)), operands.starts, to);
    Value own = reader.header(record, column).scale;
    c.storeVector(c.make<arith::MulFOp>(own, scale), operands.scales, to);
  });
}

void emitByteConv(OpBuilder &builder, Location loc, const Isa &isa, const ByteConvShape &shape,
                  const ByteConvOperands &operands) {
  ByteConvEmitter(builder, loc, isa, shape, operands).emit();
}

} // namespace plexus::emit
