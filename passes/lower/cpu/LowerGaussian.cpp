//===- LowerGaussian.cpp - filters and smoothers of linear-Gaussian state spaces --------------===//
// Handlers of ssm.kalman_filter, ssm.kalman_smoother and ssm.discriminative_filter: the equations
// of LinearGaussian.h over buffers, a sequence at a time.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/LinalgBuild.h"
#include "dialects/ssm/GaussianOperands.h"
#include "dialects/ssm/LinearGaussian.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/Matrices.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;
using emit::Matrices;
using Matrix = emit::StoredMatrix;
using Kind = Matrix::Kind;

/// A tensor's buffer as a matrix: its last two axes, or one as a row; `lead` before them.
Matrix matrixOf(SegmentLowering &segment, Value tensor, Code::Values lead = {}) {
  llvm::ArrayRef<int64_t> shape = cast<RankedTensorType>(tensor.getType()).getShape();
  shape = shape.drop_front(lead.size());
  return {Kind::Dense, segment.buffer(tensor),           lead,
          0,           shape.size() == 2 ? shape[0] : 1, shape.back()};
}
Matrix pairOf(SegmentLowering &segment, Value tensor) {
  llvm::ArrayRef<int64_t> shape = cast<RankedTensorType>(tensor.getType()).getShape();
  return {Kind::Pair, segment.buffer(tensor),           {},
          0,          shape.size() == 3 ? shape[1] : 1, shape.back()};
}

/// A belief in a buffer of f64: mean, then covariance, from `first` on.
ssm::Belief<Matrix> beliefIn(Value memref, Value lead, int64_t first, int64_t states) {
  return {{Kind::Flat, memref, {lead}, first, 1, states},
          {Kind::Flat, memref, {lead}, first + states, states, states}};
}

/// What the handlers share: a parallel loop over sequences, in which matrices are computed.
class GaussianLowering {
public:
  GaussianLowering(SegmentLowering &segment, Operation *op, Value state)
      : segment(segment), op(op), b(op->getLoc(), segment.builder()), code{b, op->getLoc()},
        sequences(segment.size(plx::SizeSymbol::Sequences)),
        fields(emit::loadCarry(segment.builder(), op->getLoc(), segment.batch(),
                               state ? segment.scalars().lookup(state) : Value())) {}

  void forSequences(llvm::function_ref<void(Matrices &, Value sequence)> body) {
    code.parallel(sequences, [&](Value sequence) {
      Operation *loop = b.getInsertionBlock()->getParentOp();
      auto allocate = [&](int64_t size) {
        OpBuilder::InsertionGuard guard(segment.builder());
        segment.builder().setInsertionPoint(loop);
        return segment.allocate(MemRefType::get({ShapedType::kDynamic, size}, b.getF64Type()),
                                sequences);
      };
      Matrices m(b, std::max<int64_t>(1, segment.isa().lanes() / 2), sequence, allocate);
      body(m, sequence);
    });
  }

  Value one() { return code.make<arith::ConstantOp>(b.getF64FloatAttr(1)); }
  /// i1: whether the state's first number says that a token was seen.
  Value begun(Matrices &m, const Matrix &state) {
    Value zero = code.make<arith::ConstantOp>(b.getF64FloatAttr(0));
    return code.make<arith::CmpFOp>(arith::CmpFPredicate::UNE,
                                    m.load(state, code.index(0), code.index(0)), zero);
  }
  void keep(Matrices &m, const ssm::Belief<Matrix> &from, const ssm::Belief<Matrix> &to) {
    m.copy(from.mean, to.mean);
    m.copy(from.covariance, to.covariance);
  }
  /// Writes a token's row of a result.
  void write(Matrices &m, const Matrix &value, Value result, Value token) {
    m.copy(value, matrixOf(segment, result, {token}));
  }

  SegmentLowering &segment;
  Operation *op;
  ImplicitLocOpBuilder b;
  Code code;
  Value sequences;
  emit::CarryFields fields;
};

using Filter = ssm::KalmanModel<Matrices>;

