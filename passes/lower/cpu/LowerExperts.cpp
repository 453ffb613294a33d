//===- LowerExperts.cpp - mixtures of experts, grouped by expert ------------------------------===//
// Handler of plx.moe: rows are gathered by expert, each expert multiplies its own in one go.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/plx/Activations.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/lower/cpu/PackedProduct.h"
#include "passes/lower/cpu/emit/Code.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

/// Which rows of the gathered buffers belong to which expert and token.
struct Groups {
  Value begins; ///< [E + 1] i32: first gathered row of each expert
  Value tokens; ///< [T k] i32: token of each gathered row
  Value places; ///< [T, E] i32: gathered row of a token's expert, -1 where it does not go there
};

class Experts {
public:
  Experts(SegmentLowering &segment, plx::MoeOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        experts(op.getNumExperts()), hidden(op.getHidden()),
        columns(cast<RankedTensorType>(op.getType()).getShape().back()),
        x(segment.buffer(op.getInput())), routes(segment.buffer(op.getRoutes())),
        tokens(segment.rows(loc, x)), most(code.mul(tokens, op.getTopK())) {}

  void emit() {
    PackedProduct gateUp(segment, loc, op.getGateUp(), most, experts);
    PackedProduct down(segment, loc, op.getDown(), most, experts);
    Groups groups = emitGroups();
    Value total = at(groups.begins, {code.index(experts)});
    Value inputs = rowsOf(columns), sums = rowsOf(2 * hidden), units = rowsOf(hidden),
          outputs = rowsOf(columns);
    emitGather(groups, total, inputs);
    emitProducts(groups, gateUp, inputs, sums);
    emitUnits(sums, units, total);
    emitProducts(groups, down, units, outputs);
    emitSums(groups, outputs, segment.allocateLike(op.getResult(), op.getInput()));
  }

private:
  Value integers(ArrayRef<int64_t> shape, ValueRange sizes) {
    return segment.allocate(MemRefType::get(shape, code.builder.getI32Type()), sizes);
  }
  Value rowsOf(int64_t width) {
    auto type = MemRefType::get({ShapedType::kDynamic, width}, code.builder.getF32Type());
    return segment.allocate(type, most);
  }
  Value at(Value memref, ValueRange indices) {
    return code.toIndex(code.loadScalar(memref, indices));
  }
  void put(Value index, Value memref, ValueRange indices) {
    code.make<memref::StoreOp>(code.toI32(index), memref, indices);
  }
  Value zero() { return code.constant(code.builder.getF32Type(), 0); }
  Value isRouted(Value weight) {
    return code.make<arith::CmpFOp>(arith::CmpFPredicate::UNE, weight, zero());
  }
  /// The rows [begin, ..) of a buffer.
  Value from(Value memref, Value begin) {
    int64_t width = cast<MemRefType>(memref.getType()).getDimSize(1);
    auto &b = code.builder;
    return code.make<memref::SubViewOp>(
        memref, ArrayRef<OpFoldResult>{begin, b.getIndexAttr(0)},
        ArrayRef<OpFoldResult>{code.sub(most, begin), b.getIndexAttr(width)},
        ArrayRef<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
  }

  /// Expert by expert, its tokens in order.
  Groups emitGroups() {
    Groups groups{integers({experts + 1}, {}), integers({ShapedType::kDynamic}, most),
                  integers({ShapedType::kDynamic, experts}, tokens)};
    Value none = code.index(-1);
    put(code.index(0), groups.begins, {code.index(0)});
    code.loop(code.index(0), code.index(experts), 1, code.index(0),
              [&](Value expert, ValueRange carried) -> emit::Code::Values {
                Value end =
                    code.loop(code.index(0), tokens, 1, carried,
                              [&](Value token, ValueRange next) -> emit::Code::Values {
                                Value row = next.front();
                                Value goes = isRouted(code.loadScalar(routes, {token, expert}));
                                goes = code.make<arith::AndIOp>(goes, code.less(row, most));
                                put(code.select(goes, row, none), groups.places, {token, expert});
                                code.ifThen(goes, [&] { put(token, groups.tokens, {row}); });
                                return {code.select(goes, code.add(row, 1), row)};
                              })
                        .front();
                put(end, groups.begins, {code.add(expert, 1)});
                return {end};
              });
    return groups;
  }

  void emitGather(const Groups &groups, Value total, Value inputs) {
    segment.emitParallel(2 * columns, [&] {
      code.parallel(total, [&](Value row) {
        Value token = at(groups.tokens, {row});
        code.pieces(columns, segment.isa().lanes(), [&](Value column, VectorType type) {
          code.storeVector(code.loadVector(type, x, {token, column}), inputs, {row, column});
        });
      });
    });
  }

  /// out = in W^T, each expert for its rows.
  void emitProducts(const Groups &groups, PackedProduct &product, Value in, Value out) {
    code.loop(0, experts, 1, [&](Value expert) {
      Value begin = at(groups.begins, {expert}), end = at(groups.begins, {code.add(expert, 1)});
      Value rows = code.sub(end, begin);
      code.ifThen(code.less(code.index(0), rows),
                  [&] { product.emit(from(in, begin), rows, from(out, begin), expert); });
    });
  }

  /// f(gate) * up of all gathered rows.
  void emitUnits(Value sums, Value units, Value total) {
    auto &b = code.builder;
    auto part = [&](Value memref, int64_t begin) {
      return code.make<memref::SubViewOp>(
          memref, ArrayRef<OpFoldResult>{b.getIndexAttr(0), b.getIndexAttr(begin)},
          ArrayRef<OpFoldResult>{total, b.getIndexAttr(hidden)},
          ArrayRef<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
    };
    AffineMap all = b.getMultiDimIdentityMap(2);
    SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
    linalg::GenericOp::create(
        b, loc, ValueRange{part(sums, 0), part(sums, hidden)}, ValueRange{part(units, 0)},
        ArrayRef<AffineMap>{all, all, all}, iterators,
        [&](OpBuilder &inner, Location place, ValueRange v) {
          ImplicitLocOpBuilder nested(place, inner);
          Value active = plx::buildActivation(nested, op.getKind(), v[0]);
          linalg::YieldOp::create(nested, arith::MulFOp::create(nested, active, v[1]).getResult());
        });
  }

  /// Each token's experts in their order, so that its bits do not depend on other tokens.
  void emitSums(const Groups &groups, Value outputs, Value result) {
    segment.emitParallel(2 * columns * op.getTopK() + 4 * experts, [&] {
      code.parallel(tokens, [&](Value token) {
        code.pieces(columns, segment.isa().lanes(), [&](Value column, VectorType type) {
          code.storeVector(code.constant(type, 0), result, {token, column});
        });
        code.loop(0, experts, 1, [&](Value expert) {
          Value row = at(groups.places, {token, expert});
          code.ifThen(code.less(code.index(-1), row), [&] {
            Value weight = code.loadScalar(routes, {token, expert});
            code.pieces(columns, segment.isa().lanes(), [&](Value column, VectorType type) {
              Value sum = code.fma(code.splat(type.getNumElements(), weight),
                                   code.loadVector(type, outputs, {row, column}),
                                   code.loadVector(type, result, {token, column}));
              code.storeVector(sum, result, {token, column});
            });
          });
        });
      });
    });
  }

  SegmentLowering &segment;
  plx::MoeOp op;
  Location loc;
  emit::Code code;
  int64_t experts, hidden, columns;
  Value x, routes, tokens, most;
};

LogicalResult lowerMoe(SegmentLowering &segment, plx::MoeOp op) {
  Experts(segment, op).emit();
  segment.report(op, "generated", "rows gathered by expert, one product for each");
  return success();
}

bool takesMoe(Operation *op) {
  auto moe = cast<plx::MoeOp>(op);
  return plx::getPacked(moe.getGateUp().getType()) && plx::getPacked(moe.getDown().getType()) &&
         cast<RankedTensorType>(moe.getType()).getElementType().isF32() &&
         cast<RankedTensorType>(moe.getRoutes().getType()).getElementType().isF32();
}

} // namespace

void addExpertHandlers(HandlerTable &table) { addHandler<plx::MoeOp, lowerMoe>(table, takesMoe); }

} // namespace plexus::compiler
