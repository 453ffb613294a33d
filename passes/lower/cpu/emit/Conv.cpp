// Emits convolutions of maps whose weights are in blocks of filters.
#include "passes/lower/cpu/emit/Conv.h"

#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Code.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace plexus::emit {

bool ConvShape::copies() const {
  return height.begin || height.end || width.begin || width.end || width.stride > 1;
}

int64_t ConvShape::phaseWidth() const {
  return copies() ? llvm::divideCeil(width.padded(), width.stride) : width.input;
}

int64_t ConvShape::inputElements() const {
  return channels * height.padded() * phaseWidth() * (copies() ? width.stride : 1);
}

int64_t ConvShape::work() const {
  return filters * (channels / groups) * height.kernel * width.kernel * height.result() *
         width.result();
}

//===--- Input --------------------------------------------------------------------------------===//

void emitConvInput(OpBuilder &builder, Location loc, const Isa &isa, const ConvShape &shape,
                   Value rows, Value input, Value output) {
  Code c{builder, loc};
  const plx::WindowAxis &h = shape.height, &w = shape.width;
  const int64_t width = shape.phaseWidth(), line = width * w.stride;
  Value zero = c.constant(builder.getF32Type(), 0);
  c.parallel(c.mul(rows, shape.channels * h.padded()), [&](Value item) {
    Value map = c.div(item, h.padded()), y = c.sub(c.rem(item, h.padded()), c.index(h.begin));
    Value to = c.mul(item, line);
    c.loop(0, line, 1, [&](Value i) { c.make<memref::StoreOp>(zero, output, c.add(to, i)); });
    Value inside = c.make<arith::AndIOp>(c.less(c.index(-1), y), c.less(y, c.index(h.input)));
    c.ifThen(inside, [&] {
      Value from = c.mul(c.add(c.mul(map, h.input), y), w.input);
      if (w.stride == 1)
        return c.pieces(w.input, isa.lanes(), [&](Value i, VectorType type) {
          Value columns = c.loadVector(type, input, c.add(from, i));
          c.storeVector(columns, output, c.add(c.add(to, w.begin), i));
        });
      c.loop(0, w.input, 1, [&](Value i) {
        Value place = c.add(i, w.begin);
        Value at = c.add(c.mul(c.rem(place, w.stride), width), c.div(place, w.stride));
        c.make<memref::StoreOp>(c.loadScalar(input, c.add(from, i)), output, c.add(to, at));
      });
    });
  });
}

//===--- Sums ---------------------------------------------------------------------------------===//

namespace {

/// Filters that are summed together: `filters` of a block of `stride`, from the `first`.
struct FilterTile {
  int64_t first, filters, stride;
};

class ConvEmitter {
public:
  ConvEmitter(OpBuilder &builder, Location loc, const Isa &isa, const ConvShape &shape, Value input,
              Value weight, Value bias, Value output)
      : c{builder, loc}, isa(isa), shape(shape), input(input), weight(weight), bias(bias),
        output(output) {
    lanes = std::min<int64_t>(isa.lanes(), llvm::bit_floor(uint64_t(shape.width.result())));
    perGroup = shape.filters / shape.groups;
    inner = shape.channels / shape.groups * shape.height.kernel * shape.width.kernel;
  }

  void emit(Value rows) {
    SmallVector<int64_t> blocks = plx::filterBlocks(perGroup);
    int64_t large = llvm::count_if(blocks, [&](int64_t size) { return size > blocks.back(); });
    if (large > 0)
      emitBlocks(rows, 0, large, blocks.front());
    emitBlocks(rows, large * blocks.front(), blocks.size() - large, blocks.back());
  }

private:
  /// `count` blocks of `size` filters in each group, from filter `begin` of the group on.
  void emitBlocks(Value rows, int64_t begin, int64_t count, int64_t size) {
    int64_t vectors = llvm::divideCeil(shape.width.result(), lanes);
    int64_t parts = size > 4 && isa.vectorRegisters < 32 ? 2 : 1;
    int64_t filters = llvm::divideCeil(size, parts);
    int64_t most = std::clamp<int64_t>((isa.vectorRegisters - 2) / (filters + 1), 1, 8);
    int64_t tiles = llvm::divideCeil(vectors, most), width = llvm::divideCeil(vectors, tiles);
    int64_t lines = shape.height.result();
    Value items = c.mul(rows, shape.groups * count * lines * tiles);
    c.parallel(items, [&](Value item) {
      Value tile = c.rem(item, tiles), rest = c.div(item, tiles);
      Value line = c.rem(rest, lines);
      rest = c.div(rest, lines);
      Value block = c.rem(rest, count);
      rest = c.div(rest, count);
      Value group = c.rem(rest, shape.groups), row = c.div(rest, shape.groups);
      Value first = c.add(c.mul(group, perGroup), c.add(c.mul(block, size), begin));
      for (int64_t at = 0; at < size; at += filters)
        emitTile({at, std::min(filters, size - at), size}, row, group, first, line,
                 starts(tile, width));
    });
  }