Filter filterOf(GaussianLowering &g, Matrices &m, const ssm::GaussianOperands &o) {
  Filter model(m);
  auto matrix = [&](Value tensor) { return matrixOf(g.segment, tensor); };
  model.transition = matrix(o.transition);
  model.noise = matrix(o.noise);
  model.whitener = pairOf(g.segment, o.whitener);
  model.readout = pairOf(g.segment, o.readout);
  model.information = pairOf(g.segment, o.information);
  if (o.offset)
    model.offset = matrix(o.offset);
  if (o.measurementOffset)
    model.measurementOffset = matrix(o.measurementOffset);
  model.prior = {matrix(o.mean), matrix(o.covariance)};
  // [2, 1]: a column of two numbers.
  Matrix pair = matrix(o.logDeterminant);
  Value zero = g.code.index(0);
  model.logDeterminant =
      g.code.make<arith::AddFOp>(m.load(pair, zero, zero), m.load(pair, g.code.index(1), zero));
  model.measurements = o.count;
  return model;
}

/// One step of the filter over the state [2 + n + n n] of `memref`.
struct FilterStep {
  ssm::Belief<Matrix> predicted, filtered;
  Matrix sum; ///< the log likelihood, [1, 1]
};
FilterStep stepFilter(GaussianLowering &g, Matrices &m, Filter &model,
                      const ssm::GaussianOperands &o, Value memref, Value sequence, Value token) {
  Matrix head{Kind::Flat, memref, {sequence}, 0, 1, ssm::kFilterHead};
  ssm::Belief<Matrix> kept = beliefIn(memref, sequence, ssm::kFilterHead, o.states);
  ssm::Belief<Matrix> predicted = model.select(g.begun(m, head), model.predict(kept), model.prior);
  Value seen = g.code.make<arith::ConstantOp>(g.b.getBoolAttr(true));
  if (o.observed) {
    Value flag = g.code.loadScalar(g.segment.buffer(o.observed), {token});
    Value none = g.code.make<arith::ConstantOp>(g.b.getI32IntegerAttr(0));
    seen = g.code.make<arith::CmpIOp>(arith::CmpIPredicate::ne, flag, none);
  }
  auto made = model.update(predicted, matrixOf(g.segment, o.measurements, {token}), seen);
  Value zero = g.code.index(0), one = g.code.index(1);
  Value sum = g.code.make<arith::AddFOp>(m.load(head, zero, one), made.logLikelihood);
  m.store(g.one(), head, zero, zero);
  m.store(sum, head, zero, one);
  g.keep(m, made.belief, kept);
  return {predicted, kept, {Kind::Flat, memref, {sequence}, 1, 1, 1}};
}

/// Elementary operations of a token: about ten products of the state's size, two of measurements.
int64_t workOf(const ssm::GaussianOperands &o) {
  return 10 * o.states * o.states * o.states + 3 * o.states * o.count + o.count * o.count;
}

LogicalResult lowerKalmanFilter(SegmentLowering &segment, ssm::KalmanFilterOp op) {
  auto o = ssm::GaussianOperands::of(op);
  for (Value result : op->getResults())
    segment.allocateLike(result, op.getMeasurements());
  GaussianLowering g(segment, op, op.getState());
  segment.emitParallel(workOf(o), [&] {
    g.forSequences([&](Matrices &m, Value sequence) {
      Filter model = filterOf(g, m, o);
      int64_t size = ssm::kFilterHead + ssm::beliefSize(o.states);
      Value state = m.fresh(1, size).memref;
      emit::forTokensInNumbers(m.code, g.fields, sequence, state, [&](Value token) {
        FilterStep made = stepFilter(g, m, model, o, state, sequence, token);
        g.write(m, made.predicted.mean, op.getPredictedMean(), token);
        g.write(m, made.predicted.covariance, op.getPredictedCovariance(), token);
        g.write(m, made.filtered.mean, op.getFilteredMean(), token);
        g.write(m, made.filtered.covariance, op.getFilteredCovariance(), token);
        g.write(m, made.sum, op.getLogLikelihood(), token);
      });
    });
  });
  segment.report(op, "generated", "in f64, systems of the state's size, one token after another");
  return success();
}

