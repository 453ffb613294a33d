// Running norms and times: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/brain/WideState.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Number.h"
#include "dialects/ssm/Recurrence.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;
using ssm::Number;

using Values = FailureOr<SmallVector<Value>>;

static int64_t columnsOf(Value rows) {
  return cast<RankedTensorType>(rows.getType()).getDimSize(1);
}

/// Checks that `input` is rows of the batch with a static width.
static LogicalResult verifySignal(Operation *op, Value input) {
  if (failed(verifyRows(op, "input", input)))
    return failure();
  return verifyMinRank(op, "input", input, 2);
}

//===--- Running norm -------------------------------------------------------------------------===//

LogicalResult EmaStandardizeOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult EmaStandardizeOp::verify() {
  if (failed(verifySignal(*this, getInput())))
    return failure();
  double alpha = getAlpha().convertToDouble(), eps = getEps().convertToDouble();
  if (!(alpha > 0 && alpha <= 1))
    return emitOpError("'alpha' must be above 0 and at most 1, found ") << alpha;
  if (!(eps >= 0) || !getEps().isFinite())
    return emitOpError("'eps' must be finite and not negative, found ") << eps;
  return verifyCarry(*this, "state", getState(), {3, columnsOf(getInput()), 2});
}

/// Mean, variance and 1 after a sample, then the sample standardised.
static SmallVector<Value> emaStep(ImplicitLocOpBuilder &b, EmaStandardizeOp op, Value x,
                                  ValueRange last) {
  double alpha = op.getAlpha().convertToDouble(), eps = op.getEps().convertToDouble();
  auto started = [](Number flag, Number yes, Number no) {
    Value isZero =
        arith::CmpFOp::create(flag.code(), arith::CmpFPredicate::OEQ, flag.v, flag.constant(0).v);
    return flag.of(arith::SelectOp::create(flag.code(), isZero, no.v, yes.v));
  };
  Value mean = mapWide(b, {x, last[0], last[2]}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
    Number x(b, v[0]), m(b, v[1]);
    Number before = started(Number(b, v[2]), m, x);
    return (x.constant(alpha) * x + x.constant(1 - alpha) * before).v;
  });
  Value variance =
      mapWide(b, {x, mean, last[1], last[2]}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
        Number d = Number(b, v[0]) - Number(b, v[1]), before(b, v[2]);
        before = started(Number(b, v[3]), before, d.constant(1));
        return (d.constant(alpha) * (d * d) + d.constant(1 - alpha) * before).v;
      });
  Value flag = mapWide(b, {last[2]}, [](ImplicitLocOpBuilder &b, ValueRange v) {
    return Number(b, v[0]).constant(1).v;
  });
  Value y = mapWide(b, {x, mean, variance}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
    Number d = Number(b, v[0]) - Number(b, v[1]);
    return (d / max(d.constant(eps), Number(b, v[2]).sqrt())).v;
  });
  return {mean, variance, flag, y};
}

Values EmaStandardizeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  auto type = cast<RankedTensorType>(getType());
  ssm::Recurrence recurrence{getBatch(),
                             {getState()},
                             {RankedTensorType::get({3, type.getDimSize(1), 2}, b.getF32Type())},
                             {type}};
  return ssm::buildRecurrence(
      b, ssm::rowCount(b, getInput()), recurrence,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
        Value state = unpackState(b, carried[0]);
        SmallVector<Value> last;
        for (int64_t row = 0; row < 3; ++row)
          last.push_back(ssm::rowAt(b, state, indexConstant(b, row)));
        auto made = emaStep(b, *this, ssm::rowAt(b, getInput(), token), last);
        return {packState(b, {made[0], made[1], made[2]}),
                narrow(b, made[3], type.getElementType())};
      });
}

//===--- Times --------------------------------------------------------------------------------===//

LogicalResult TimesOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, Adaptor,
                                        SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get({ShapedType::kDynamic}, Float32Type::get(context)));
  return success();
}

plx::SizeSymbol TimesOp::getResultRows(unsigned) { return plx::SizeSymbol::Tokens; }

Values TimesOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  Value positions = batchField(b, BatchField::Position, getBatch());
  return SmallVector<Value>{
      mapElements(b, sizesOf(b, positions), b.getF32Type(), positions, rangeMap(b, 1, 0, 1),
                  [&](ImplicitLocOpBuilder &b, ValueRange v) {
                    Number p(b, arith::SIToFPOp::create(b, b.getF64Type(), v[0]));
                    return (p * p.constant(getStep().convertToDouble()) +
                            p.constant(getStart().convertToDouble()))
                        .v;
                  })};
}
