//===- LowerSignals.cpp - filters and running norms -------------------------------------------===//
// Handlers of brain's recurrences over samples: their states stay in registers, f64 vectors of
// channels; and of covariances of windows and their logarithms.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/brain/BrainOps.h"
#include "dialects/brain/Sections.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/Carry.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;
using ssm::Number;

/// What the lowerings share: samples [T, channels] of f32 as f64 vectors.
struct Signal {
  SegmentLowering &segment;
  Location loc;
  Code code;
  Value input, out;
  emit::CarryFields fields;
  int64_t channels;

  template <typename Op>
  Signal(SegmentLowering &segment, Op op, Value state)
      : segment(segment), loc(op.getLoc()), code{segment.builder(), loc},
        input(segment.buffer(op.getInput())),
        out(segment.allocateLike(op.getResult(), op.getInput())),
        fields(emit::loadCarry(code.builder, loc, segment.batch(),
                               state ? segment.scalars().lookup(state) : Value())),
        channels(cast<RankedTensorType>(op.getInput().getType()).getDimSize(1)) {}

  ImplicitLocOpBuilder builder() const { return {loc, code.builder}; }
  VectorType wide(VectorType type) const {
    return code.vectorType(type.getNumElements(), code.builder.getF64Type());
  }
  Value load(VectorType type, Value token, Value channel) const {
    return code.make<arith::ExtFOp>(wide(type), code.loadVector(type, input, {token, channel}));
  }
  void store(VectorType type, Value value, Value token, Value column) const {
    code.storeVector(code.make<arith::TruncFOp>(type, value), out, {token, column});
  }
  /// Rows of a state [rows, columns] of f64 that start at `column`; places count f32.
  SmallVector<emit::CarryPiece> pieces(int64_t rows, int64_t columns, Value column,
                                       VectorType type) const {
    SmallVector<emit::CarryPiece> made;
    for (int64_t row = 0; row < rows; ++row)
      made.push_back({code.mul(code.add(column, row * columns), 2), wide(type)});
    return made;
  }
  /// `flag` (f64 vectors) is 0 ? no : yes, for each pair.
  Value choose(Value flag, Value yes, Value no) const {
    Value isZero =
        code.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, flag, code.constant(flag.getType(), 0));
    return code.make<arith::SelectOp>(isZero, no, yes);
  }
  void forBlocks(int64_t work, emit::ChannelBody body) const {
    int64_t lanes = segment.isa().lanes();
    segment.emitParallel(lanes * work, [&] {
      emit::forChannelBlocks(code, fields.batch.sequences, channels, lanes, 1, body);
    });
  }
};

/// Operations of a sample of one channel in a section, times samples of a usual run.
constexpr int64_t kSectionWork = 8 * 256;

//===--- Running norm -------------------------------------------------------------------------===//

LogicalResult lowerEma(SegmentLowering &segment, brain::EmaStandardizeOp op) {
  Signal s(segment, op, op.getState());
  double alpha = op.getAlpha().convertToDouble(), eps = op.getEps().convertToDouble();
  s.forBlocks(kSectionWork, [&](Value sequence, Value channel, ArrayRef<VectorType> types) {
    VectorType type = types.front();
    emit::forTokensOf(
        s.code, s.fields, sequence, s.pieces(3, s.channels, channel, type), /*reverse=*/false,
        [&](Value token, ValueRange last) -> Code::Values {
          ImplicitLocOpBuilder b = s.builder();
          Number x(b, s.load(type, token, channel));
          Number before = x.of(s.choose(last[2], last[0], x.v));
          Number mean = x.constant(alpha) * x + x.constant(1 - alpha) * before;
          Number d = x - mean;
          Number spread = x.of(s.choose(last[2], last[1], x.constant(1).v));
          Number variance = x.constant(alpha) * (d * d) + x.constant(1 - alpha) * spread;
          s.store(type, (d / max(x.constant(eps), variance.sqrt())).v, token, channel);
          return {mean.v, variance.v, x.constant(1).v};
        });
  });
  segment.report(op, "generated", "mean and variance in registers along each sequence");
  return success();
}

//===--- Causal filters -----------------------------------------------------------------------===//

