// Emits convolutions of maps by the spectra of tiles of their lines.
#include "passes/lower/cpu/emit/ConvSpectrum.h"

#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/TileFourier.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// Numbers of a vector of a spectrum: real and imaginary parts.
constexpr int64_t kBlock = 2 * kSpectrumLanes;

/// `size` items in `count` parts that are nearly equal, the `large` larger ones first.
struct Split {
  int64_t count, large, most;

  Split(int64_t size, int64_t limit) : count(llvm::divideCeil(size, limit)) {
    most = llvm::divideCeil(size, count);
    large = size - (most - 1) * count;
  }
  Value start(const Code &c, Value part) const {
    Value even = c.mul(part, most - 1);
    return c.add(even, c.min(part, c.index(large)));
  }
};

/// What is summed in registers at once: sums, a filter's numbers and those of the tiles.
struct Parts {
  Split tiles, filters;

  static Parts of(const Isa &isa, const SpectralConv &conv) {
    Split tiles(conv.tiles.count, isa.vectorRegisters >= 32 ? 3 : 2);
    int64_t limit = ((isa.vectorRegisters - 2) / 2 - tiles.most) / tiles.most;
    return {tiles, Split(conv.shape.filters, std::max<int64_t>(1, limit))};
  }
};

/// A part of a line of which the first `valid` entries from its own beginning count.
struct Places {
  const Code &c;
  int64_t lanes;
  Value memref, begin, valid;
  int64_t sure; ///< So many are valid in any case.

  Value mask(int64_t offset) const {
    Value left = c.sub(valid, c.index(offset));
    return c.make<vector::CreateMaskOp>(c.vectorType(lanes, c.builder.getI1Type()),
                                        ValueRange{c.max(left, c.index(0))});
  }
  /// Zeros where they do not count.
  Value load(int64_t offset) const {
    Value at = c.add(begin, offset);
    VectorType type = c.floats(lanes);
    if (offset + lanes <= sure)
      return c.loadVector(type, memref, at);
    return c.make<vector::MaskedLoadOp>(type, memref, ValueRange{at}, mask(offset),
                                        c.constant(type, 0));
  }
  void store(int64_t offset, Value vector) const {
    Value at = c.add(begin, offset);
    if (offset + lanes <= sure)
      return c.storeVector(vector, memref, at);
    c.make<vector::MaskedStoreOp>(memref, ValueRange{at}, mask(offset), vector);
  }
};

class SpectrumEmitter {
public:
  SpectrumEmitter(OpBuilder &builder, Location loc, const Isa &isa, const SpectralConv &conv,
                  Value spectra)
      : c{builder, loc}, isa(isa), conv(conv), shape(conv.shape), tiles(conv.tiles),
        lanes(isa.lanes()), vectors(conv.tiles.bins() / lanes), spectra(spectra) {}

  void transformInput(Value rows, Value input) {
    int64_t width = shape.phaseWidth(), last = (tiles.count - 1) * tiles.step;
    c.parallel(c.mul(rows, conv.lines() * tiles.count), [&](Value item) {
      Value tile = c.rem(item, tiles.count), line = c.div(item, tiles.count);
      Value first = c.mul(tile, tiles.step);
      Places from{
          c,           lanes, input, c.add(c.mul(line, width), first), c.sub(c.index(width), first),
          width - last};
      TileFourier::Tile bins;
      for (int64_t v = 0; v < vectors; ++v)
        bins.push_back({from.load(v * lanes), from.load(tiles.bins() + v * lanes)});
      TileFourier(c, lanes, tiles.bins()).forward(bins);
      Value row = c.div(line, conv.lines()), own = c.rem(line, conv.lines());
      Value to = c.add(placeOf(row, tile), c.mul(own, kBlock));
      for (int64_t v = 0; v < vectors; ++v) {
        Value at = c.add(to, inBlock(c.index(v), conv.lines()));
        c.storeVector(bins[v].real, spectra, at);
        c.storeVector(bins[v].imag, spectra, c.add(at, kSpectrumLanes));
      }
    });
  }

