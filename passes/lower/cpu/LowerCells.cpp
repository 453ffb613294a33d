//===- LowerCells.cpp - cells of recurrent networks -------------------------------------------===//
// Handlers of ssm.lstm, ssm.gru and ssm.rnn: all sequences of the batch take a step together, so
// that the product with h is one of few rows that streams its weight once.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/ssm/Cell.h"
#include "passes/lower/cpu/PackedProduct.h"
#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/Code.h"
#include <optional>

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

/// What a step of one sequence works on.
struct StepOf {
  Value sequence, token;
  Value entry;  ///< token whose carry_from holds for the step
  Value leave;  ///< token whose carry_to does
  Value enters; ///< i1: whether the state may be read at this step
  Value leaves; ///< i1: whether it may be written
};

class CellLowering {
public:
  CellLowering(SegmentLowering &segment, const ssm::Cell &cell)
      : segment(segment), cell(cell), loc(cell.op->getLoc()), code{segment.builder(), loc},
        lanes(segment.isa().lanes()), sequences(segment.size(plx::SizeSymbol::Sequences)),
        state(emit::loadCarry(code.builder, loc, segment.batch(), kvOf(cell.state))),
        memory(emit::loadCarry(code.builder, loc, segment.batch(), kvOf(cell.memory))),
        gates(segment.buffer(cell.gates)),
        out(segment.allocateLike(cell.op->getResult(0), cell.gates)), h(rows(cell.width)),
        sums(rows(cell.parts * cell.units)) {
    if (cell.bias)
      bias = segment.buffer(cell.bias);
    if (cell.initial)
      initial = segment.buffer(cell.initial);
    if (cell.hasMemory())
      c = rows(cell.units);
    if (cell.projection)
      raw = rows(cell.units), projected = rows(cell.width);
  }

  void emit() {
    PackedProduct recurrent(segment, loc, cell.weight, sequences);
    std::optional<PackedProduct> projection;
    if (cell.projection)
      projection.emplace(segment, loc, cell.projection, sequences);
    clear(h, initial);
    if (c)
      clear(c);
    code.loop(code.index(0), longest(), 1, [&](Value number) {
      forSteps(number, 4, [&](const StepOf &step) { enter(step); });
      recurrent.emit(h, sequences, sums);
      forSteps(number, 64 * cell.units, [&](const StepOf &step) { advance(step); });
      if (projection)
        projection->emit(raw, sequences, projected);
      forSteps(number, 4, [&](const StepOf &step) { finish(step); });
    });
  }

private:
  Value kvOf(Value carry) { return carry ? segment.scalars().lookup(carry) : Value(); }
  Value rows(int64_t width) {
    return segment.allocate(
        MemRefType::get({ShapedType::kDynamic, width}, code.builder.getF32Type()), sequences);
  }
  int64_t widthOf(Value memref) { return cast<MemRefType>(memref.getType()).getShape().back(); }
  Value border(Value sequence) {
    return emit::loadI32(code.builder, loc, state.batch.tokenBegin, sequence);
  }

  /// Row `sequence` of `memref` = the vector `from`, null for zeros.
  void fill(Value memref, Value sequence, Value from) {
    code.pieces(widthOf(memref), lanes, [&](Value column, VectorType type) {
      Value value = from ? code.loadVector(type, from, {column}) : code.constant(type, 0);
      code.storeVector(value, memref, {sequence, column});
    });
  }
  void clear(Value memref, Value from = {}) {
    code.loop(code.index(0), sequences, 1, [&](Value sequence) { fill(memref, sequence, from); });
  }

  /// Tokens of the longest sequence.
  Value longest() {
    return code
        .loop(code.index(0), sequences, 1, code.index(0),
              [&](Value sequence, ValueRange most) -> Code::Values {
                Value count = code.sub(border(code.add(sequence, 1)), border(sequence));
                return {code.max(most.front(), count)};
              })
        .front();
  }