LogicalResult lowerSosFilter(SegmentLowering &segment, brain::SosFilterOp op) {
  Signal s(segment, op, op.getState());
  auto filters = static_cast<int64_t>(op.getFilters());
  int64_t rows = 2 * op.getSections(), columns = filters * s.channels;
  s.forBlocks(kSectionWork * filters * op.getSections(), [&](Value sequence, Value channel,
                                                             ArrayRef<VectorType> types) {
    VectorType type = types.front();
    for (int64_t f = 0; f < filters; ++f) {
      brain::SectionsRef filter = brain::filterOf(op.getSos(), filters, f);
      Value column = s.code.add(channel, f * s.channels);
      emit::forTokensOf(
          s.code, s.fields, sequence, s.pieces(rows + op.getSteady(), columns, column, type),
          /*reverse=*/false, [&](Value token, ValueRange last) -> Code::Values {
            ImplicitLocOpBuilder b = s.builder();
            Value x = s.load(type, token, channel);
            Code::Values states(last.take_front(rows));
            if (op.getSteady())
              for (auto [state, start] : llvm::zip(states, brain::buildSteady(b, filter, x)))
                state = s.choose(last[rows], state, start);
            s.store(type, brain::buildCascade(b, filter, x, states), token, column);
            if (op.getSteady())
              states.push_back(s.code.constant(x.getType(), 1));
            return states;
          });
    }
  });
  segment.report(op, "generated", "sections in registers along each sequence, in f64");
  return success();
}

//===--- Zero phase ---------------------------------------------------------------------------===//

/// One filter over one vector of channels of one sequence, forward and backward.
class ZeroPhase {
public:
  ZeroPhase(const Signal &s, brain::SosFiltFiltOp op, brain::SectionsRef filter, VectorType type,
            Value channel, Value column, Value middle, Value tail)
      : s(s), code(s.code), op(op), filter(filter), type(type), channel(channel), column(column),
        middle(middle), tail(tail), padding(static_cast<int64_t>(op.getPadding())) {}

  void emit(Value sequence) {
    auto border = [&](Value number) {
      return emit::loadI32(code.builder, code.loc, s.fields.batch.tokenBegin, number);
    };
    first = border(sequence);
    end = border(code.add(sequence, 1));
    last = code.add(end, -1);
    code.ifThen(code.less(first, end), [&] {
      forward();
      backward();
    });
  }

private:
  Value sample(Value token) { return s.load(type, token, channel); }

  Value beyond(Value border, Value inner) {
    ImplicitLocOpBuilder b = s.builder();
    if (op.getExtension() == brain::Extension::Even)
      return sample(inner);
    Number edge(b, sample(border));
    if (op.getExtension() == brain::Extension::Constant)
      return edge.v;
    return (edge + edge - edge.of(sample(inner))).v;
  }
  Value before(Value i) {
    return beyond(first, code.min(code.add(first, code.sub(code.index(padding), i)), last));
  }
  Value behind(Value i) { return beyond(last, code.max(code.sub(last, code.add(i, 1)), first)); }

  Code::Values steady(Value x) {
    ImplicitLocOpBuilder b = s.builder();
    return brain::buildSteady(b, filter, x);
  }
  /// Filters `count` samples; `give` says which, `take` gets them.
  Code::Values run(Value count, ValueRange states, llvm::function_ref<Value(Value)> give,
                   llvm::function_ref<void(Value, Value)> take) {
    return code.loop(code.index(0), count, 1, states, [&](Value i, ValueRange carried) {
      ImplicitLocOpBuilder b = s.builder();
      Code::Values next(carried);
      take(i, brain::buildCascade(b, filter, give(i), next));
      return next;
    });
  }

  void forward() {
    auto drop = [](Value, Value) {};
    Value pads = code.index(padding), length = code.sub(end, first);
    Code::Values states = steady(padding ? before(code.index(0)) : sample(first));
    states = run(pads, states, [&](Value i) { return before(i); }, drop);
    states = run(
        length, states, [&](Value i) { return sample(code.add(first, i)); },
        [&](Value i, Value y) { code.storeVector(y, middle, {code.add(first, i), column}); });
    run(
        pads, states, [&](Value i) { return behind(i); },
        [&](Value i, Value y) {
          code.storeVector(y, tail, {code.mul(i, s.segment.isa().lanes())});
        });
  }

