//===- LowerDecoders.cpp - ends of brain decoders ---------------------------------------------===//
// Handlers of retrieval, CTC and nearest codes: loops over rows that keep the best so far.
//===----------------------------------------------------------------------------------------------===//
#include "dialects/brain/BrainOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/cpu/SegmentLowering.h"
#include "passes/lower/cpu/emit/Carry.h"
#include "passes/lower/cpu/emit/RowSums.h"
#include <limits>

using namespace mlir;

namespace plexus::compiler {
namespace {

using emit::Code;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isF32(Value value) { return tensorType(value).getElementType().isF32(); }

Value compare(const Code &code, arith::CmpFPredicate how, Value a, Value b) {
  return code.make<arith::CmpFOp>(how, a, b);
}
Value number(const Code &code, double value) {
  return code.constant(code.builder.getF32Type(), value);
}
Value both(const Code &code, Value a, Value b) { return code.make<arith::AndIOp>(a, b); }

//===--- Retrieve -----------------------------------------------------------------------------===//

class Retrieve {
public:
  Retrieve(SegmentLowering &segment, brain::RetrieveOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        width(tensorType(op.getInput()).getDimSize(1)),
        size(tensorType(op.getGallery()).getDimSize(0)), x(segment.buffer(op.getInput())),
        gallery(segment.buffer(op.getGallery())), rows(segment.rows(loc, x)),
        count(code.index(size)) {
    if (op.getCount()) {
      Value given = code.toIndex(code.loadScalar(segment.buffer(op.getCount()), code.index(0)));
      count = code.min(code.max(given, code.index(0)), count);
    }
  }

  void emit() {
    cosine = segment.allocateLike(op.getCosine(), op.getInput());
    top = segment.allocateLike(op.getTop(), op.getInput());
    Value mine = lengthsOf(x, rows, segment.allocate(vectorType(), rows));
    Value others = lengthsOf(
        gallery, count, segment.allocate(MemRefType::get({size}, code.builder.getF32Type()), {}));
    emitCosines(mine, others);
    segment.emitParallel(4 * op.getTopK() * size,
                         [&] { code.parallel(rows, [&](Value row) { emitBest(row); }); });
  }

private:
  static constexpr int64_t kPiece = 64; ///< Rows of the gallery that a task takes.

  MemRefType vectorType() {
    return MemRefType::get({ShapedType::kDynamic}, code.builder.getF32Type());
  }

  /// max(|row|, 1e-8) of the first `many` rows.
  Value lengthsOf(Value matrix, Value many, Value lengths) {
    segment.emitParallel(2 * width, [&] {
      code.parallel(many, [&](Value row) {
        Value squares = emit::sumOver(code, width, segment.isa().lanes(),
                                      [&](Value column, VectorType type, Value sum) {
                                        Value v = code.loadVector(type, matrix, {row, column});
                                        return code.fma(v, v, sum);
                                      });
        Value length = code.make<math::SqrtOp>(squares);
        code.make<memref::StoreOp>(code.make<arith::MaximumFOp>(length, number(code, 1e-8)),
                                   lengths, row);
      });
    });
    return lengths;
  }

  void emitCosines(Value mine, Value others) {
    int64_t pieces = (size + kPiece - 1) / kPiece;
    segment.emitParallel(2 * kPiece * width, [&] {
      code.parallel(code.mul(rows, pieces), [&](Value task) {
        Value row = code.div(task, pieces), first = code.mul(code.rem(task, pieces), kPiece);
        Value end = code.min(code.add(first, kPiece), code.index(size));
        Value known = code.min(code.max(count, first), end);
        code.loop(first, known, 1, [&](Value other) {
          Value dot = emit::sumOver(
              code, width, segment.isa().lanes(), [&](Value column, VectorType type, Value sum) {
                return code.fma(code.loadVector(type, x, {row, column}),
                                code.loadVector(type, gallery, {other, column}), sum);
              });
          Value scale =
              code.make<arith::MulFOp>(code.loadScalar(mine, row), code.loadScalar(others, other));
          code.make<memref::StoreOp>(code.make<arith::DivFOp>(dot, scale), cosine,
                                     ValueRange{row, other});
        });
        code.loop(known, end, 1, [&](Value other) {
          code.make<memref::StoreOp>(number(code, 0), cosine, ValueRange{row, other});
        });
      });
    });
  }

  /// The best of a row, one after another: each pass finds the best behind the last one.
  void emitBest(Value row) {
    Value none = code.index(-1);
    code.loop(code.index(0), code.index(static_cast<int64_t>(op.getTopK())), 1,
              ValueRange{number(code, kInfinity), none},
              [&](Value rank, ValueRange last) -> Code::Values {
                Code::Values best = code.loop(
                    code.index(0), count, 1, ValueRange{number(code, -kInfinity), none},
                    [&](Value other, ValueRange so) { return better(row, other, last, so); });
                code.make<memref::StoreOp>(code.toI32(best[1]), top, ValueRange{row, rank});
                return best;
              });
  }

  Code::Values better(Value row, Value other, ValueRange last, ValueRange best) {
    Value score = code.loadScalar(cosine, {row, other});
    Value equal = both(code, compare(code, arith::CmpFPredicate::OEQ, score, last[0]),
                       code.less(last[1], other));
    Value behind =
        code.make<arith::OrIOp>(compare(code, arith::CmpFPredicate::OLT, score, last[0]), equal);
    Value takes = both(code, behind, compare(code, arith::CmpFPredicate::OGT, score, best[0]));
    return {code.select(takes, score, best[0]), code.select(takes, other, best[1])};
  }

  SegmentLowering &segment;
  brain::RetrieveOp op;
  Location loc;
  Code code;
  int64_t width, size;
  Value x, gallery, rows, count, cosine, top;
};

LogicalResult lowerRetrieve(SegmentLowering &segment, brain::RetrieveOp op) {
  Retrieve(segment, op).emit();
  segment.report(op, "generated", "cosines in pieces of the gallery, then the best of each row");
  return success();
}

bool takesRetrieve(Operation *op) {
  auto retrieve = cast<brain::RetrieveOp>(op);
  return isF32(retrieve.getInput()) && isF32(retrieve.getGallery());
}

//===--- CtcCollapse --------------------------------------------------------------------------===//

class CtcCollapse {
public:
  CtcCollapse(SegmentLowering &segment, brain::CtcCollapseOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        logits(segment.buffer(op.getLogits())), sequences(segment.size(plx::SizeSymbol::Sequences)),
        out(segment.allocateLike(op.getResult(), op.getLogits())),
        state(emit::loadCarry(code.builder, loc, segment.batch(),
                              op.getState() ? segment.scalars().lookup(op.getState()) : Value())),
        last(segment.allocate(MemRefType::get({ShapedType::kDynamic, 1}, code.builder.getF32Type()),
                              sequences)) {}

  void emit() {
    segment.emitParallel(1 << 12, [&] {
      code.parallel(sequences, [&](Value sequence) { emitSequence(sequence); });
    });
  }

private:
  void emitSequence(Value sequence) {
    auto border = [&](Value at) {
      return emit::loadI32(code.builder, loc, state.batch.tokenBegin, at);
    };
    Value begin = border(sequence), end = border(code.add(sequence, 1));
    Value zero = code.index(0), none = code.index(-1);
    ValueRange place{sequence, zero};
    code.make<memref::StoreOp>(number(code, 0), last, place);
    Value next = code.loop(begin, end, 1, begin,
                           [&](Value token, ValueRange at) -> Code::Values {
                             if (op.getState())
                               emit::loadCarryRow(code, state, token, last, sequence, 1);
                             Value label = labelOf(token), marked = markOf(label);
                             Value fresh = compare(code, arith::CmpFPredicate::UNE, marked,
                                                   code.loadScalar(last, {sequence, zero}));
                             Value blank = code.index(static_cast<int64_t>(op.getBlank()));
                             Value begins = both(
                                 code, fresh,
                                 code.make<arith::CmpIOp>(arith::CmpIPredicate::ne, label, blank));
                             code.make<memref::StoreOp>(marked, last, ValueRange{sequence, zero});
                             code.ifThen(begins, [&] { put(label, at.front()); });
                             if (op.getState())
                               emit::storeCarryRow(code, state, token, last, sequence, 1);
                             return {code.select(begins, code.add(at.front(), 1), at.front())};
                           })
                     .front();
    code.loop(next, end, 1, [&](Value token) { put(none, token); });
  }

  void put(Value label, Value token) { code.make<memref::StoreOp>(code.toI32(label), out, token); }
  /// The label plus 1 as f32, as the state has it.
  Value markOf(Value label) {
    return code.make<arith::SIToFPOp>(code.builder.getF32Type(), code.toI32(code.add(label, 1)));
  }
  /// The best label of a token; blank where there is none but NaN.
  Value labelOf(Value token) {
    int64_t labels = tensorType(op.getLogits()).getDimSize(1);
    Value blank = code.index(static_cast<int64_t>(op.getBlank()));
    return code.loop(
        code.index(0), code.index(labels), 1, ValueRange{number(code, -kInfinity), blank},
        [&](Value label, ValueRange best) -> Code::Values {
          Value score = code.loadScalar(logits, {token, label});
          Value takes = compare(code, arith::CmpFPredicate::OGT, score, best[0]);
          return {code.select(takes, score, best[0]), code.select(takes, label, best[1])};
        })[1];
  }

  SegmentLowering &segment;
  brain::CtcCollapseOp op;
  Location loc;
  Code code;
  Value logits, sequences, out;
  emit::CarryFields state;
  Value last; ///< [S, 1]
};

LogicalResult lowerCtcCollapse(SegmentLowering &segment, brain::CtcCollapseOp op) {
  CtcCollapse(segment, op).emit();
  segment.report(op, "generated", "one pass over each sequence");
  return success();
}

bool takesCtcCollapse(Operation *op) { return isF32(cast<brain::CtcCollapseOp>(op).getLogits()); }

//===--- VectorQuantize -----------------------------------------------------------------------===//

class VectorQuantize {
public:
  VectorQuantize(SegmentLowering &segment, brain::VectorQuantizeOp op)
      : segment(segment), op(op), loc(op.getLoc()), code{segment.builder(), loc},
        books(tensorType(op.getCodebooks()).getDimSize(0)),
        size(tensorType(op.getCodebooks()).getDimSize(1)),
        width(tensorType(op.getCodebooks()).getDimSize(2)),
        x(segment.asMatrix(loc, segment.buffer(op.getInput()))),
        codebooks(segment.buffer(op.getCodebooks())), rows(segment.rows(loc, x)) {}