  /// First columns of the vectors of a tile, neighbours where the line is that long; the last tile
  /// of a line overlaps the one before it.
  Code::Values starts(Value tile, int64_t width) {
    Code::Values columns;
    int64_t all = width * lanes, results = shape.width.result();
    Value begin = c.min(c.mul(tile, all), c.index(std::max<int64_t>(results - all, 0)));
    for (int64_t v = 0; v < width; ++v) {
      Value column = c.add(begin, v * lanes);
      columns.push_back(results < all ? c.min(column, c.index(results - lanes)) : column);
    }
    return columns;
  }

  /// Whether vectors of the input are used for all entries of a long kernel that reach them, a
  /// vector's length apart: with few filters there are more reads than multiplications otherwise,
  /// and most of them touch two lines of cache.
  bool sharesReads(int64_t filters, int64_t width) const {
    constexpr int64_t kFilters = 2;
    int64_t entries = llvm::divideCeil(shape.width.kernel, lanes);
    return filters <= kFilters && shape.width.kernel >= 2 * lanes && shape.width.stride == 1 &&
           shape.width.dilation == 1 && lanes == isa.lanes() &&
           shape.width.result() >= width * lanes &&
           filters * (width + entries) + 2 <= isa.vectorRegisters;
  }

  void emitTile(const FilterTile &tile, Value row, Value group, Value first, Value line,
                ArrayRef<Value> columns) {
    blockStride = tile.stride;
    int64_t perRow = shape.inputElements(), map = perRow / shape.channels;
    int64_t lineWidth = shape.phaseWidth() * (shape.copies() ? shape.width.stride : 1);
    Value from = c.add(c.mul(row, perRow), c.mul(group, shape.channels / shape.groups * map));
    from = c.add(from, c.mul(line, shape.height.stride * lineWidth));
    Value weights = c.add(c.mul(first, inner), tile.first);
    Code::Values sums;
    for (int64_t f = 0; f < tile.filters; ++f) {
      Value start = bias ? c.splat(lanes, c.loadScalar(bias, c.add(first, tile.first + f)))
                         : c.constant(c.floats(lanes), 0);
      sums.append(columns.size(), start);
    }
    // Channels, then rows and columns of the kernel.
    const int64_t counts[] = {shape.channels / shape.groups, shape.height.kernel,
                              shape.width.kernel};
    const int64_t steps[] = {map, shape.height.dilation * lineWidth, 0};
    int64_t width = columns.size();
    if (sharesReads(tile.filters, width))
      sums = nest(
          ArrayRef(counts).drop_back(), ArrayRef(steps).drop_back(), from, weights, sums,
          [&](Value at, Value entry, Value, ValueRange carried) {
            return multiplyLine(tile, c.add(at, columns.front()), entry, width, carried);
          },
          shape.width.kernel);
    else
      sums = nest(counts, steps, from, weights, sums,
                  [&](Value at, Value entry, Value column, ValueRange carried) {
                    return multiply(tile, c.add(at, columnOffset(column)), entry, columns, carried);
                  });
    store(tile, row, first, line, columns, sums);
  }

  using Inner = function_ref<Code::Values(Value, Value, Value, ValueRange)>;

  /// Loops over `counts`; `at` moves by `steps`, `entry` through the weights in order.
  /// The body takes `entries` of them at a time.
  Code::Values nest(ArrayRef<int64_t> counts, ArrayRef<int64_t> steps, Value at, Value entry,
                    ValueRange sums, Inner body, int64_t entries = 1) {
    int64_t size = entries;
    for (int64_t count : counts.drop_front())
      size *= count;
    bool isLast = counts.size() == 1;
    auto once = [&](Value i, ValueRange carried) {
      Value next = c.add(at, c.mul(i, steps[0]));
      Value weights = c.add(entry, c.mul(i, size * blockStride));
      return isLast ? body(next, weights, i, carried)
                    : nest(counts.drop_front(), steps.drop_front(), next, weights, carried, body,
                           entries);
    };
    if (counts[0] == 1)
      return once(c.index(0), sums);
    return c.loop(c.index(0), c.index(counts[0]), 1, sums, once);
  }