  void multiply(Value rows, Value weights, Value biases, Value to) {
    weight = weights, bias = biases, output = to;
    auto [tileParts, filterParts] = Parts::of(isa, conv);
    int64_t lines = shape.height.result();
    c.parallel(c.mul(rows, lines * filterParts.count * tileParts.count), [&](Value item) {
      Value tile = c.rem(item, tileParts.count), rest = c.div(item, tileParts.count);
      Value filter = c.rem(rest, filterParts.count);
      rest = c.div(rest, filterParts.count);
      Place place{c.div(rest, lines), c.rem(rest, lines), filterParts.start(c, filter),
                  tileParts.start(c, tile)};
      eachSize(filterParts, filter, [&](int64_t filters) {
        eachSize(tileParts, tile, [&](int64_t count) { emitPart(place, filters, count); });
      });
    });
  }

private:
  /// Where a part begins.
  struct Place {
    Value row, line, filter, tile;
  };

  /// The code for parts of the larger size, and of the smaller one.
  void eachSize(const Split &split, Value part, function_ref<void(int64_t)> body) {
    if (split.large == split.count)
      return body(split.most);
    c.ifElse(
        c.less(part, c.index(split.large)), [&] { body(split.most); },
        [&] { body(split.most - 1); });
  }

  Value placeOf(Value row, Value tile) {
    return c.mul(c.add(c.mul(row, tiles.count), tile), tiles.points * conv.lines());
  }
  /// From a tile's, or a filter's, first number to those of vector `v` of its first line.
  Value inBlock(Value v, int64_t lines) {
    int64_t inside = kSpectrumLanes / lanes;
    return c.add(c.mul(c.div(v, inside), lines * kBlock), c.mul(c.rem(v, inside), lanes));
  }

  void emitPart(const Place &place, int64_t filters, int64_t count) {
    c.stackScope([&] {
      Value sums = c.stackBuffer(filters * count * tiles.points, c.builder.getF32Type());
      c.loop(0, vectors, 1, [&](Value v) { multiplyVector(place, filters, count, v, sums); });
      c.loop(0, filters, 1, [&](Value filter) {
        c.loop(0, count, 1, [&](Value tile) {
          Value from = c.mul(c.add(c.mul(filter, count), tile), tiles.points);
          finish(place, c.add(place.filter, filter), c.add(place.tile, tile), sums, from);
        });
      });
    });
  }

  /// Bins v * lanes and on, of all filters and tiles of a part.
  void multiplyVector(const Place &place, int64_t filters, int64_t count, Value v, Value to) {
    int64_t taps = shape.channels * shape.height.kernel;
    Value line = c.mul(c.mul(place.line, shape.height.stride), kBlock);
    Value x = c.add(c.add(placeOf(place.row, place.tile), line), inBlock(v, conv.lines()));
    Value w = c.add(c.mul(place.filter, taps * tiles.points), inBlock(v, taps));
    Code::Values sums(2 * filters * count, c.constant(c.floats(lanes), 0));
    auto channel = [&](Value number, ValueRange carried) -> Code::Values {
      Value from = c.add(x, c.mul(number, shape.height.padded() * kBlock));
      Value entry = c.add(w, c.mul(number, shape.height.kernel * kBlock));
      if (shape.height.kernel == 1)
        return multiplyLine(from, entry, filters, count, carried);
      return c.loop(c.index(0), c.index(shape.height.kernel), 1, carried,
                    [&](Value k, ValueRange inner) {
                      return multiplyLine(c.add(from, c.mul(k, shape.height.dilation * kBlock)),
                                          c.add(entry, c.mul(k, kBlock)), filters, count, inner);
                    });
    };
    sums = shape.channels == 1 ? channel(c.index(0), sums)
                               : c.loop(c.index(0), c.index(shape.channels), 1, sums, channel);
    for (int64_t i = 0; i < filters * count; ++i) {
      Value at = c.add(c.mul(v, lanes), i * tiles.points);
      c.storeVector(sums[2 * i], to, at);
      c.storeVector(sums[2 * i + 1], to, c.add(at, tiles.bins()));
    }
  }