  void emit() {
    out = segment.asMatrix(loc, segment.allocateLike(op.getResult(), op.getInput()));
    codes = segment.asMatrix(loc, segment.allocateLike(op.getCodes(), op.getInput()));
    Type f32 = code.builder.getF32Type();
    rest = segment.allocate(MemRefType::get({ShapedType::kDynamic, width}, f32), rows);
    if (op.getCosine())
      emitLengths();
    segment.emitParallel(3 * books * size * width,
                         [&] { code.parallel(rows, [&](Value row) { emitRow(row); }); });
  }

private:
  void emitLengths() {
    lengths = segment.allocate(MemRefType::get({books, size}, code.builder.getF32Type()), {});
    segment.emitParallel(2 * width, [&] {
      code.parallel(code.index(books * size), [&](Value task) {
        Value book = code.div(task, size), entry = code.rem(task, size);
        Value squares = sum([&](Value column, VectorType type, Value total) {
          Value v = code.loadVector(type, codebooks, {book, entry, column});
          return code.fma(v, v, total);
        });
        Value length = code.make<math::SqrtOp>(squares);
        code.make<memref::StoreOp>(code.make<arith::MaximumFOp>(length, number(code, 1e-12)),
                                   lengths, ValueRange{book, entry});
      });
    });
  }

