// Tokenizers: checks and meaning.
#include "dialects/brain/BrainOps.h"
#include "dialects/brain/Choice.h"
#include "dialects/plx/LinalgBuild.h"
#include "dialects/plx/Verify.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::plx;
using namespace mlir::brain;

using Values = FailureOr<SmallVector<Value>>;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

LogicalResult VectorQuantizeOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto input = dyn_cast<RankedTensorType>(adaptor.getInput().getType());
  auto books = dyn_cast<RankedTensorType>(adaptor.getCodebooks().getType());
  if (!input || input.getRank() < 2 || !books || books.getRank() != 3)
    return failure();
  types.push_back(input);
  SmallVector<int64_t> shape = llvm::to_vector(input.getShape());
  shape.back() = books.getDimSize(0);
  types.push_back(RankedTensorType::get(shape, IntegerType::get(context, 32)));
  return success();
}

LogicalResult VectorQuantizeOp::verify() {
  auto books = tensorType(getCodebooks());
  if (failed(verifyRows(*this, "input", getInput())) ||
      failed(verifyEqual(*this, "codebooks", "columns", books.getDimSize(2),
                         tensorType(getInput()).getShape().back())))
    return failure();
  if (!books.hasStaticShape() || books.getNumElements() == 0)
    return emitOpError("'codebooks' must be static and not empty, found ") << books;
  if (books.getDimSize(1) > kMostChoices)
    return emitOpError("'codebooks' may have ")
           << kMostChoices << " codes each, found " << books.getDimSize(1);
  return success();
}

/// How far each row [T, D] is from each code [K, D]: [T, K]. By angle it is minus the code's part
/// of the cosine, which orders codes alike.
static Value distances(ImplicitLocOpBuilder &b, Value rows, Value book, bool cosine) {
  SmallVector<OpFoldResult> sizes{sizesOf(b, rows)[0], sizesOf(b, book)[0]};
  SmallVector<AffineMap> maps{dimsMap(b, 3, {0, 2}), dimsMap(b, 3, {1, 2})};
  auto fold = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    if (cosine)
      return arith::SubFOp::create(b, v[2], arith::MulFOp::create(b, v[0], v[1]));
    Value difference = arith::SubFOp::create(b, v[0], v[1]);
    return arith::AddFOp::create(b, v[2], arith::MulFOp::create(b, difference, difference));
  };
  Value sums = reduceElements(b, sizes, b.getF32Type(), 0.0, 1, {rows, book}, maps, fold);
  if (!cosine)
    return sums;
  return mapElements(b, sizes, b.getF32Type(), {sums, lengthsOf(b, book, 1e-12)},
                     {rangeMap(b, 2, 0, 2), dimsMap(b, 2, {1})},
                     [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                       return arith::DivFOp::create(b, v[0], v[1]);
                     });
}

/// Codebook `number` of [Q, K, D].
static Value bookAt(ImplicitLocOpBuilder &b, Value books, int64_t number) {
  auto type = tensorType(books);
  SmallVector<OpFoldResult> offsets(3, b.getIndexAttr(0)), strides(3, b.getIndexAttr(1)), sizes;
  offsets[0] = b.getIndexAttr(number);
  sizes = {b.getIndexAttr(1), b.getIndexAttr(type.getDimSize(1)),
           b.getIndexAttr(type.getDimSize(2))};
  return tensor::ExtractSliceOp::create(
      b, RankedTensorType::get(type.getShape().drop_front(), type.getElementType()), books, offsets,
      sizes, strides);
}

/// `with` + `sign` times the code of each row: [T, D]. `codes` are numbers as f32, [T].
static Value addCode(ImplicitLocOpBuilder &b, Value with, Value book, Value codes, bool subtract) {
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value code =
        tensor::ExtractOp::create(b, book, ValueRange{numberToIndex(b, v[1]), loopIndex(b, 1)});
    code = convertFloat(b, code, v[0].getType());
    return subtract ? arith::SubFOp::create(b, v[0], code).getResult()
                    : arith::AddFOp::create(b, v[0], code).getResult();
  };
  return mapElements(b, sizesOf(b, with), b.getF32Type(), {with, codes},
                     {rangeMap(b, 2, 0, 2), dimsMap(b, 2, {0})}, body);
}

/// [T, ..., D] as vectors one after another.
static Value asRows(ImplicitLocOpBuilder &b, Value input) {
  auto type = tensorType(input);
  int64_t last = type.getRank() - 1;
  if (last == 1)
    return input;
  SmallVector<ReassociationIndices> axes{llvm::to_vector(llvm::seq<int64_t>(0, last)), {last}};
  return tensor::CollapseShapeOp::create(b, input, axes);
}
static Value fromRows(ImplicitLocOpBuilder &b, Value rows, RankedTensorType type) {
  int64_t last = type.getRank() - 1;
  if (last == 1)
    return rows;
  SmallVector<ReassociationIndices> axes{llvm::to_vector(llvm::seq<int64_t>(0, last)), {last}};
  return tensor::ExpandShapeOp::create(b, type, rows, axes);
}

Values VectorQuantizeOp::decompose(OpBuilder &builder) {
  ImplicitLocOpBuilder b(getLoc(), builder);
  int64_t count = tensorType(getCodebooks()).getDimSize(0);
  Value input = asRows(b, getInput()), rest = input, sum;
  SmallVector<Value> codes;
  for (int64_t q = 0; q < count; ++q) {
    Value book = bookAt(b, getCodebooks(), q);
    codes.push_back(leastOf(b, distances(b, rest, book, getCosine()), 0.0));
    if (!sum)
      sum = mapElements(b, sizesOf(b, input), b.getF32Type(), {}, {},
                        [](ImplicitLocOpBuilder &b, ValueRange) {
                          return floatConstant(b, b.getF32Type(), 0.0);
                        });
    sum = addCode(b, sum, book, codes.back(), false);
    if (q + 1 < count)
      rest = addCode(b, rest, book, codes.back(), true);
  }
  if (elementOf(getInput()) != elementOf(sum))
    sum = mapElements(b, sizesOf(b, sum), elementOf(getInput()), sum, rangeMap(b, 2, 0, 2),
                      [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  return SmallVector<Value>{fromRows(b, sum, tensorType(getResult())),
                            fromRows(b, sideBySide(b, codes), tensorType(getCodes()))};
}