  Complex loadComplex(Value memref, Value at) {
    VectorType type = c.floats(lanes);
    return {c.loadVector(type, memref, at), c.loadVector(type, memref, c.add(at, kSpectrumLanes))};
  }

  Code::Values multiplyLine(Value x, Value w, int64_t filters, int64_t count, ValueRange sums) {
    SmallVector<Complex> inputs;
    for (int64_t t = 0; t < count; ++t)
      inputs.push_back(loadComplex(spectra, c.add(x, t * tiles.points * conv.lines())));
    int64_t perFilter = shape.channels * shape.height.kernel * tiles.points;
    Code::Values next;
    for (int64_t f = 0; f < filters; ++f) {
      Complex factor = loadComplex(weight, c.add(w, f * perFilter));
      Value negative = c.make<arith::NegFOp>(factor.imag);
      for (const Complex &input : inputs) {
        Value real = c.fma(factor.real, input.real, sums[next.size()]);
        Value imag = c.fma(factor.real, input.imag, sums[next.size() + 1]);
        next.push_back(c.fma(negative, input.imag, real));
        next.push_back(c.fma(factor.imag, input.real, imag));
      }
    }
    return next;
  }

  /// From the products of a tile to results.
  void finish(const Place &place, Value filter, Value tile, Value sums, Value from) {
    TileFourier::Tile bins;
    VectorType type = c.floats(lanes);
    for (int64_t v = 0; v < vectors; ++v)
      bins.push_back({c.loadVector(type, sums, c.add(from, v * lanes)),
                      c.loadVector(type, sums, c.add(from, tiles.bins() + v * lanes))});
    TileFourier(c, lanes, tiles.bins()).inverse(bins);
    Value map = c.add(c.mul(place.row, shape.filters), filter);
    Value line = c.add(c.mul(map, shape.height.result()), place.line);
    Value first = c.mul(tile, tiles.step);
    Value left = c.sub(c.index(tiles.results), first);
    Places to{c,
              lanes,
              output,
              c.add(c.mul(line, tiles.results), first),
              c.min(left, c.index(tiles.step)),
              tiles.least()};
    Value added = bias ? c.splat(lanes, c.loadScalar(bias, filter)) : Value();
    ImplicitLocOpBuilder b(c.loc, c.builder);
    for (bool imag : {false, true})
      for (int64_t v = 0; v < vectors; ++v) {
        int64_t offset = (imag ? tiles.bins() : 0) + v * lanes;
        if (offset >= tiles.step)
          continue;
        Value result = imag ? bins[v].imag : bins[v].real;
        if (added)
          result = c.make<arith::AddFOp>(result, added);
        to.store(offset, plx::buildActivation(b, shape.activation, result));
      }
  }

  Code c;
  const Isa &isa;
  const SpectralConv &conv;
  const ConvShape &shape;
  const plx::SpectralTiles &tiles;
  int64_t lanes, vectors;
  Value spectra, weight, bias, output;
};

} // namespace

int64_t spectralPart(const Isa &isa, const SpectralConv &conv) {
  Parts parts = Parts::of(isa, conv);
  return parts.tiles.most * parts.filters.most;
}

void emitSpectra(OpBuilder &builder, Location loc, const Isa &isa, const SpectralConv &conv,
                 Value rows, Value input, Value spectra) {
  SpectrumEmitter(builder, loc, isa, conv, spectra).transformInput(rows, input);
}

void emitConvSpectrum(OpBuilder &builder, Location loc, const Isa &isa, const SpectralConv &conv,
                      Value rows, Value spectra, Value weight, Value bias, Value output) {
  SpectrumEmitter(builder, loc, isa, conv, spectra).multiply(rows, weight, bias, output);
}

} // namespace plexus::emit