  void emitRow(Value row) {
    eachPiece([&](Value column, VectorType type) {
      code.storeVector(code.loadVector(type, x, {row, column}), rest, {row, column});
      code.storeVector(code.constant(type, 0), out, {row, column});
    });
    code.loop(0, books, 1, [&](Value book) {
      Value chosen = code.loop(
          code.index(0), code.index(size), 1, ValueRange{number(code, kInfinity), code.index(0)},
          [&](Value entry, ValueRange best) -> Code::Values {
            Value distance = distanceOf(row, book, entry);
            Value takes = compare(code, arith::CmpFPredicate::OLT, distance, best[0]);
            return {code.select(takes, distance, best[0]), code.select(takes, entry, best[1])};
          })[1];
      code.make<memref::StoreOp>(code.toI32(chosen), codes, ValueRange{row, book});
      eachPiece([&](Value column, VectorType type) {
        Value entry = code.loadVector(type, codebooks, {book, chosen, column});
        Value sum = code.make<arith::AddFOp>(code.loadVector(type, out, {row, column}), entry);
        code.storeVector(sum, out, {row, column});
        Value left = code.make<arith::SubFOp>(code.loadVector(type, rest, {row, column}), entry);
        code.storeVector(left, rest, {row, column});
      });
    });
  }

