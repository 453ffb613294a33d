//===- LowerSensors.cpp - attention over the positions of sensors -----------------------------===//
// Handler of brain.sensor_attention: the attention is computed once a call, in vectors of virtual
// channels, and stays in scratch as the matrix that the samples are multiplied with.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/brain/BrainOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/VectorMath.h"
#include <numbers>

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

class SensorAttention {
public:
  SensorAttention(SegmentLowering &segment, brain::SensorAttentionOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        sensors(tensorType(op.getInput()).getDimSize(1)),
        harmonics(tensorType(op.getCos()).getDimSize(0)),
        channels(tensorType(op.getCos()).getDimSize(2)), lanes(segment.isa().lanes()),
        x(segment.buffer(op.getInput())), positions(segment.buffer(op.getPositions())),
        count(code.index(sensors)) {
    if (op.getCount()) {
      Value given = code.toIndex(code.loadScalar(segment.buffer(op.getCount()), code.index(0)));
      count = code.min(code.max(given, code.index(1)), count);
    }
  }

  void emit() {
    Type f32 = code.builder.getF32Type();
    int64_t padded = (sensors + kTile - 1) / kTile * kTile, waves = harmonics * harmonics;
    auto scratch = [&](int64_t columns) {
      return segment.allocate(MemRefType::get({padded, columns}, f32), {});
    };
    cosines = scratch(waves);
    sines = scratch(waves);
    weights = scratch(channels);
    emitWaves();
    emitScores();
    eachColumns([&](Value column, ArrayRef<VectorType> types) { emitSoftmax(column, types); });
    emitProduct(segment.allocateLike(op.getResult(), op.getInput()));
  }

private:
  static constexpr int64_t kTile = 8; ///< Sensors, and samples, that share a vector of weights.

  /// Groups of two vectors of channels, then what is left.
  void eachColumns(llvm::function_ref<void(Value, ArrayRef<VectorType>)> body) {
    VectorType whole = code.floats(lanes);
    int64_t full = channels / (2 * lanes) * (2 * lanes);
    if (full > 0)
      code.loop(0, full, 2 * lanes, [&](Value column) { body(column, {whole, whole}); });
    SmallVector<VectorType> rest;
    for (int64_t left = channels - full; left > 0; left -= lanes)
      rest.push_back(code.floats(std::min(left, lanes)));
    if (!rest.empty())
      body(code.index(full), rest);
  }

  /// cos and sin of 2 pi (k u + l v) for all harmonics of each sensor, l along vectors.
  void emitWaves() {
    segment.emitParallel(32 * harmonics * harmonics, [&] {
      code.parallel(count, [&](Value sensor) {
        Value u = code.loadScalar(positions, {sensor, code.index(0)});
        Value v = code.loadScalar(positions, {sensor, code.index(1)});
        code.loop(0, harmonics, 1, [&](Value k) {
          Value turns = code.make<arith::MulFOp>(asFloat(k), u);
          code.pieces(harmonics, lanes, [&](Value l, VectorType type) {
            Value angle = angles(turns, l, v, type);
            auto [sine, cosine] = emit::emitSinCos(code.builder, loc, angle);
            Value column = code.add(code.mul(k, harmonics), l);
            code.storeVector(cosine, cosines, {sensor, column});
            code.storeVector(sine, sines, {sensor, column});
          });
        });
      });
    });
  }
  Value asFloat(Value index) {
    return code.make<arith::SIToFPOp>(code.builder.getF32Type(), code.toI32(index));
  }
  /// 2 pi (turns + l v) for `type`'s l from `first` on, without whole turns.
  Value angles(Value turns, Value first, Value v, VectorType type) {
    int64_t size = type.getNumElements();
    SmallVector<float> steps;
    for (int64_t i = 0; i < size; ++i)
      steps.push_back(static_cast<float>(i));
    Value orders = code.make<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef(steps)));
    orders = code.make<arith::AddFOp>(orders, code.splat(size, asFloat(first)));
    Value sum = code.make<arith::AddFOp>(code.splat(size, turns),
                                         code.make<arith::MulFOp>(orders, code.splat(size, v)));
    Value part = code.make<arith::SubFOp>(sum, code.make<math::FloorOp>(sum));
    return code.make<arith::MulFOp>(part, code.constant(type, 2 * std::numbers::pi));
  }

  /// weights[c, j] = sum over harmonics; rows behind the last sensor are scratch.
  void emitScores() {
    auto flat = [&](Value coefficients) {
      return segment.asMatrix(loc, segment.buffer(coefficients));
    };
    Value cos = flat(op.getCos()), sin = flat(op.getSin());
    segment.emitParallel(4 * kTile * channels * harmonics * harmonics, [&] {
      code.parallel(code.ceilDiv(count, kTile), [&](Value tile) {
        Value sensor = code.mul(tile, kTile);
        eachColumns([&](Value column, ArrayRef<VectorType> types) {
          Code::Values sums = zeros(kTile, types);
          sums = multiply(code.index(harmonics * harmonics), kTile, cosines, sensor, cos, column,
                          types, sums);
          sums = multiply(code.index(harmonics * harmonics), kTile, sines, sensor, sin, column,
                          types, sums);
          store(kTile, weights, sensor, column, types, sums);
        });
      });
    });
  }

  /// Over the sensors, for vectors of channels.
  void emitSoftmax(Value column, ArrayRef<VectorType> types) {
    Value at = column;
    for (VectorType type : types) {
      auto load = [&](Value sensor) { return code.loadVector(type, weights, {sensor, at}); };
      Value most = code.loop(code.index(1), count, 1, load(code.index(0)),
                             [&](Value sensor, ValueRange so) -> Code::Values {
                               return {code.make<arith::MaximumFOp>(so.front(), load(sensor))};
                             })
                       .front();
      Value sum = code.loop(code.index(0), count, 1, code.constant(type, 0),
                            [&](Value sensor, ValueRange so) -> Code::Values {
                              Value less = code.make<arith::SubFOp>(load(sensor), most);
                              Value part = emit::emitExp(code.builder, loc, less);
                              code.storeVector(part, weights, {sensor, at});
                              return {code.make<arith::AddFOp>(so.front(), part)};
                            })
                      .front();
      code.loop(code.index(0), count, 1, [&](Value sensor) {
        code.storeVector(code.make<arith::DivFOp>(load(sensor), sum), weights, {sensor, at});
      });
      at = code.add(at, type.getNumElements());
    }
  }

  /// out = x weights over the sensors that are there.
  void emitProduct(Value out) {
    constexpr int64_t rowsOfTask = 64;
    Value rows = segment.rows(loc, x);
    segment.emitParallel(2 * rowsOfTask * sensors * channels, [&] {
      code.parallel(code.ceilDiv(rows, rowsOfTask), [&](Value task) {
        Value first = code.mul(task, rowsOfTask);
        Value mine = code.min(code.sub(rows, first), code.index(rowsOfTask));
        eachColumns([&](Value column, ArrayRef<VectorType> types) {
          code.rowTiles(mine, kTile, [&](int64_t tile, Value row) {
            Value at = code.add(first, row);
            store(tile, out, at, column, types,
                  multiply(count, tile, x, at, weights, column, types, zeros(tile, types)));
          });
        });
      });
    });
  }

  Code::Values zeros(int64_t rows, ArrayRef<VectorType> types) {
    Code::Values values;
    for (int64_t row = 0; row < rows; ++row)
      for (VectorType type : types)
        values.push_back(code.constant(type, 0));
    return values;
  }
  /// sums[r, vector] += sum_{k < depth} a[row + r, k] b[k, column ..].
  Code::Values multiply(Value depth, int64_t rows, Value a, Value row, Value b, Value column,
                        ArrayRef<VectorType> types, ValueRange sums) {
    return code.loop(code.index(0), depth, 1, sums, [&](Value k, ValueRange so) -> Code::Values {
      Code::Values vectors, next;
      Value at = column;
      for (VectorType type : types) {
        vectors.push_back(code.loadVector(type, b, {k, at}));
        at = code.add(at, type.getNumElements());
      }
      for (int64_t r = 0; r < rows; ++r) {
        Value factor = code.loadScalar(a, {code.add(row, r), k});
        for (auto [i, type] : llvm::enumerate(types))
          next.push_back(code.fma(code.splat(type.getNumElements(), factor), vectors[i],
                                  so[r * types.size() + i]));
      }
      return next;
    });
  }
  void store(int64_t rows, Value out, Value row, Value column, ArrayRef<VectorType> types,
             ValueRange sums) {
    for (int64_t r = 0; r < rows; ++r) {
      Value at = column;
      for (auto [i, type] : llvm::enumerate(types)) {
        code.storeVector(sums[r * types.size() + i], out, {code.add(row, r), at});
        at = code.add(at, type.getNumElements());
      }
    }
  }

  SegmentLowering &segment;
  brain::SensorAttentionOp op;
  Location loc;
  Code code;
  int64_t sensors, harmonics, channels, lanes;
  Value x, positions, count;
  Value cosines, sines, weights; ///< [sensors, K K] twice, [sensors, channels]
};

LogicalResult lowerSensorAttention(SegmentLowering &segment, brain::SensorAttentionOp op) {
  SensorAttention(segment, op).emit();
  segment.report(op, "generated", "attention once a call, then samples in tiles");
  return success();
}

bool takesSensorAttention(Operation *op) {
  auto attention = cast<brain::SensorAttentionOp>(op);
  return llvm::all_of(ArrayRef<Value>{attention.getInput(), attention.getPositions(),
                                      attention.getCos(), attention.getSin()},
                      [](Value value) { return tensorType(value).getElementType().isF32(); });
}

} // namespace

void addSensorHandlers(HandlerTable &table) {
  addHandler<brain::SensorAttentionOp, lowerSensorAttention>(table, takesSensorAttention);
}

} // namespace plexus::compiler