  void backward() {
    VectorType wide = s.wide(type);
    auto filtered = [&](Value token) { return code.loadVector(wide, middle, {token, column}); };
    auto tailAt = [&](Value i) {
      Value place = code.mul(code.sub(code.index(padding - 1), i), s.segment.isa().lanes());
      return code.loadVector(wide, tail, {place});
    };
    Code::Values states = steady(padding ? tailAt(code.index(0)) : filtered(last));
    if (padding)
      states = run(code.index(padding), states, tailAt, [](Value, Value) {});
    run(
        code.sub(end, first), states, [&](Value i) { return filtered(code.sub(last, i)); },
        [&](Value i, Value y) { s.store(type, y, code.sub(last, i), column); });
  }

  const Signal &s;
  const Code &code;
  brain::SosFiltFiltOp op;
  brain::SectionsRef filter;
  VectorType type;
  Value channel, column, middle, tail;
  int64_t padding;
  Value first, end, last; ///< Tokens of the sequence.
};

LogicalResult lowerSosFiltFilt(SegmentLowering &segment, brain::SosFiltFiltOp op) {
  Signal s(segment, op, Value());
  auto filters = static_cast<int64_t>(op.getFilters());
  Type f64 = segment.builder().getF64Type();
  Value tokens = segment.rows(op.getLoc(), s.input);
  Value middle =
      segment.allocate(MemRefType::get({ShapedType::kDynamic, filters * s.channels}, f64), tokens);
  s.forBlocks(2 * kSectionWork * filters * op.getSections(), [&](Value sequence, Value channel,
                                                                 ArrayRef<VectorType> types) {
    int64_t lanes = segment.isa().lanes();
    s.code.stackScope([&] {
      Value tail = s.code.stackBuffer(std::max<int64_t>(int64_t(op.getPadding()), 1) * lanes, f64);
      for (int64_t f = 0; f < filters; ++f)
        ZeroPhase(s, op, brain::filterOf(op.getSos(), filters, f), types.front(), channel,
                  s.code.add(channel, f * s.channels), middle, tail)
            .emit(sequence);
    });
  });
  segment.report(op, "generated", "forward and backward along each sequence, in f64");
  return success();
}

//===--- Covariances --------------------------------------------------------------------------===//

/// Sums in f64 over the samples of each sequence; some rows of a matrix share what they read.
class Covariance {
public:
  Covariance(SegmentLowering &segment, brain::CovarianceOp op)
      : segment(segment), op(op), code{segment.builder(), op.getLoc()},
        channels(cast<RankedTensorType>(op.getInput().getType()).getDimSize(1)),
        input(segment.buffer(op.getInput())), out(segment.allocate(op.getResult())),
        sequences(segment.size(plx::SizeSymbol::Sequences)),
        begins(emit::loadBatch(code.builder, code.loc, segment.batch()).tokenBegin) {
    while (channels % rows)
      --rows;
  }

  void emit() {
    auto scratch = [&](ArrayRef<int64_t> row) {
      SmallVector<int64_t> shape{ShapedType::kDynamic};
      shape.append(row.begin(), row.end());
      return segment.allocate(MemRefType::get(shape, code.builder.getF64Type()), sequences);
    };
    sums = scratch({channels, channels});
    if (op.getCenter()) {
      means = scratch({channels});
      segment.emitParallel(kSamples * channels,
                           [&] { code.parallel(sequences, [&](Value s) { emitMean(s); }); });
    }
    segment.emitParallel(kSamples * rows * channels, [&] {
      code.parallel(code.mul(sequences, channels / rows), [&](Value item) {
        emitRows(code.div(item, channels / rows), code.mul(code.rem(item, channels / rows), rows));
      });
    });
    segment.emitParallel(2 * channels * channels,
                         [&] { code.parallel(sequences, [&](Value s) { finish(s); }); });
  }

private:
  static constexpr int64_t kSamples = 256; ///< Of a usual window: how much work an item is.