  /// As the decomposition has it: by angle minus the code's part of the cosine.
  Value distanceOf(Value row, Value book, Value entry) {
    Value total = sum([&](Value column, VectorType type, Value so) -> Value {
      Value mine = code.loadVector(type, rest, {row, column});
      Value theirs = code.loadVector(type, codebooks, {book, entry, column});
      if (op.getCosine())
        return code.fma(code.make<arith::NegFOp>(mine), theirs, so);
      Value difference = code.make<arith::SubFOp>(mine, theirs);
      return code.fma(difference, difference, so);
    });
    if (!op.getCosine())
      return total;
    return code.make<arith::DivFOp>(total, code.loadScalar(lengths, {book, entry}));
  }

  void eachPiece(llvm::function_ref<void(Value, VectorType)> body) {
    code.pieces(width, segment.isa().lanes(), body);
  }
  Value sum(llvm::function_ref<Value(Value, VectorType, Value)> step) {
    return emit::sumOver(code, width, segment.isa().lanes(), step);
  }

  SegmentLowering &segment;
  brain::VectorQuantizeOp op;
  Location loc;
  Code code;
  int64_t books, size, width;
  Value x, codebooks, rows, out, codes, rest, lengths;
};

LogicalResult lowerVectorQuantize(SegmentLowering &segment, brain::VectorQuantizeOp op) {
  VectorQuantize(segment, op).emit();
  segment.report(op, "generated", "each row against all codes, in vectors along it");
  return success();
}

bool takesVectorQuantize(Operation *op) {
  auto quantize = cast<brain::VectorQuantizeOp>(op);
  return isF32(quantize.getInput()) && isF32(quantize.getCodebooks());
}

} // namespace

void addDecoderHandlers(HandlerTable &table) {
  addHandler<brain::RetrieveOp, lowerRetrieve>(table, takesRetrieve);
  addHandler<brain::CtcCollapseOp, lowerCtcCollapse>(table, takesCtcCollapse);
  addHandler<brain::VectorQuantizeOp, lowerVectorQuantize>(table, takesVectorQuantize);
}

} // namespace plexus::compiler
