//===- LowerKan.cpp - Kolmogorov-Arnold layers through their emitters -------------------------===//
// Handlers of the kan dialect. Ops on nodes have none: their decompositions are loops over rows.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/kan/KanFunctions.h"
#include "dialects/kan/KanOps.h"
#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Code.h"
#include "passes/lower/cpu/emit/KanLayer.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::KanFunctions;

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Activations and results in f32; coefficients also in a shorter type.
bool takesLayer(Operation *op) {
  for (Value value : op->getOperands()) {
    Type element = tensorType(value).getElementType();
    bool coefficients = tensorType(value).getRank() == 3 && op->getOperand(0) != value;
    if (!element.isF32() && !(coefficients && (element.isBF16() || element.isF16())))
      return false;
  }
  return tensorType(op->getResult(0)).getElementType().isF32() &&
         tensorType(op->getOperand(0)).getRank() >= 2;
}

/// Input and output of a layer as matrices, and the number of their rows.
struct Rows {
  Value x, out, count;
};

Rows rowsOf(SegmentLowering &segment, Location loc, Value input, Value result) {
  Rows rows;
  Value from = segment.buffer(input), to = segment.allocateLike(result, input);
  rows.count = segment.rows(loc, from);
  int64_t inner = 1;
  for (int64_t size : tensorType(input).getShape().drop_front().drop_back())
    inner *= size;
  if (inner != 1)
    rows.count = arith::MulIOp::create(segment.builder(), loc, rows.count,
                                       segment.indexConstant(loc, inner));
  rows.x = segment.asMatrix(loc, from);
  rows.out = segment.asMatrix(loc, to);
  return rows;
}

Value optionalBuffer(SegmentLowering &segment, Value tensor) {
  return tensor ? segment.buffer(tensor) : Value();
}

/// What the layers of basis functions have in common; `evaluate` is the difference.
template <typename Op>
LogicalResult lowerBasis(SegmentLowering &segment, Op op, emit::KanSpec spec, Value base,
                         const emit::KanEvaluate &evaluate, StringRef why) {
  Location loc = op.getLoc();
  Rows rows = rowsOf(segment, loc, op.getInput(), op.getResult());
  emit::KanOperands operands{rows.x,
                             rows.count,
                             segment.buffer(op.getCoef()),
                             optionalBuffer(segment, base),
                             optionalBuffer(segment, op.getBias()),
                             rows.out};
  int64_t work = spec.in * (spec.evaluated + 4) * std::min(spec.out, emit::KanSpec::kColumns);
  // More than one piece of work means many rows, or columns for which one row is enough.
  if (spec.columnPieces() == 1)
    work *= spec.tileRows();
  segment.emitParallel(work, [&] {
    emit::emitKanLayer(segment.builder(), loc, segment.isa(), spec, operands, evaluate);
  });
  segment.report(op, "generated", why);
  return success();
}

template <typename Op>
emit::KanSpec specOf(Op op) {
  ArrayRef<int64_t> shape = tensorType(op.getCoef()).getShape();
  emit::KanSpec spec;
  spec.in = shape[0];
  spec.functions = spec.evaluated = shape[1];
  spec.out = shape[2];
  return spec;
}

LogicalResult lowerBSpline(SegmentLowering &segment, kan::BSplineOp op) {
  emit::KanSpec spec = specOf(op);
  int64_t order = op.getOrder();
  spec.evaluated = order + 1;
  spec.window = true;
  Value grid = segment.buffer(op.getGrid());
  auto evaluate = [&, order](ImplicitLocOpBuilder &b, Value x, Value first) {
    KanFunctions made = emit::evaluateSplines(b, spec, order, op.getUniform(), grid, x, first);
    if (op.getBase())
      made.base = plx::buildActivation(b, op.getBaseFunction(), x);
    return made;
  };
  return lowerBasis(segment, op, spec, op.getBase(), evaluate,
                    "order + 1 splines of an input, evaluated inside the contraction");
}