  VectorType wide(VectorType type) const {
    return code.vectorType(type.getNumElements(), code.builder.getF64Type());
  }
  Value border(Value number) const { return emit::loadI32(code.builder, code.loc, begins, number); }
  Value add(Value x, Value y) const { return code.make<arith::AddFOp>(x, y); }
  Value times(Value x, Value y) const { return code.make<arith::MulFOp>(x, y); }
  Value number(double value) const { return code.constant(code.builder.getF64Type(), value); }
  void eachPiece(llvm::function_ref<void(Value, VectorType)> body) const {
    code.pieces(channels, segment.isa().lanes() / 2, body);
  }

  /// 1 / samples of a sequence.
  Value inverse(Value sequence) const {
    Value count = code.sub(border(code.add(sequence, 1)), border(sequence));
    Value n = code.make<arith::SIToFPOp>(code.builder.getF64Type(), code.toI64(count));
    return code.make<arith::DivFOp>(number(1), n);
  }

  void emitMean(Value sequence) const {
    Value factor = inverse(sequence);
    eachPiece([&](Value channel, VectorType type) {
      Value zero = code.constant(wide(type), 0);
      Value sum = code.loop(border(sequence), border(code.add(sequence, 1)), 1, zero,
                            [&](Value token, ValueRange so) -> Code::Values {
                              Value x = code.loadVector(type, input, {token, channel});
                              return {add(so[0], code.make<arith::ExtFOp>(wide(type), x))};
                            })[0];
      Value each = code.make<vector::BroadcastOp>(wide(type), factor);
      code.storeVector(times(sum, each), means, {sequence, channel});
    });
  }

  void emitRows(Value sequence, Value first) const {
    eachPiece([&](Value column, VectorType type) {
      VectorType sumType = wide(type);
      Value mean = means ? code.loadVector(sumType, means, {sequence, column}) : Value();
      Code::Values start(rows, code.constant(sumType, 0)), own;
      for (int64_t r = 0; r < rows && means; ++r)
        own.push_back(code.loadScalar(means, {sequence, code.add(first, r)}));
      Code::Values made = code.loop(
          border(sequence), border(code.add(sequence, 1)), 1, start,
          [&](Value token, ValueRange so) -> Code::Values {
            Value x =
                code.make<arith::ExtFOp>(sumType, code.loadVector(type, input, {token, column}));
            if (mean)
              x = code.make<arith::SubFOp>(x, mean);
            Code::Values next;
            for (int64_t r = 0; r < rows; ++r) {
              Value y = code.make<arith::ExtFOp>(
                  code.builder.getF64Type(), code.loadScalar(input, {token, code.add(first, r)}));
              if (mean)
                y = code.make<arith::SubFOp>(y, own[r]);
              next.push_back(code.fma(code.make<vector::BroadcastOp>(sumType, y), x, so[r]));
            }
            return next;
          });
      for (int64_t r = 0; r < rows; ++r)
        code.storeVector(made[r], sums, {sequence, code.add(first, r), column});
    });
  }

  /// Divides by the number of samples, and moves towards the identity.
  void finish(Value sequence) {
    double w = op.getShrinkage().convertToDouble();
    Value factor = inverse(sequence);
    auto diagonal = [&](Value i) { return code.loadScalar(sums, {sequence, i, i}); };
    Value trace = code.loop(
        code.index(0), code.index(channels), 1, number(0),
        [&](Value i, ValueRange so) -> Code::Values { return {add(so[0], diagonal(i))}; })[0];
    Value more = times(trace, number(w / double(channels)));
    code.loop(0, channels, 1, [&](Value i) {
      eachPiece([&](Value column, VectorType type) {
        Value sum = code.loadVector(wide(type), sums, {sequence, i, column});
        Value shrunk = times(sum, code.constant(wide(type), 1 - w));
        shrunk = times(shrunk, code.make<vector::BroadcastOp>(wide(type), factor));
        code.storeVector(code.make<arith::TruncFOp>(type, shrunk), out, {sequence, i, column});
      });
      Value own = times(add(times(diagonal(i), number(1 - w)), more), factor);
      code.make<memref::StoreOp>(code.make<arith::TruncFOp>(code.builder.getF32Type(), own), out,
                                 ValueRange{sequence, i, i});
    });
  }

  SegmentLowering &segment;
  brain::CovarianceOp op;
  Code code;
  int64_t channels, rows = 4;
  Value input, out, sequences, begins, sums, means;
};

