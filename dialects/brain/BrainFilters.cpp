// Filters of second-order sections: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/brain/Sections.h"
#include "dialects/brain/WideState.h"
#include "dialects/plx/Verify.h"
#include "dialects/ssm/Recurrence.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;
using ssm::Number;

using Values = FailureOr<SmallVector<Value>>;

//===--- Shapes and checks --------------------------------------------------------------------===//

static int64_t columnsOf(Value rows) {
  return cast<RankedTensorType>(rows.getType()).getDimSize(1);
}

static LogicalResult inferBank(Value input, int64_t filters, SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(input.getType());
  if (!type || type.getRank() != 2)
    return failure();
  types.push_back(RankedTensorType::get({type.getDimSize(0), type.getDimSize(1) * filters},
                                        type.getElementType()));
  return success();
}

LogicalResult SosFilterOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  return inferBank(adaptor.getInput(), adaptor.getFilters(), types);
}

LogicalResult SosFiltFiltOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBank(adaptor.getInput(), adaptor.getFilters(), types);
}

/// Checks a bank over `input`.
static LogicalResult verifyBank(Operation *op, Value input, ArrayRef<double> sos, int64_t filters) {
  if (failed(verifyRows(op, "input", input)) || failed(verifyMinRank(op, "input", input, 2)))
    return failure();
  if (filters < 1)
    return op->emitOpError("'filters' must be positive, found ") << filters;
  int64_t size = static_cast<int64_t>(sos.size());
  if (size == 0 || size % (kSectionSize * filters))
    return op->emitOpError("'sos' has ")
           << size << " numbers, expected " << kSectionSize << " a section, as many sections for "
           << "each of " << filters << " filters";
  for (auto [i, value] : llvm::enumerate(sos)) {
    if (!std::isfinite(value))
      return op->emitOpError("'sos' must be finite, number ") << i << " is not";
    if (i % kSectionSize == 3 && value != 1)
      return op->emitOpError("'sos' has a0 = ") << value << " in section " << i / kSectionSize
                                                << ", expected 1: divide the section by it";
  }
  return success();
}

LogicalResult SosFilterOp::verify() {
  if (failed(verifyBank(*this, getInput(), getSos(), getFilters())))
    return failure();
  int64_t rows = 2 * getSections() + getSteady();
  return verifyCarry(*this, "state", getState(), {rows, columnsOf(getResult()), 2});
}

LogicalResult SosFiltFiltOp::verify() {
  if (failed(verifyBank(*this, getInput(), getSos(), getFilters())))
    return failure();
  return verifyTokenCount(*this, "padding", getPadding());
}

//===--- Banks over one sample ----------------------------------------------------------------===//

namespace {

/// A bank over samples [channels]: states are f64 vectors [channels], filter by filter, two for
/// each section.
struct Bank {
  ArrayRef<double> sos;
  int64_t filters, channels;

  int64_t statesEach() const {
    return 2 * static_cast<int64_t>(sos.size()) / (kSectionSize * filters);
  }
  SectionsRef filter(int64_t f) const { return filterOf(sos, filters, f); }

  /// Replaces `states` (of all filters); returns the filtered samples, one a filter. `inputs` has
  /// one vector for all filters or one for each.
  SmallVector<Value> step(ImplicitLocOpBuilder &b, ValueRange inputs,
                          SmallVectorImpl<Value> &states) const {
    SmallVector<Value> filtered;
    for (int64_t f = 0; f < filters; ++f) {
      Value x = inputs[inputs.size() == 1 ? 0 : f];
      for (int64_t s = 0; s < statesEach() / 2; ++s) {
        Value &first = states[f * statesEach() + 2 * s],
              &second = states[f * statesEach() + 2 * s + 1];
        SectionsRef section = filter(f).slice(s * kSectionSize, kSectionSize);
        // 0: the filtered sample, 1 and 2: the next states.
        auto part = [&](int64_t which) {
          return mapWide(b, {x, first, second}, [&](ImplicitLocOpBuilder &b, ValueRange v) {
            SmallVector<Value> next{v[1], v[2]};
            Value y = buildCascade(b, section, v[0], next);
            return which == 0 ? y : next[which - 1];
          });
        };
        Value y = part(0), nextFirst = part(1);
        second = part(2);
        first = nextFirst;
        x = y;
      }
      filtered.push_back(x);
    }
    return filtered;
  }

  /// The states that endless `inputs` would have left.
  SmallVector<Value> steady(ImplicitLocOpBuilder &b, ValueRange inputs) const {
    SmallVector<Value> states;
    for (int64_t f = 0; f < filters; ++f)
      for (double factor : steadyStates(filter(f)))
        states.push_back(mapWide(b, inputs[inputs.size() == 1 ? 0 : f],
                                 [&](ImplicitLocOpBuilder &b, ValueRange v) {
                                   Number x(b, v[0]);
                                   return (x * x.constant(factor)).v;
                                 }));
    return states;
  }