  /// Calls `body` for the sequences that have a step `number`, in parallel.
  void forSteps(Value number, int64_t work, llvm::function_ref<void(const StepOf &)> body) {
    segment.emitParallel(work, [&] {
      code.parallel(sequences, [&](Value sequence) {
        Value begin = border(sequence), end = border(code.add(sequence, 1));
        Value count = code.sub(end, begin);
        code.ifThen(code.less(number, count), [&] {
          auto equal = [&](Value a, Value b) -> Value {
            return code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, a, b);
          };
          Value last = code.sub(end, code.index(1));
          if (cell.reverse) {
            body({sequence, code.sub(last, number), begin, last, equal(number, code.index(0)),
                  equal(code.add(number, 1), count)});
            return;
          }
          Value token = code.add(begin, number),
                always = code.constant(code.builder.getI1Type(), 1);
          body({sequence, token, token, token, always, always});
        });
      });
    });
  }

  void enter(const StepOf &step) {
    if (!cell.state)
      return;
    code.ifThen(step.enters, [&] {
      emit::loadCarryRow(code, state, step.entry, h, step.sequence, lanes);
      if (c)
        emit::loadCarryRow(code, memory, step.entry, c, step.sequence, lanes);
      if (!initial)
        return;
      Value number = emit::loadI32(code.builder, loc, state.batch.index, step.entry);
      code.ifThen(code.less(number, code.index(1)), [&] { fill(h, step.sequence, initial); });
    });
  }

  void advance(const StepOf &step) {
    code.pieces(cell.units, lanes, [&](Value unit, VectorType type) {
      Code::Values x, u;
      for (int64_t part = 0; part < cell.parts; ++part) {
        Value column = code.add(unit, part * cell.units);
        x.push_back(code.loadVector(type, gates, {step.token, column}));
        Value sum = code.loadVector(type, sums, {step.sequence, column});
        if (bias)
          sum = code.make<arith::AddFOp>(sum, code.loadVector(type, bias, {column}));
        u.push_back(sum);
      }
      Value last = raw ? Value() : code.loadVector(type, h, {step.sequence, unit});
      Value kept = c ? code.loadVector(type, c, {step.sequence, unit}) : Value();
      ImplicitLocOpBuilder b(loc, code.builder);
      ssm::Cell::Step made = cell.build(b, x, u, last, kept);
      code.storeVector(made.output, raw ? raw : h, {step.sequence, unit});
      if (c)
        code.storeVector(made.memory, c, {step.sequence, unit});
    });
  }

  void finish(const StepOf &step) {
    code.pieces(cell.width, lanes, [&](Value column, VectorType type) {
      Value value = code.loadVector(type, raw ? projected : h, {step.sequence, column});
      if (raw)
        code.storeVector(value, h, {step.sequence, column});
      code.storeVector(value, out, {step.token, column});
    });
    if (!cell.state)
      return;
    code.ifThen(step.leaves, [&] {
      emit::storeCarryRow(code, state, step.leave, h, step.sequence, lanes);
      if (c)
        emit::storeCarryRow(code, memory, step.leave, c, step.sequence, lanes);
    });
  }

  SegmentLowering &segment;
  const ssm::Cell &cell;
  Location loc;
  Code code;
  int64_t lanes;
  Value sequences;
  emit::CarryFields state, memory;
  Value gates, out, h, sums; ///< h [S, width], sums [S, parts * units]
  Value bias, c, initial;    ///< null where there is none
  Value raw, projected;      ///< before and behind the projection; null without one
};

template <typename Op>
LogicalResult lowerCell(SegmentLowering &segment, Op op) {
  ssm::Cell cell = *ssm::Cell::of(op);
  CellLowering(segment, cell).emit();
  segment.report(op, "generated",
                 "all sequences step together; the weight is streamed once a step");
  return success();
}

bool takesCell(Operation *op) {
  ssm::Cell cell = *ssm::Cell::of(op);
  auto isF32 = [](Value value) {
    return !value || cast<RankedTensorType>(value.getType()).getElementType().isF32();
  };
  bool packed = plx::getPacked(cell.weight.getType()) &&
                (!cell.projection || plx::getPacked(cell.projection.getType()));
  return packed && isF32(cell.gates) && isF32(cell.bias) && isF32(cell.initial);
}

} // namespace

void addCellHandlers(HandlerTable &table) {
  addHandler<ssm::LstmOp, lowerCell<ssm::LstmOp>>(table, takesCell);
  addHandler<ssm::GruOp, lowerCell<ssm::GruOp>>(table, takesCell);
  addHandler<ssm::RnnOp, lowerCell<ssm::RnnOp>>(table, takesCell);
}

} // namespace plexus::compiler
