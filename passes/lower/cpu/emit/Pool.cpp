// Emits pools over windows of maps.
#include "passes/lower/cpu/emit/Pool.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Code.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace plexus::emit {
namespace {

/// Lanes of vectors of windows.
int64_t windowLanes(const PoolShape &shape, const Isa &isa) {
  return std::min<int64_t>(isa.lanes(), llvm::bit_floor(uint64_t(shape.width.result())));
}

class PoolEmitter {
public:
  PoolEmitter(OpBuilder &builder, Location loc, const Isa &isa, const PoolShape &shape, Value input,
              Value output)
      : c{builder, loc}, isa(isa), shape(shape), input(input), output(output) {}

  void emit(Value rows) {
    const plx::WindowAxis &h = shape.height, &w = shape.width;
    c.parallel(c.mul(rows, shape.channels * h.result()), [&](Value item) {
      Value map = c.div(item, h.result()), line = c.rem(item, h.result());
      Value from = c.mul(c.add(c.mul(map, h.input), c.mul(line, h.stride)), w.input);
      Value to = c.mul(item, w.result());
      shape.acrossWindows(isa) ? across(from, to) : along(from, to);
    });
  }

private:
  Value fold(Value x, Value y) const {
    if (!x)
      return y;
    return shape.isMax ? c.make<arith::MaximumFOp>(x, y).getResult()
                       : c.make<arith::AddFOp>(x, y).getResult();
  }

  Value finished(Value folded) const {
    if (shape.isMax)
      return folded;
    double count = double(shape.height.kernel) * double(shape.width.kernel);
    return c.make<arith::DivFOp>(folded, c.constant(folded.getType(), count));
  }

  //===--- Vectors of windows ---===//

  /// Vectors of windows of a line; the last one overlaps the one before it.
  void across(Value from, Value to) const {
    const plx::WindowAxis &w = shape.width;
    int64_t lanes = windowLanes(shape, isa);
    c.loop(0, w.result(), lanes, [&](Value window) {
      window = c.min(window, c.index(w.result() - lanes));
      Value at = c.add(from, c.mul(window, w.stride)), folded;
      for (int64_t y = 0; y < shape.height.kernel; ++y)
        folded = acrossLine(c.add(at, y * w.input), lanes, folded);
      c.storeVector(finished(folded), output, c.add(to, window));
    });
  }

  Value acrossLine(Value at, int64_t lanes, Value folded) const {
    const plx::WindowAxis &w = shape.width;
    int64_t places = (lanes - 1) * w.stride + w.kernel;
    SmallVector<int64_t> starts; // The last vector ends where the windows do.
    for (int64_t begin = 0; begin < places; begin += lanes)
      starts.push_back(std::min(begin, std::max<int64_t>(0, places - lanes)));
    Code::Values vectors;
    for (int64_t start : starts)
      vectors.push_back(c.loadVector(c.floats(lanes), input, c.add(at, start)));
    for (int64_t k = 0; k < w.kernel; ++k)
      folded = fold(folded, everyStride(vectors, starts, lanes, k));
    return folded;
  }

  /// Places k, k + stride, k + 2 stride, ... of what the vectors hold.
  Value everyStride(ArrayRef<Value> vectors, ArrayRef<int64_t> starts, int64_t lanes,
                    int64_t k) const {
    Value sorted;
    for (auto [number, vector] : llvm::enumerate(vectors)) {
      SmallVector<int64_t> places(lanes);
      bool holdsAny = false;
      for (int64_t lane = 0; lane < lanes; ++lane) {
        int64_t place = lane * shape.width.stride + k;
        bool holds = place / lanes == static_cast<int64_t>(number);
        places[lane] = holds ? (sorted ? lanes : 0) + place - starts[number] : sorted ? lane : 0;
        holdsAny |= holds;
      }
      if (holdsAny)
        sorted = c.make<vector::ShuffleOp>(sorted ? sorted : vector, vector, places);
    }
    return sorted;
  }

  //===--- Vectors along a window ---===//

  void along(Value from, Value to) const {
    const plx::WindowAxis &w = shape.width;
    c.loop(0, w.result(), 1, [&](Value window) {
      Value at = c.add(from, c.mul(window, w.stride)), total;
      // Whole vectors of all lines, then what is left in ever smaller ones.
      for (int64_t begin = 0; begin < w.kernel;) {
        int64_t lanes = std::min<int64_t>(isa.lanes(), llvm::bit_floor(uint64_t(w.kernel - begin)));
        int64_t vectors = lanes == isa.lanes() ? (w.kernel - begin) / lanes : 1;
        Value sum;
        for (int64_t y = 0; y < shape.height.kernel; ++y)
          for (int64_t v = 0; v < vectors; ++v)
            sum = fold(sum, c.loadVector(c.floats(lanes), input,
                                         c.add(at, y * w.input + begin + v * lanes)));
        total = fold(total, foldLanes(sum));
        begin += vectors * lanes;
      }
      c.make<memref::StoreOp>(finished(total), output, c.add(to, window));
    });
  }

  /// Folds the lanes of a vector of a power of two, halves first.
  Value foldLanes(Value vector) const {
    for (int64_t half = cast<VectorType>(vector.getType()).getNumElements() / 2; half > 0;
         half /= 2) {
      auto part = [&](int64_t from) -> Value {
        return c.make<vector::ExtractStridedSliceOp>(vector, ArrayRef<int64_t>{from},
                                                     ArrayRef<int64_t>{half}, ArrayRef<int64_t>{1});
      };
      vector = fold(part(0), part(half));
    }
    return c.make<vector::ExtractOp>(vector, ArrayRef<int64_t>{0});
  }

  Code c;
  const Isa &isa;
  const PoolShape &shape;
  Value input, output;
};

} // namespace

bool PoolShape::acrossWindows(const Isa &isa) const {
  int64_t lanes = windowLanes(*this, isa);
  // Permutations of a vector of windows, against some 8 operations for each window.
  return lanes >= 4 && height.kernel * width.kernel * width.stride <= 8 * lanes;
}

void emitPoolWindow(OpBuilder &builder, Location loc, const Isa &isa, const PoolShape &shape,
                    Value rows, Value input, Value output) {
  PoolEmitter(builder, loc, isa, shape, input, output).emit(rows);
}

} // namespace plexus::emit