  /// `condition` (f64 vectors, not 0) ? yes : no, one by one.
  static SmallVector<Value> choose(ImplicitLocOpBuilder &b, Value condition, ValueRange yes,
                                   ValueRange no) {
    SmallVector<Value> chosen;
    for (auto [one, other] : llvm::zip(yes, no))
      chosen.push_back(
          mapWide(b, {condition, one, other}, [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
            Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, v[0],
                                                 Number(b, v[0]).constant(0).v);
            return arith::SelectOp::create(b, isZero, v[2], v[1]);
          }));
    return chosen;
  }

  /// Rows of a state tensor [statesEach, filters * channels] as vectors, and back.
  SmallVector<Value> split(ImplicitLocOpBuilder &b, Value state) const {
    auto index = [&](int64_t value) -> OpFoldResult { return b.getIndexAttr(value); };
    auto vector = RankedTensorType::get({channels}, b.getF64Type());
    SmallVector<Value> states;
    for (int64_t f = 0; f < filters; ++f)
      for (int64_t row = 0; row < statesEach(); ++row)
        states.push_back(tensor::ExtractSliceOp::create(
            b, vector, state, SmallVector<OpFoldResult>{index(row), index(f * channels)},
            SmallVector<OpFoldResult>{index(1), index(channels)},
            SmallVector<OpFoldResult>{index(1), index(1)}));
    return states;
  }
  SmallVector<Value> joinStates(ImplicitLocOpBuilder &b, ValueRange states) const {
    SmallVector<Value> rows;
    for (int64_t row = 0; row < statesEach(); ++row) {
      SmallVector<Value> parts;
      for (int64_t f = 0; f < filters; ++f)
        parts.push_back(states[f * statesEach() + row]);
      rows.push_back(join(b, parts));
    }
    return rows;
  }
  /// [filters * channels] of one vector a filter.
  Value join(ImplicitLocOpBuilder &b, ValueRange parts) const {
    Value whole = tensor::EmptyOp::create(b, {filters * channels}, b.getF64Type());
    SmallVector<OpFoldResult> size{b.getIndexAttr(channels)}, unit{b.getIndexAttr(1)};
    for (auto [f, part] : llvm::enumerate(parts)) {
      SmallVector<OpFoldResult> at{b.getIndexAttr(static_cast<int64_t>(f) * channels)};
      whole = tensor::InsertSliceOp::create(b, part, whole, at, size, unit);
    }
    return whole;
  }
};

} // namespace

//===--- Causal -------------------------------------------------------------------------------===//

Values SosFilterOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  auto type = cast<RankedTensorType>(getType());
  Bank bank{getSos(), static_cast<int64_t>(getFilters()), columnsOf(getInput())};
  int64_t rows = bank.statesEach() + getSteady();
  auto carried = RankedTensorType::get({rows, type.getDimSize(1), 2}, b.getF32Type());
  ssm::Recurrence recurrence{getBatch(), {getState()}, {carried}, {type}};
  return ssm::buildRecurrence(
      b, ssm::rowCount(b, getInput()), recurrence,
      [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
        Value state = unpackState(b, carried[0]), x = ssm::rowAt(b, getInput(), token);
        SmallVector<Value> states = bank.split(b, state), next;
        if (getSteady()) {
          Value flags = ssm::rowAt(b, state, indexConstant(b, bank.statesEach()));
          Value flag = tensor::ExtractSliceOp::create(
              b, RankedTensorType::get({bank.channels}, b.getF64Type()), flags,
              SmallVector<OpFoldResult>{b.getIndexAttr(0)},
              SmallVector<OpFoldResult>{b.getIndexAttr(bank.channels)},
              SmallVector<OpFoldResult>{b.getIndexAttr(1)});
          states = Bank::choose(b, flag, states, bank.steady(b, x));
        }
        Value y = bank.join(b, bank.step(b, x, states));
        next = bank.joinStates(b, states);
        if (getSteady())
          next.push_back(mapWide(b, next[0], [](ImplicitLocOpBuilder &b, ValueRange v) {
            return Number(b, v[0]).constant(1).v;
          }));
        return {packState(b, next), narrow(b, y, type.getElementType())};
      });
}

//===--- Zero phase ---------------------------------------------------------------------------===//

namespace {

/// The two passes over whole sequences. What a sequence's border adds are loops that other samples
/// run no times.
struct ZeroPhase {
  mutable SosFiltFiltOp op; ///< Its accessors are not const.
  Bank bank;
  Value tokenBegin, sequenceOf;