  /// Where column `column` of the kernel reads, from a window's first place.
  Value columnOffset(Value column) {
    Value place = c.mul(column, shape.width.dilation);
    if (shape.width.stride == 1)
      return place;
    Value phase = c.mul(c.rem(place, shape.width.stride), shape.phaseWidth());
    return c.add(phase, c.div(place, shape.width.stride));
  }

  Code::Values multiply(const FilterTile &tile, Value at, Value entry, ArrayRef<Value> columns,
                        ValueRange sums) {
    Code::Values x, next;
    for (Value column : columns)
      x.push_back(c.loadVector(c.floats(lanes), input, c.add(at, column)));
    for (int64_t f = 0; f < tile.filters; ++f) {
      Value w = c.splat(lanes, c.loadScalar(weight, c.add(entry, f)));
      for (size_t v = 0; v < columns.size(); ++v)
        next.push_back(c.fma(x[v], w, sums[f * columns.size() + v]));
    }
    return next;
  }

  /// A line of the kernel over neighbouring vectors of columns: entries r, r + lanes, ... at once.
  Code::Values multiplyLine(const FilterTile &tile, Value at, Value entry, int64_t width,
                            ValueRange sums) {
    int64_t whole = shape.width.kernel / lanes, rest = shape.width.kernel % lanes;
    auto entries = [&](int64_t begin, int64_t end, int64_t count, ValueRange carried) {
      return c.loop(c.index(begin), c.index(end), 1, carried, [&](Value r, ValueRange last) {
        Value first = c.add(entry, c.mul(r, blockStride));
        return multiplyEvery(tile, c.add(at, r), first, width, count, last);
      });
    };
    Code::Values next(sums);
    if (rest > 0)
      next = entries(0, rest, whole + 1, next);
    return entries(rest, lanes, whole, next);
  }

  /// `count` entries of the kernel, `lanes` apart.
  Code::Values multiplyEvery(const FilterTile &tile, Value at, Value entry, int64_t width,
                             int64_t count, ValueRange sums) {
    Code::Values weights, next(sums); // [count][filters]
    for (int64_t q = 0; q < count; ++q)
      for (int64_t f = 0; f < tile.filters; ++f)
        weights.push_back(
            c.splat(lanes, c.loadScalar(weight, c.add(entry, q * lanes * blockStride + f))));
    for (int64_t j = 0; j < width + count - 1; ++j) {
      Value x = c.loadVector(c.floats(lanes), input, c.add(at, j * lanes));
      for (int64_t q = std::max<int64_t>(0, j - width + 1); q <= std::min(j, count - 1); ++q)
        for (int64_t f = 0; f < tile.filters; ++f) {
          Value &sum = next[f * width + j - q];
          sum = c.fma(x, weights[q * tile.filters + f], sum);
        }
    }
    return next;
  }

  void store(const FilterTile &tile, Value row, Value first, Value line, ArrayRef<Value> columns,
             ArrayRef<Value> sums) {
    int64_t lines = shape.height.result(), width = shape.width.result();
    ImplicitLocOpBuilder b(c.loc, c.builder);
    Value map = c.add(c.mul(row, shape.filters), c.add(first, tile.first));
    for (int64_t f = 0; f < tile.filters; ++f) {
      Value to = c.mul(c.add(c.mul(c.add(map, f), lines), line), width);
      for (size_t v = 0; v < columns.size(); ++v)
        c.storeVector(plx::buildActivation(b, shape.activation, sums[f * columns.size() + v]),
                      output, c.add(to, columns[v]));
    }
  }

  Code c;
  const Isa &isa;
  const ConvShape &shape;
  Value input, weight, bias, output;
  int64_t lanes, perGroup, inner;
  int64_t blockStride = 1;
};

} // namespace

void emitConv(OpBuilder &builder, Location loc, const Isa &isa, const ConvShape &shape, Value rows,
              Value input, Value weight, Value bias, Value output) {
  ConvEmitter(builder, loc, isa, shape, input, weight, bias, output).emit(rows);
}

} // namespace plexus::emit
