//===- LowerMatmul.cpp - products of two computed matrices ------------------------------------===//
// Handler of plx.matmul: each pair of matrices by itself, vectors of columns and a few rows of sums
// in registers. A transposed right matrix is turned over once, on the stack.
//===----------------------------------------------------------------------------------------------===//
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Code.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

/// Rows of sums in registers, and elements of a matrix that is turned over.
constexpr int64_t kTileRows = 4, kMostOnStack = 8192;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

int64_t sizeFromEnd(Value value, int64_t place) {
  ArrayRef<int64_t> shape = typeOf(value).getShape();
  return shape[shape.size() - place];
}

bool takesMatmul(Operation *op) {
  auto matmul = cast<plx::MatmulOp>(op);
  bool allF32 = llvm::all_of(op->getOperandTypes(), [](Type type) {
    return cast<RankedTensorType>(type).getElementType().isF32();
  });
  Value rhs = matmul.getRhs();
  return allF32 && typeOf(rhs).getRank() >= 3 &&
         (!matmul.getTransposed() || sizeFromEnd(rhs, 1) * sizeFromEnd(rhs, 2) <= kMostOnStack);
}

class MatmulLowering {
public:
  MatmulLowering(SegmentLowering &segment, plx::MatmulOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        lanes(segment.isa().lanes()), m(sizeFromEnd(op.getLhs(), 2)),
        k(sizeFromEnd(op.getLhs(), 1)), n(sizeFromEnd(op.getResult(), 1)) {}

  void emit() {
    lhs = matrices(segment.buffer(op.getLhs()));
    rhs = matrices(segment.buffer(op.getRhs()));
    out = matrices(segment.allocateLike(op.getResult(), op.getLhs()));
    int64_t each = 1;
    for (int64_t size : typeOf(op.getLhs()).getShape().drop_front().drop_back(2))
      each *= size;
    Value rows = segment.rows(loc, segment.buffer(op.getLhs()));
    Value items = code.mul(rows, each);
    segment.emitParallel(2 * m * n * k / lanes + n * k, [&] {
      code.parallel(items, [&](Value item) {
        if (!op.getTransposed())
          return product(item, [&](VectorType type, Value depth, Value column) {
            return code.loadVector(type, rhs, {item, depth, column});
          });
        code.stackScope([&] {
          Value turned = turnOver(item);
          product(item, [&](VectorType type, Value depth, Value column) {
            return code.loadVector(type, turned, {code.add(code.mul(depth, n), column)});
          });
        });
      });
    });
    segment.report(op, "generated", "vectors of columns, a few rows of sums in registers");
  }

private:
  /// All leading axes as one.
  Value matrices(Value memref) {
    memref = segment.contiguous(loc, memref);
    auto rank = cast<MemRefType>(memref.getType()).getRank();
    if (rank == 3)
      return memref;
    SmallVector<ReassociationIndices> groups(1);
    for (int64_t dim = 0; dim < rank - 2; ++dim)
      groups[0].push_back(dim);
    groups.push_back({rank - 2});
    groups.push_back({rank - 1});
    return code.make<memref::CollapseShapeOp>(memref, ArrayRef<ReassociationIndices>(groups));
  }

  Value turnOver(Value item) {
    Value turned = code.stackBuffer(k * n, code.builder.getF32Type());
    code.loop(0, n, 1, [&](Value column) {
      code.loop(0, k, 1, [&](Value depth) {
        Value value = code.loadScalar(rhs, {item, column, depth});
        code.make<memref::StoreOp>(value, turned, ValueRange{code.add(code.mul(depth, n), column)});
      });
    });
    return turned;
  }

  using LoadRow = llvm::function_ref<Value(VectorType, Value depth, Value column)>;
  void product(Value item, LoadRow load) {
    code.rowTiles(code.index(m), kTileRows, [&](int64_t rows, Value row) {
      code.pieces(n, lanes, [&](Value column, VectorType type) {
        Code::Values zeros(rows, code.constant(type, 0));
        Code::Values sums =
            code.loop(code.index(0), code.index(k), 1, zeros, [&](Value depth, ValueRange last) {
              Value right = load(type, depth, column);
              Code::Values next;
              for (int64_t i = 0; i < rows; ++i) {
                Value left = code.loadScalar(lhs, {item, code.add(row, i), depth});
                next.push_back(code.fma(code.splat(type.getNumElements(), left), right, last[i]));
              }
              return next;
            });
        for (int64_t i = 0; i < rows; ++i)
          code.storeVector(sums[i], out, {item, code.add(row, i), column});
      });
    });
  }

  SegmentLowering &segment;
  plx::MatmulOp op;
  Location loc;
  Code code;
  int64_t lanes, m, k, n;
  Value lhs, rhs, out;
};

LogicalResult lowerMatmul(SegmentLowering &segment, plx::MatmulOp op) {
  MatmulLowering(segment, op).emit();
  return success();
}

} // namespace

void addMatmulHandlers(HandlerTable &table) {
  addHandler<plx::MatmulOp, lowerMatmul>(table, takesMatmul);
}

} // namespace plexus::compiler