  ZeroPhase(ImplicitLocOpBuilder &b, SosFiltFiltOp op)
      : op(op), bank{op.getSos(), static_cast<int64_t>(op.getFilters()), columnsOf(op.getInput())},
        tokenBegin(batchField(b, BatchField::TokenBegin, op.getBatch())),
        sequenceOf(batchField(b, BatchField::Sequence, op.getBatch())) {}

  static Value integerAt(ImplicitLocOpBuilder &b, Value array, Value place) {
    return toIndex(b, tensor::ExtractOp::create(b, array, place));
  }
  Value sampleAt(ImplicitLocOpBuilder &b, Value token) const {
    Value row = ssm::rowAt(b, op.getInput(), token);
    return mapWide(b, row, [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  }

  /// A sequence's first and last token.
  struct Ends {
    Value first, last;
  };
  Ends endsAt(ImplicitLocOpBuilder &b, Value token) const {
    Value sequence = integerAt(b, sequenceOf, token), one = indexConstant(b, 1);
    Value end = integerAt(b, tokenBegin, arith::AddIOp::create(b, sequence, one));
    return {integerAt(b, tokenBegin, sequence), arith::SubIOp::create(b, end, one)};
  }

  /// The sample `inwards` places beyond the end `border`; `inner` lies as far on the other side.
  Value beyond(ImplicitLocOpBuilder &b, Value border, Value inner) const {
    Value edge = sampleAt(b, border);
    if (op.getExtension() == Extension::Constant)
      return edge;
    Value mirrored = sampleAt(b, inner);
    if (op.getExtension() == Extension::Even)
      return mirrored;
    return mapWide(b, {edge, mirrored}, [](ImplicitLocOpBuilder &b, ValueRange v) {
      Number x(b, v[0]);
      return (x + x - Number(b, v[1])).v;
    });
  }
  /// Sample `i` of the extension in front of a sequence, 0 the outermost one.
  Value before(ImplicitLocOpBuilder &b, const Ends &ends, Value i) const {
    Value distance = arith::SubIOp::create(b, indexConstant(b, op.getPadding()), i);
    Value inner = arith::AddIOp::create(b, ends.first, distance);
    return beyond(b, ends.first, arith::MinSIOp::create(b, inner, ends.last));
  }
  /// Sample `i` of the extension behind it.
  Value behind(ImplicitLocOpBuilder &b, const Ends &ends, Value i) const {
    Value distance = arith::AddIOp::create(b, i, indexConstant(b, 1));
    Value inner = arith::SubIOp::create(b, ends.last, distance);
    return beyond(b, ends.last, arith::MaxSIOp::create(b, inner, ends.first));
  }

  /// A vector of ones or zeros: whether `token` is `border`; and the padding there, 0 elsewhere.
  struct Border {
    Value flag, count;
  };
  Border borderAt(ImplicitLocOpBuilder &b, Value token, Value border) const {
    Value is = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, token, border);
    Value count =
        arith::SelectOp::create(b, is, indexConstant(b, op.getPadding()), indexConstant(b, 0));
    Value number = arith::UIToFPOp::create(b, b.getF64Type(), is);
    SmallVector<OpFoldResult> sizes{b.getIndexAttr(bank.channels)};
    Value flag = mapElements(b, sizes, b.getF64Type(), {}, {},
                             [&](ImplicitLocOpBuilder &, ValueRange) { return number; });
    return {flag, count};
  }

  /// A loop of `count` steps over `values`.
  static SmallVector<Value> repeat(ImplicitLocOpBuilder &b, Value count, ValueRange values,
                                   ssm::RecurrenceStep step) {
    auto loop = scf::ForOp::create(b, indexConstant(b, 0), count, indexConstant(b, 1), values,
                                   [&](OpBuilder &inner, Location loc, Value i, ValueRange last) {
                                     ImplicitLocOpBuilder nested(loc, inner);
                                     scf::YieldOp::create(nested, step(nested, i, last));
                                   });
    return llvm::to_vector_of<Value>(loop.getResults());
  }

  /// Forward: the filtered samples, and the states behind each, rows of f64.
  SmallVector<Value> forward(ImplicitLocOpBuilder &b) const {
    int64_t columns = bank.filters * bank.channels;
    Type f64 = b.getF64Type();
    auto carried = RankedTensorType::get({bank.statesEach(), columns, 2}, b.getF32Type());
    int64_t rows = cast<RankedTensorType>(op.getType()).getDimSize(0);
    ssm::Recurrence recurrence{
        op.getBatch(),
        {Value()},
        {carried},
        {RankedTensorType::get({rows, columns}, f64),
         RankedTensorType::get({rows, bank.statesEach(), columns, 2}, b.getF32Type())}};
    return ssm::buildRecurrence(
        b, ssm::rowCount(b, op.getInput()), recurrence,
        [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
          Ends ends = endsAt(b, token);
          Border border = borderAt(b, token, ends.first);
          Value outermost =
              op.getPadding() ? before(b, ends, indexConstant(b, 0)) : sampleAt(b, ends.first);
          SmallVector<Value> states = Bank::choose(b, border.flag, bank.steady(b, outermost),
                                                   bank.split(b, unpackState(b, carried[0])));
          states = repeat(b, border.count, states,
                          [&](ImplicitLocOpBuilder &b, Value i, ValueRange last) {
                            SmallVector<Value> next(last);
                            bank.step(b, before(b, ends, i), next);
                            return next;
                          });
          Value y = bank.join(b, bank.step(b, sampleAt(b, token), states));
          Value packed = packState(b, bank.joinStates(b, states));
          return {packed, y, packed};
        });
  }

  /// Parts [filters] of a row [filters * channels].
  SmallVector<Value> partsOf(ImplicitLocOpBuilder &b, Value row) const {
    SmallVector<Value> parts;
    for (int64_t f = 0; f < bank.filters; ++f)
      parts.push_back(tensor::ExtractSliceOp::create(
          b, RankedTensorType::get({bank.channels}, b.getF64Type()), row,
          SmallVector<OpFoldResult>{b.getIndexAttr(f * bank.channels)},
          SmallVector<OpFoldResult>{b.getIndexAttr(bank.channels)},
          SmallVector<OpFoldResult>{b.getIndexAttr(1)}));
    return parts;
  }

  /// The states with which the backward pass reaches a sequence's last token: from the forward
  /// states there on through the extension, then back over what that gave.
  SmallVector<Value> turn(ImplicitLocOpBuilder &b, const Ends &ends, Value count, Value rows,
                          Value states) const {
    int64_t columns = bank.filters * bank.channels;
    if (op.getPadding() == 0)
      return bank.steady(b, partsOf(b, ssm::rowAt(b, rows, ends.last)));
    Value tail = tensor::EmptyOp::create(b, ArrayRef<int64_t>{int64_t(op.getPadding()), columns},
                                         b.getF64Type());
    SmallVector<Value> values = bank.split(b, unpackState(b, ssm::rowAt(b, states, ends.last)));
    values.push_back(tail);
    SmallVector<OpFoldResult> size{b.getIndexAttr(1), b.getIndexAttr(columns)},
        unit(2, b.getIndexAttr(1));
    values = repeat(b, count, values, [&](ImplicitLocOpBuilder &b, Value i, ValueRange last) {
      SmallVector<Value> next(last.drop_back());
      Value y = bank.join(b, bank.step(b, behind(b, ends, i), next));
      SmallVector<OpFoldResult> at{i, b.getIndexAttr(0)};
      next.push_back(tensor::InsertSliceOp::create(b, y, last.back(), at, size, unit));
      return next;
    });
    tail = values.back();
    auto tailAt = [&](ImplicitLocOpBuilder &b, Value i) {
      Value place = arith::SubIOp::create(b, indexConstant(b, op.getPadding() - 1), i);
      return partsOf(b, ssm::rowAt(b, tail, place));
    };
    SmallVector<Value> start = bank.steady(b, tailAt(b, indexConstant(b, 0)));
    return repeat(b, count, start, [&](ImplicitLocOpBuilder &b, Value i, ValueRange last) {
      SmallVector<Value> next(last);
      bank.step(b, tailAt(b, i), next);
      return next;
    });
  }

  SmallVector<Value> backward(ImplicitLocOpBuilder &b, Value rows, Value states) const {
    auto type = cast<RankedTensorType>(op.getType());
    auto carried =
        RankedTensorType::get({bank.statesEach(), type.getDimSize(1), 2}, b.getF32Type());
    ssm::Recurrence recurrence{op.getBatch(), {Value()}, {carried}, {type}, /*reverse=*/true};
    return ssm::buildRecurrence(
        b, ssm::rowCount(b, op.getInput()), recurrence,
        [&](ImplicitLocOpBuilder &b, Value token, ValueRange carried) -> SmallVector<Value> {
          Ends ends = endsAt(b, token);
          Border border = borderAt(b, token, ends.last);
          SmallVector<Value> next =
              Bank::choose(b, border.flag, turn(b, ends, border.count, rows, states),
                           bank.split(b, unpackState(b, carried[0])));
          Value y = bank.join(b, bank.step(b, partsOf(b, ssm::rowAt(b, rows, token)), next));
          return {packState(b, bank.joinStates(b, next)), narrow(b, y, type.getElementType())};
        });
  }
};

} // namespace

Values SosFiltFiltOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  ZeroPhase passes(b, *this);
  SmallVector<Value> made = passes.forward(b);
  return passes.backward(b, made[0], made[1]);
}