LogicalResult lowerRbf(SegmentLowering &segment, kan::RbfOp op) {
  emit::KanSpec spec = specOf(op);
  Value centers = segment.buffer(op.getCenters());
  double inverse = 1.0 / op.getWidth().convertToDouble();
  auto evaluate = [&, inverse](ImplicitLocOpBuilder &b, Value x, Value) {
    emit::Code code{b, b.getLoc()};
    int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
    KanFunctions made;
    for (int64_t j = 0; j < spec.functions; ++j) {
      Value center = code.splat(lanes, code.loadScalar(centers, ValueRange{code.index(j)}));
      Value z = arith::MulFOp::create(b, arith::SubFOp::create(b, x, center),
                                      code.constant(x.getType(), inverse));
      made.values.push_back(kan::buildNodeFunction(b, "gaussian", z));
    }
    return made;
  };
  return lowerBasis(segment, op, spec, Value(), evaluate,
                    "Gaussians evaluated inside the contraction");
}

LogicalResult lowerChebyshev(SegmentLowering &segment, kan::ChebyshevOp op) {
  emit::KanSpec spec = specOf(op);
  auto evaluate = [&](ImplicitLocOpBuilder &b, Value x, Value) {
    emit::Code code{b, b.getLoc()};
    Value u = math::TanhOp::create(b, x), twice = arith::AddFOp::create(b, u, u);
    KanFunctions made;
    made.values = {code.constant(x.getType(), 1), u};
    while (static_cast<int64_t>(made.values.size()) < spec.functions) {
      auto last = made.values.end();
      made.values.push_back(
          arith::SubFOp::create(b, arith::MulFOp::create(b, twice, last[-1]), last[-2]));
    }
    made.values.resize(spec.functions);
    return made;
  };
  return lowerBasis(segment, op, spec, Value(), evaluate,
                    "polynomials evaluated inside the contraction");
}

LogicalResult lowerFourier(SegmentLowering &segment, kan::FourierOp op) {
  emit::KanSpec spec = specOf(op);
  auto evaluate = [&](ImplicitLocOpBuilder &b, Value x, Value) {
    emit::Code code{b, b.getLoc()};
    int64_t waves = spec.functions / 2;
    KanFunctions made;
    made.values.resize(spec.functions);
    for (int64_t k = 0; k < waves; ++k) {
      Value angle = arith::MulFOp::create(b, x, code.constant(x.getType(), k + 1));
      made.values[k] = math::CosOp::create(b, angle);
      made.values[waves + k] = math::SinOp::create(b, angle);
    }
    return made;
  };
  return lowerBasis(segment, op, spec, Value(), evaluate, "waves evaluated inside the contraction");
}

LogicalResult lowerWavelet(SegmentLowering &segment, kan::WaveletOp op) {
  Location loc = op.getLoc();
  ArrayRef<int64_t> shape = tensorType(op.getWeight()).getShape();
  Rows rows = rowsOf(segment, loc, op.getInput(), op.getResult());
  emit::WaveletOperands operands{rows.x,
                                 rows.count,
                                 segment.buffer(op.getTranslation()),
                                 segment.buffer(op.getScale()),
                                 segment.buffer(op.getWeight()),
                                 optionalBuffer(segment, op.getBase()),
                                 optionalBuffer(segment, op.getBias()),
                                 rows.out};
  constexpr int64_t kEdgeWork = 32;
  segment.emitParallel(kEdgeWork * shape[0] * segment.isa().lanes(), [&] {
    emit::emitWaveletLayer(segment.builder(), loc, segment.isa(), shape[0], shape[1], op.getKind(),
                           operands);
  });
  segment.report(op, "generated", "wavelets evaluated inside the sum, vectors of outputs");
  return success();
}

} // namespace

void addKanHandlers(HandlerTable &table) {
  addHandler<kan::BSplineOp, lowerBSpline>(table, takesLayer);
  addHandler<kan::RbfOp, lowerRbf>(table, takesLayer);
  addHandler<kan::ChebyshevOp, lowerChebyshev>(table, takesLayer);
  addHandler<kan::FourierOp, lowerFourier>(table, takesLayer);
  addHandler<kan::WaveletOp, lowerWavelet>(table, takesLayer);
}

} // namespace plexus::compiler