LogicalResult lowerKalmanSmoother(SegmentLowering &segment, ssm::KalmanSmootherOp op) {
  auto o = ssm::GaussianOperands::of(op);
  for (Value result : op->getResults())
    segment.allocateLike(result, op.getMeasurements());
  int64_t belief = ssm::beliefSize(o.states);
  GaussianLowering g(segment, op, {});
  Value kept = segment.allocate(MemRefType::get({ShapedType::kDynamic, belief}, g.b.getF64Type()),
                                segment.rows(op.getLoc(), segment.buffer(op.getMeasurements())));
  segment.emitParallel(2 * workOf(o), [&] {
    g.forSequences([&](Matrices &m, Value sequence) {
      Filter model = filterOf(g, m, o);
      Value state = m.fresh(1, ssm::kFilterHead + belief).memref;
      emit::forTokensInNumbers(m.code, g.fields, sequence, state, [&](Value token) {
        FilterStep made = stepFilter(g, m, model, o, state, sequence, token);
        g.keep(m, made.filtered, beliefIn(kept, token, 0, o.states));
      });
      // From the end; what was smoothed last lies after a number that says whether there is any.
      Value next = m.fresh(1, 1 + belief).memref;
      auto border = [&](Value number) {
        return emit::loadI32(g.b, op.getLoc(), g.fields.batch.tokenBegin, number);
      };
      Value begin = border(sequence), end = border(g.code.add(sequence, 1));
      Matrix head{Kind::Flat, next, {sequence}, 0, 1, 1};
      Value zero = g.code.index(0);
      m.store(g.code.make<arith::ConstantOp>(g.b.getF64FloatAttr(0)), head, zero, zero);
      g.keep(m, model.prior, beliefIn(next, sequence, 1, o.states));
      g.code.loop(begin, end, 1, [&](Value number) {
        Value token = g.code.sub(g.code.sub(g.code.add(end, begin), number), g.code.index(1));
        ssm::Belief<Matrix> here = beliefIn(kept, token, 0, o.states),
                            after = beliefIn(next, sequence, 1, o.states);
        Value follows = g.begun(m, head);
        auto made = model.smooth(here, after);
        g.keep(m, model.select(follows, made.belief, here), after);
        g.write(m, model.masked(follows, made.lag), op.getLagCovariance(), token);
        g.write(m, after.mean, op.getSmoothedMean(), token);
        g.write(m, after.covariance, op.getSmoothedCovariance(), token);
        m.store(g.one(), head, zero, zero);
      });
    });
  });
  segment.report(op, "generated", "in f64, filtered states kept for the way back");
  return success();
}

LogicalResult lowerDiscriminativeFilter(SegmentLowering &segment, ssm::DiscriminativeFilterOp op) {
  for (Value result : op->getResults())
    segment.allocateLike(result, op.getEstimates());
  int64_t n = cast<RankedTensorType>(op.getTransition().getType()).getDimSize(0);
  GaussianLowering g(segment, op, op.getState());
  segment.emitParallel(20 * n * n * n, [&] {
    g.forSequences([&](Matrices &m, Value sequence) {
      ssm::DiscriminativeModel<Matrices> model(m);
      model.transition = matrixOf(segment, op.getTransition());
      model.noise = matrixOf(segment, op.getNoise());
      Matrix prior = matrixOf(segment, op.getPrior());
      model.priorPrecision = model.inverse(prior);
      Value state = m.fresh(1, 1 + ssm::beliefSize(n)).memref;
      Matrix head{Kind::Flat, state, {sequence}, 0, 1, 1};
      ssm::Belief<Matrix> kept = beliefIn(state, sequence, 1, n);
      emit::forTokensInNumbers(m.code, g.fields, sequence, state, [&](Value token) {
        ssm::Belief<Matrix> first{model.zerosLike(kept.mean), prior};
        auto predicted = model.select(g.begun(m, head), model.predict(kept), first);
        bool rows = plx::rankOf(op.getUncertainty()) == 3;
        Matrix q =
            matrixOf(segment, op.getUncertainty(), rows ? Code::Values{token} : Code::Values{});
        auto made = model.update(predicted, matrixOf(segment, op.getEstimates(), {token}), q);
        g.keep(m, made, kept);
        m.store(g.one(), head, g.code.index(0), g.code.index(0));
        g.write(m, kept.mean, op.getFilteredMean(), token);
        g.write(m, kept.covariance, op.getFilteredCovariance(), token);
      });
    });
  });
  segment.report(op, "generated", "in f64, one token after another");
  return success();
}

/// Tensors are read as f32; others are decomposed.
bool allF32(Operation *op) {
  return llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || tensor.getElementType().isF32() || tensor.getElementType().isInteger(32);
  });
}

} // namespace

void addGaussianHandlers(HandlerTable &table) {
  addHandler<ssm::KalmanFilterOp, lowerKalmanFilter>(table, allF32);
  addHandler<ssm::KalmanSmootherOp, lowerKalmanSmoother>(table, allF32);
  addHandler<ssm::DiscriminativeFilterOp, lowerDiscriminativeFilter>(table, allF32);
}

} // namespace plexus::compiler
