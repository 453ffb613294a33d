//===- LowerBanks.cpp - layers picked by each row, and tokens around each token ---------------===//
// Handlers of brain.switched_linear, which multiplies neighbouring rows of one layer together, and
// of brain.context.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/brain/BrainOps.h"
#include "passes/lower/cpu/PackedProduct.h"
#include "passes/lower/cpu/emit/Batch.h"
#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/Code.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isF32(Value value) { return tensorType(value).getElementType().isF32(); }

//===--- SwitchedLinear -----------------------------------------------------------------------===//

class SwitchedLinear {
public:
  SwitchedLinear(SegmentLowering &segment, brain::SwitchedLinearOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        columns(static_cast<int64_t>(op.getColumns())), index(segment.buffer(op.getIndex())) {
    for (int64_t size : tensorType(op.getInput()).getShape().drop_front().drop_back())
      inner *= size;
    Value from = segment.buffer(op.getInput());
    tokens = segment.rows(loc, from);
    x = segment.asMatrix(loc, from);
    out = segment.asMatrix(loc, segment.allocateLike(op.getResult(), op.getInput()));
  }

  void emit() {
    auto parts = static_cast<int64_t>(op.getParts());
    Value rows = code.mul(tokens, inner);
    PackedProduct product(segment, loc, op.getWeight(), rows, parts);
    // Sequences come whole, so that neighbours are mostly of one layer: each run of them is one
    // product, of rows that lie where they lie.
    code.loop(code.index(0), tokens, 1, code.index(0),
              [&](Value token, ValueRange begin) -> Code::Values {
                Value next = code.add(token, 1);
                Value ends = endsRun(token, next);
                code.ifThen(ends, [&] {
                  Value first = code.mul(begin.front(), inner);
                  Value count = code.sub(code.mul(next, inner), first);
                  product.emit(from(x, first, count), count, from(out, first, count),
                               parts > 1 ? partOf(token) : Value());
                });
                return {code.select(ends, next, begin.front())};
              });
    if (op.getBias())
      addBias(rows);
  }

private:
  Value partOf(Value token) {
    Value part = code.toIndex(code.loadScalar(index, {token}));
    return code.min(code.max(part, code.index(0)),
                    code.index(static_cast<int64_t>(op.getParts()) - 1));
  }
  Value endsRun(Value token, Value next) {
    Type i1 = code.builder.getI1Type();
    return code
        .ifElse(
            code.less(next, tokens), i1,
            [&]() -> Code::Values {
              return {
                  code.make<arith::CmpIOp>(arith::CmpIPredicate::ne, partOf(token), partOf(next))};
            },
            [&]() -> Code::Values { return {code.constant(i1, 1)}; })
        .front();
  }
  Value from(Value memref, Value begin, Value count) {
    int64_t width = cast<MemRefType>(memref.getType()).getDimSize(1);
    OpBuilder &b = code.builder;
    return code.make<memref::SubViewOp>(
        memref, ArrayRef<OpFoldResult>{begin, b.getIndexAttr(0)},
        ArrayRef<OpFoldResult>{count, b.getIndexAttr(width)},
        ArrayRef<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
  }
  void addBias(Value rows) {
    Value bias = segment.buffer(op.getBias());
    segment.emitParallel(2 * columns, [&] {
      code.parallel(rows, [&](Value row) {
        Value part = partOf(code.div(row, inner));
        code.pieces(columns, segment.isa().lanes(), [&](Value column, VectorType type) {
          Value sum = code.make<arith::AddFOp>(code.loadVector(type, out, {row, column}),
                                               code.loadVector(type, bias, {part, column}));
          code.storeVector(sum, out, {row, column});
        });
      });
    });
  }

  SegmentLowering &segment;
  brain::SwitchedLinearOp op;
  Location loc;
  Code code;
  int64_t columns, inner = 1; ///< inner: rows of each token
  Value index, tokens, x, out;
};

LogicalResult lowerSwitchedLinear(SegmentLowering &segment, brain::SwitchedLinearOp op) {
  SwitchedLinear(segment, op).emit();
  segment.report(op, "generated", "one product for each run of rows of a layer");
  return success();
}

bool takesSwitchedLinear(Operation *op) {
  auto linear = cast<brain::SwitchedLinearOp>(op);
  int64_t rows = tensorType(linear.getWeight()).getDimSize(0) / linear.getParts();
  return plx::getPacked(linear.getWeight().getType()) && isF32(linear.getInput()) &&
         (!linear.getBias() || isF32(linear.getBias())) &&
         (linear.getParts() == 1 || rows % 64 == 0);
}

//===--- Context ------------------------------------------------------------------------------===//

LogicalResult lowerContext(SegmentLowering &segment, brain::ContextOp op) {
  Location loc = op.getLoc();
  Code code{segment.builder(), loc};
  Value x = segment.buffer(op.getInput()), tokens = segment.rows(loc, x);
  Value out = segment.allocateLike(op.getResult(), op.getInput());
  emit::BatchFields batch = emit::loadBatch(code.builder, loc, segment.batch());
  auto taps = static_cast<int64_t>(op.getTaps()), dilation = static_cast<int64_t>(op.getDilation());
  int64_t width = tensorType(op.getInput()).getDimSize(1), lanes = segment.isa().lanes();
  auto load = [&](Value array, Value at) { return emit::loadI32(code.builder, loc, array, at); };
  segment.emitParallel(2 * taps * width, [&] {
    code.parallel(tokens, [&](Value token) {
      Value sequence = load(batch.sequence, token), begin = load(batch.tokenBegin, sequence),
            end = load(batch.tokenBegin, code.add(sequence, 1));
      for (int64_t tap = 0; tap < taps; ++tap) {
        Value place = code.add(token, tap * dilation - static_cast<int64_t>(op.getBefore()));
        auto put = [&](bool there) {
          code.pieces(width, lanes, [&](Value column, VectorType type) {
            Value value =
                there ? code.loadVector(type, x, {place, column}) : code.constant(type, 0);
            code.storeVector(value, out, {token, code.add(column, tap * width)});
          });
        };
        Value within =
            code.make<arith::AndIOp>(code.less(place, end), code.less(code.add(begin, -1), place));
        code.ifElse(within, [&] { put(true); }, [&] { put(false); });
      }
    });
  });
  segment.report(op, "generated", "rows copied beside each other");
  return success();
}

bool takesContext(Operation *op) { return isF32(cast<brain::ContextOp>(op).getInput()); }

} // namespace

void addBankHandlers(HandlerTable &table) {
  addHandler<brain::SwitchedLinearOp, lowerSwitchedLinear>(table, takesSwitchedLinear);
  addHandler<brain::ContextOp, lowerContext>(table, takesContext);
}

} // namespace plexus::compiler