LogicalResult lowerCovariance(SegmentLowering &segment, brain::CovarianceOp op) {
  Covariance(segment, op).emit();
  segment.report(op, "generated", "rows of each matrix in registers, in f64");
  return success();
}

//===--- Logarithms of matrices ---------------------------------------------------------------===//

/// Jacobi's rotations on each matrix in f64, as the decomposition has them; those of elements that
/// are nothing beside their diagonal are left out. Vectors are rows here.
class MatrixLog {
public:
  MatrixLog(SegmentLowering &segment, brain::MatrixLogOp op)
      : segment(segment), op(op), code{segment.builder(), op.getLoc()},
        n(cast<RankedTensorType>(op.getInput().getType()).getDimSize(1)),
        input(segment.buffer(op.getInput())), rows(segment.rows(op.getLoc(), input)) {}

  void emit() {
    out = segment.allocateLike(op.getResult(), op.getInput());
    auto type = MemRefType::get({ShapedType::kDynamic, n, n}, code.builder.getF64Type());
    matrix = segment.allocate(type, rows);
    vectors = segment.allocate(type, rows);
    segment.emitParallel(4 * kSweeps * n * n * n,
                         [&] { code.parallel(rows, [&](Value row) { emitRow(row); }); });
  }

private:
  static constexpr int64_t kSweeps = 12; ///< Errors square in each.
  /// The square of what an element may be beside its diagonal.
  static constexpr double kNothing = 1e-36;

  void eachPiece(llvm::function_ref<void(Value, VectorType)> body) const {
    code.pieces(n, segment.isa().lanes() / 2, [&](Value at, VectorType type) {
      body(at, code.vectorType(type.getNumElements(), code.builder.getF64Type()));
    });
  }
  void eachLine(llvm::function_ref<void(Value)> body) const { code.loop(0, n, 1, body); }
  Value number(double value) const { return code.constant(code.builder.getF64Type(), value); }
  Value spread(VectorType type, Value scalar) const {
    return code.make<vector::BroadcastOp>(type, scalar);
  }

  void emitRow(Value row) {
    eachLine([&](Value i) {
      eachPiece([&](Value column, VectorType type) {
        auto narrow = VectorType::get(type.getShape(), code.builder.getF32Type());
        Value x = code.loadVector(narrow, input, {row, i, column});
        code.storeVector(code.make<arith::ExtFOp>(type, x), matrix, {row, i, column});
        code.storeVector(code.constant(type, 0), vectors, {row, i, column});
      });
      code.make<memref::StoreOp>(number(1), vectors, ValueRange{row, i, i});
    });
    code.loop(0, kSweeps, 1, [&](Value) {
      eachLine([&](Value p) {
        code.loop(code.add(p, 1), code.index(n), 1, [&](Value q) { rotate(row, p, q); });
      });
    });
    eachLine([&](Value i) { // logarithms in place of the eigenvalues
      ImplicitLocOpBuilder b(code.loc, code.builder);
      Number value(b, code.loadScalar(matrix, {row, i, i}));
      Number floor = value.constant(op.getFloor().convertToDouble());
      code.make<memref::StoreOp>(max(value, floor).apply<math::LogOp>().v, matrix,
                                 ValueRange{row, i, i});
    });
    eachLine([&](Value i) { finish(row, i); });
  }

  /// Makes element (p, q) zero.
  void rotate(Value row, Value p, Value q) {
    ImplicitLocOpBuilder b(code.loc, code.builder);
    auto at = [&](Value i, Value j) { return code.loadScalar(matrix, {row, i, j}); };
    Value element = at(p, q), first = at(p, p), second = at(q, q);
    Number off(b, element);
    Number beside = (off.of(first) * off.of(second)).apply<math::AbsFOp>();
    // NaN is turned too, and so spreads.
    Value turns = code.make<arith::CmpFOp>(arith::CmpFPredicate::UGT, (off * off).v,
                                           (beside * off.constant(kNothing)).v);
    code.ifThen(turns, [&] {
      auto [c, s] = angle(element, first, second);
      turn(c, s, row, p, q, matrix);
      eachLine([&](Value i) { // columns p and q
        ImplicitLocOpBuilder b(code.loc, code.builder);
        Number x(b, at(i, p)), y(b, at(i, q)), cos(b, c), sin(b, s);
        code.make<memref::StoreOp>((cos * x - sin * y).v, matrix, ValueRange{row, i, p});
        code.make<memref::StoreOp>((sin * x + cos * y).v, matrix, ValueRange{row, i, q});
      });
      turn(c, s, row, p, q, vectors);
    });
  }

  /// Cosine and sine of the rotation: the smaller root t of t^2 + 2 theta t - 1 is their tangent.
  std::pair<Value, Value> angle(Value element, Value first, Value second) const {
    ImplicitLocOpBuilder b(code.loc, code.builder);
    Number off(b, element), difference = off.of(second) - off.of(first), twice = off + off;
    Number root = (difference * difference + twice * twice).sqrt();
    Value negative =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, difference.v, off.constant(0).v);
    Number signedRoot =
        off.of(arith::SelectOp::create(b, negative, (off.constant(0) - root).v, root.v));
    Number t = twice / (difference + signedRoot);
    Number c = off.constant(1) / (t * t + off.constant(1)).sqrt();
    return {c.v, (t * c).v};
  }

  /// Lines p and q become c x - s y and s x + c y.
  void turn(Value c, Value s, Value row, Value p, Value q, Value memref) const {
    eachPiece([&](Value column, VectorType type) {
      Value x = code.loadVector(type, memref, {row, p, column}),
            y = code.loadVector(type, memref, {row, q, column});
      Value cos = spread(type, c), sin = spread(type, s), minus = code.make<arith::NegFOp>(sin);
      code.storeVector(code.fma(minus, y, code.make<arith::MulFOp>(cos, x)), memref,
                       {row, p, column});
      code.storeVector(code.fma(cos, y, code.make<arith::MulFOp>(sin, x)), memref,
                       {row, q, column});
    });
  }

  /// Row i of the result: the sum over eigenvalues of their logarithms times their vectors.
  void finish(Value row, Value i) {
    eachPiece([&](Value column, VectorType type) {
      Value zero = code.constant(type, 0);
      Value sum = code.loop(code.index(0), code.index(n), 1, zero,
                            [&](Value k, ValueRange so) -> Code::Values {
                              ImplicitLocOpBuilder b(code.loc, code.builder);
                              Number log(b, code.loadScalar(matrix, {row, k, k}));
                              Number own(b, code.loadScalar(vectors, {row, k, i}));
                              Value other = code.loadVector(type, vectors, {row, k, column});
                              return {code.fma(spread(type, (log * own).v), other, so[0])};
                            })[0];
      auto narrow = VectorType::get(type.getShape(), code.builder.getF32Type());
      code.storeVector(code.make<arith::TruncFOp>(narrow, sum), out, {row, i, column});
    });
  }

  SegmentLowering &segment;
  brain::MatrixLogOp op;
  Code code;
  int64_t n;
  Value input, rows, out, matrix, vectors;
};

LogicalResult lowerMatrixLog(SegmentLowering &segment, brain::MatrixLogOp op) {
  MatrixLog(segment, op).emit();
  segment.report(op, "generated", "rotations of rows in vectors, in f64");
  return success();
}

/// Samples are loaded as f32; a filter's sections and the extension fit registers and stack.
bool isF32(Operation *op) {
  return cast<RankedTensorType>(op->getOperand(0).getType()).getElementType().isF32();
}
bool takesFiltFilt(Operation *op) {
  constexpr int64_t kLongestOnStack = 1024;
  return isF32(op) &&
         static_cast<int64_t>(cast<brain::SosFiltFiltOp>(op).getPadding()) <= kLongestOnStack;
}

} // namespace

void addSignalHandlers(HandlerTable &table) {
  addHandler<brain::EmaStandardizeOp, lowerEma>(table, isF32);
  addHandler<brain::SosFilterOp, lowerSosFilter>(table, isF32);
  addHandler<brain::SosFiltFiltOp, lowerSosFiltFilt>(table, takesFiltFilt);
  addHandler<brain::CovarianceOp, lowerCovariance>(table, isF32);
  addHandler<brain::MatrixLogOp, lowerMatrixLog>(table, isF32);
}

} // namespace plexus::compiler
