// The loops of layers of basis functions.
#include "passes/lower/cpu/emit/KanLayer.h"

#include "dialects/kan/KanFunctions.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/lower/cpu/emit/Code.h"

#include <algorithm>

using namespace mlir;

namespace plexus::emit {
namespace {

using Values = Code::Values;

/// Columns of an output: whole vectors, or the shorter rest.
struct Columns {
  int64_t vectors, lanes;
};

class KanLayer {
public:
  KanLayer(OpBuilder &builder, Location loc, const Isa &isa, const KanSpec &spec,
           const KanOperands &operands, const KanEvaluate &evaluate)
      : code{builder, loc}, lanes(isa.lanes()), vectorsAtOnce(isa.vectorRegisters >= 32 ? 4 : 2),
        spec(spec), o(operands), evaluate(evaluate), terms(spec.evaluated + (o.base ? 1 : 0)) {}

  void emit() {
    Value tiles = code.ceilDiv(o.rows, spec.tileRows());
    code.parallel(code.mul(tiles, spec.columnPieces()), [&](Value piece) {
      Value firstRow = code.mul(code.div(piece, spec.columnPieces()), spec.tileRows());
      Value firstColumn = code.mul(code.rem(piece, spec.columnPieces()), KanSpec::kColumns);
      values = code.stackBuffer(spec.tileRows() * terms * lanes, code.builder.getF32Type());
      if (spec.window)
        begins = code.stackBuffer(spec.tileRows() * lanes, code.builder.getI32Type());
      Value rows = code.min(code.sub(o.rows, firstRow), code.index(spec.tileRows()));
      if (spec.out % KanSpec::kColumns == 0 || spec.columnPieces() == 1)
        return emitPiece(firstRow, rows, firstColumn, std::min(spec.out, KanSpec::kColumns));
      int64_t last = (spec.columnPieces() - 1) * KanSpec::kColumns;
      code.ifElse(
          code.less(firstColumn, code.index(last)),
          [&] { emitPiece(firstRow, rows, firstColumn, KanSpec::kColumns); },
          [&] { emitPiece(firstRow, rows, firstColumn, spec.out - last); });
    });
  }

private:
  void emitPiece(Value firstRow, Value rows, Value firstColumn, int64_t columns) {
    row0 = firstRow;
    tile = rows;
    column0 = firstColumn;
    width = columns;
    int64_t full = spec.in / lanes * lanes;
    if (full > 0)
      code.loop(0, full, lanes, [&](Value input) { emitInputs(input, lanes, false); });
    if (full < spec.in)
      emitInputs(code.index(full), spec.in - full, full == 0);
  }

  /// Adds what `count` inputs give to the tile's outputs, which it begins with where `first`.
  void emitInputs(Value input, int64_t count, bool first) {
    code.loop(code.index(0), tile, 1, [&](Value row) { evaluateRow(row, input, count); });
    Value begins =
        first
            ? Value()
            : code.make<arith::CmpIOp>(arith::CmpIPredicate::eq, input, code.index(0)).getResult();
    eachColumns([&](Value column, Columns shape) {
      int64_t rowsAtOnce = std::max<int64_t>(1, 8 / shape.vectors);
      code.rowTiles(tile, std::min<int64_t>(rowsAtOnce, 8), [&](int64_t rows, Value row) {
        contract(row, rows, column, shape, input, count, begins);
      });
    });
  }

  void evaluateRow(Value row, Value input, int64_t count) {
    ImplicitLocOpBuilder b(code.loc, code.builder);
    Value x = code.loadVector(code.floats(count), o.x, {code.add(row0, row), input});
    KanFunctions made = evaluate(b, x, input);
    if (made.base)
      made.values.push_back(made.base);
    Value at = code.mul(row, terms * lanes);
    for (auto [term, value] : llvm::enumerate(made.values))
      code.storeVector(value, values, code.add(at, term * lanes));
    if (made.begin)
      code.storeVector(made.begin, begins, code.mul(row, lanes));
  }

  /// Groups of whole vectors, then single ones, then the shorter rest; columns within the output.
  void eachColumns(llvm::function_ref<void(Value, Columns)> body) {
    int64_t group = vectorsAtOnce * lanes, full = width / group * group;
    if (full > 0)
      code.loop(0, full, group,
                [&](Value c) { body(code.add(column0, c), {vectorsAtOnce, lanes}); });
    int64_t whole = (width - full) / lanes;
    if (whole > 0)
      body(code.add(column0, full), {whole, lanes});
    int64_t done = full + whole * lanes;
    if (done < width)
      body(code.add(column0, done), {1, width - done});
  }

  Value weight(Value memref, ValueRange at, Columns shape) {
    Type element = cast<MemRefType>(memref.getType()).getElementType();
    Value loaded = code.loadVector(code.vectorType(shape.lanes, element), memref, at);
    return element.isF32() ? loaded : code.make<arith::ExtFOp>(code.floats(shape.lanes), loaded);
  }

  /// Outputs [row, row + rows) x the columns: loaded, or begun with the bias.
  Values accumulators(Value row, int64_t rows, Value column, Columns shape, Value begins) {
    auto start = [&](bool fresh) {
      Values sums;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t v = 0; v < shape.vectors; ++v) {
          Value at = code.add(column, v * shape.lanes);
          if (!fresh)
            sums.push_back(code.loadVector(code.floats(shape.lanes), o.out,
                                           {code.add(row0, code.add(row, r)), at}));
          else if (o.bias)
            sums.push_back(code.loadVector(code.floats(shape.lanes), o.bias, at));
          else
            sums.push_back(code.constant(code.floats(shape.lanes), 0));
        }
      return sums;
    };
    if (!begins)
      return start(true);
    llvm::SmallVector<Type> types(rows * shape.vectors, code.floats(shape.lanes));
    return code.ifElse(begins, types, [&] { return start(true); }, [&] { return start(false); });
  }

  void contract(Value row, int64_t rows, Value column, Columns shape, Value input, int64_t count,
                Value begins) {
    Values sums = accumulators(row, rows, column, shape, begins);
    sums = code.loop(code.index(0), code.index(count), 1, sums, [&](Value i, ValueRange carried) {
      return addInput(row, rows, column, shape, code.add(input, i), i, Values(carried));
    });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < shape.vectors; ++v)
        code.storeVector(sums[r * shape.vectors + v], o.out,
                         {code.add(row0, code.add(row, r)), code.add(column, v * shape.lanes)});
  }

  Values addInput(Value row, int64_t rows, Value column, Columns shape, Value input, Value i,
                  Values sums) {
    llvm::SmallVector<Value> place, from; // of each row: its functions' values, its coefficients
    for (int64_t r = 0; r < rows; ++r) {
      Value at = code.add(row, r);
      place.push_back(code.add(code.mul(at, terms * lanes), i));
      from.push_back(spec.window ? code.toIndex(code.loadScalar(
                                       begins, ValueRange{code.add(code.mul(at, lanes), i)}))
                                 : code.index(0));
    }
    auto addTerm = [&](Values sums, Value term, Value memref, auto indices) {
      for (int64_t r = 0; r < rows; ++r) {
        Value value = code.splat(
            shape.lanes,
            code.loadScalar(values, ValueRange{code.add(place[r], code.mul(term, lanes))}));
        for (int64_t v = 0; v < shape.vectors; ++v) {
          Value &sum = sums[r * shape.vectors + v];
          sum = code.fma(value,
                         weight(memref, indices(r, code.add(column, v * shape.lanes)), shape), sum);
        }
      }
      return sums;
    };
    auto function = [&](Values sums, Value j) {
      return addTerm(sums, j, o.coef,
                     [&](int64_t r, Value c) { return Values{input, code.add(from[r], j), c}; });
    };
    constexpr int64_t kUnrolled = 8;
    if (spec.evaluated <= kUnrolled)
      for (int64_t j = 0; j < spec.evaluated; ++j)
        sums = function(sums, code.index(j));
    else
      sums = code.loop(code.index(0), code.index(spec.evaluated), 1, sums,
                       [&](Value j, ValueRange carried) { return function(Values(carried), j); });
    if (o.base)
      sums = addTerm(sums, code.index(spec.evaluated), o.base,
                     [&](int64_t, Value c) { return Values{input, c}; });
    return sums;
  }

  Code code;
  int64_t lanes, vectorsAtOnce;
  const KanSpec &spec;
  const KanOperands &o;
  const KanEvaluate &evaluate;
  int64_t terms;        ///< values that are kept of an input
  Value values, begins; ///< [tile rows][terms][lanes], [tile rows][lanes]
  Value row0, tile, column0;
  int64_t width = 0;
};

/// Arithmetic on vectors of the width of x.
struct Lanes {
  ImplicitLocOpBuilder &b;
  VectorType floats, integers;

  Lanes(ImplicitLocOpBuilder &b, Value x)
      : b(b), floats(cast<VectorType>(x.getType())),
        integers(VectorType::get(floats.getShape(), b.getI32Type())) {}
  Code code() const { return {b, b.getLoc()}; }
  Value number(double value) const { return code().constant(floats, value); }
  Value integer(int64_t value) const { return code().constant(integers, value); }
  Value sub(Value x, Value y) const { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) const { return arith::MulFOp::create(b, x, y); }
  /// x / y, and 0 where y is 0.
  Value ratio(Value x, Value y) const {
    Value zero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, y, number(0));
    return arith::SelectOp::create(b, zero, number(0), arith::DivFOp::create(b, x, y));
  }
};

/// The interval that x is in: its knots and number.
struct Interval {
  Value number;               ///< i32: largest m with t_m <= x; -1 before the first knot
  llvm::SmallVector<Value> t; ///< t_m-order+1 .. t_m+order; beyond the grid: anything
  Value inside;               ///< i1: t_0 <= x < t_last
};

/// One pass over the knots: a window of them moves along and is kept by the lanes that have passed.
Interval findInterval(const Lanes &l, int64_t knots, int64_t order, Value grid, Value x,
                      Value first) {
  Code code = l.code();
  int64_t size = std::max<int64_t>(2 * order, 1);
  auto load = [&](Value knot) {
    Value at = code.min(knot, code.index(knots - 1));
    return code.loadVector(l.floats, grid, {at, first});
  };
  // The window of m = 0 is t_1-order .. t_order; what lies before t_0 is never used.
  Values carried;
  for (int64_t r = 0; r < size; ++r) {
    int64_t knot = std::clamp<int64_t>(r + 1 - order, 0, knots - 1);
    carried.push_back(load(code.index(knot)));
  }
  llvm::append_range(carried, Values(carried)); // what each lane keeps
  carried.push_back(l.integer(-1));
  Values found =
      code.loop(code.index(0), code.index(knots), 1, carried, [&](Value j, ValueRange state) {
        Value passed = arith::CmpFOp::create(l.b, arith::CmpFPredicate::OLE, load(j), x);
        Values next;
        for (int64_t r = 0; r < size; ++r)
          next.push_back(r + 1 < size ? state[r + 1]
                                      : load(code.add(j, std::max<int64_t>(order + 1, 1))));
        for (int64_t r = 0; r < size; ++r)
          next.push_back(arith::SelectOp::create(l.b, passed, state[r], state[size + r]));
        Value one = arith::AddIOp::create(l.b, state[2 * size], l.integer(1));
        next.push_back(arith::SelectOp::create(l.b, passed, one, state[2 * size]));
        return next;
      });
  Interval result;
  result.t.assign(found.begin() + size, found.begin() + 2 * size);
  result.number = found.back();
  Value after = arith::CmpIOp::create(l.b, arith::CmpIPredicate::sge, result.number, l.integer(0));
  Value before =
      arith::CmpIOp::create(l.b, arith::CmpIPredicate::slt, result.number, l.integer(knots - 1));
  result.inside = arith::AndIOp::create(l.b, after, before);
  return result;
}

/// The same where steps are equal: by a division, which may be one interval off next to a knot, and
/// a look at the knots there.
Interval divideInterval(const Lanes &l, int64_t knots, int64_t order, Value grid, Value x,
                        Value first) {
  Code code = l.code();
  ImplicitLocOpBuilder &b = l.b;
  auto row = [&](int64_t k) { return code.loadVector(l.floats, grid, {code.index(k), first}); };
  auto clamped = [&](Value v, int64_t last) {
    return arith::MinSIOp::create(b, arith::MaxSIOp::create(b, v, l.integer(0)), l.integer(last))
        .getResult();
  };
  Value lanes = vector::StepOp::create(b, VectorType::get(l.floats.getShape(), b.getIndexType()));
  auto mask = VectorType::get(l.floats.getShape(), b.getI1Type());
  Value all = arith::ConstantOp::create(b, DenseElementsAttr::get(mask, true));
  int64_t in = cast<MemRefType>(grid.getType()).getDimSize(1);
  Value flat = memref::CollapseShapeOp::create(b, grid, ArrayRef<ReassociationIndices>{{0, 1}});
  auto knot = [&](Value number) -> Value {
    Value index = arith::IndexCastOp::create(b, lanes.getType(), clamped(number, knots - 1));
    Value width = vector::BroadcastOp::create(b, lanes.getType(), code.index(in));
    index = arith::AddIOp::create(b, arith::MulIOp::create(b, index, width), lanes);
    return vector::GatherOp::create(b, l.floats, flat, ValueRange{first}, index, all, l.number(0));
  };
  auto count = [&](arith::CmpFPredicate predicate, Value u, Value v) {
    return arith::ExtUIOp::create(b, l.integers, arith::CmpFOp::create(b, predicate, u, v))
        .getResult();
  };
  // Between the inner knots all steps are the same.
  int64_t steps = knots - 1 - 2 * order;
  Value begin = row(order), span = l.sub(row(knots - 1 - order), begin);
  Value place = l.mul(l.ratio(l.sub(x, begin), span), l.number(steps));
  // Far outside, a number that an integer holds; NaN is outside too.
  place = arith::MaxNumFOp::create(b, place, l.number(-order - 1));
  place = arith::MinNumFOp::create(b, place, l.number(steps + order + 1));
  Value number = arith::FPToSIOp::create(b, l.integers, math::FloorOp::create(b, place));
  number = clamped(arith::AddIOp::create(b, number, l.integer(order)), knots - 2);
  number = arith::SubIOp::create(b, number, count(arith::CmpFPredicate::OLT, x, knot(number)));
  Value above = arith::AddIOp::create(b, number, l.integer(1));
  number = arith::AddIOp::create(b, number, count(arith::CmpFPredicate::OGE, x, knot(above)));
  Interval result;
  result.number = number;
  for (int64_t r = 1 - order; r <= order; ++r)
    result.t.push_back(knot(arith::AddIOp::create(b, number, l.integer(r))));
  result.inside =
      arith::AndIOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, row(0), x),
                            arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, row(knots - 1)));
  return result;
}

} // namespace

int64_t KanSpec::tileRows() const {
  constexpr int64_t kCacheLines = 320; // of values: 20 KiB
  return std::clamp<int64_t>(kCacheLines / (evaluated + 1) / 8 * 8, 8, 32);
}

void emitKanLayer(OpBuilder &builder, Location loc, const Isa &isa, const KanSpec &spec,
                  const KanOperands &operands, const KanEvaluate &evaluate) {
  KanLayer(builder, loc, isa, spec, operands, evaluate).emit();
}

KanFunctions evaluateSplines(ImplicitLocOpBuilder &builder, const KanSpec &spec, int64_t order,
                             bool uniform, Value grid, Value x, Value first) {
  Lanes l(builder, x);
  int64_t knots = spec.functions + order + 1;
  Interval at = uniform ? divideInterval(l, knots, order, grid, x, first)
                        : findInterval(l, knots, order, grid, x, first);
  // t(k) is t_m+k.
  auto t = [&](int64_t k) { return at.t[k + order - 1]; };
  llvm::SmallVector<Value> n(order + 1);
  n[0] = l.number(1);
  for (int64_t degree = 1; degree <= order; ++degree) {
    Value saved = l.number(0);
    for (int64_t r = 0; r < degree; ++r) {
      Value right = t(r + 1), left = t(r + 1 - degree);
      Value part = l.ratio(n[r], l.sub(right, left));
      Value scaled = l.mul(l.sub(right, x), part);
      n[r] = r == 0 ? scaled : arith::AddFOp::create(builder, saved, scaled).getResult();
      saved = l.mul(l.sub(x, left), part);
    }
    n[degree] = saved;
  }
  // n[r] is B of number m - order + r. Near the ends of the grid some of these do not exist, and
  // the window of coefficients stays inside: its functions are n shifted by `begin - (m - order)`.
  Value wanted = arith::SubIOp::create(builder, at.number, l.integer(order));
  Value begin = arith::MaxSIOp::create(builder, wanted, l.integer(0));
  begin = arith::MinSIOp::create(builder, begin, l.integer(spec.functions - order - 1));
  Value shift = arith::SubIOp::create(builder, begin, wanted);
  shift = arith::SelectOp::create(builder, at.inside, shift, l.integer(2 * order + 2)); // none
  KanFunctions result;
  result.begin = begin;
  llvm::SmallVector<Value> is;
  for (int64_t s = -order; s <= order; ++s)
    is.push_back(arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, shift, l.integer(s)));
  for (int64_t r = 0; r <= order; ++r) {
    Value value = l.number(0);
    for (int64_t s = -r; s <= order - r; ++s)
      value = arith::SelectOp::create(builder, is[s + order], n[r + s], value);
    result.values.push_back(value);
  }
  return result;
}

void emitWaveletLayer(OpBuilder &builder, Location loc, const Isa &isa, int64_t in, int64_t out,
                      kan::WaveletKind kind, const WaveletOperands &o) {
  constexpr int64_t kTile = 8, kAtOnce = 4;
  Code code{builder, loc};
  int64_t lanes = isa.lanes(), pieces = (out + lanes - 1) / lanes;
  auto columns = [&](Value firstRow, Value rows, Value column, int64_t width) {
    VectorType type = code.floats(width);
    code.rowTiles(rows, kAtOnce, [&](int64_t count, Value row) {
      Value bias = o.bias ? code.loadVector(type, o.bias, column) : code.constant(type, 0);
      Values sums(count, bias);
      sums = code.loop(code.index(0), code.index(in), 1, sums, [&](Value i, ValueRange carried) {
        auto edge = [&](Value memref) { return code.loadVector(type, memref, {i, column}); };
        Value translation = edge(o.translation), scale = edge(o.scale), weight = edge(o.weight);
        Value base = o.base ? edge(o.base) : Value();
        Values next;
        for (int64_t r = 0; r < count; ++r) {
          ImplicitLocOpBuilder b(loc, builder);
          Value x =
              code.splat(width, code.loadScalar(o.x, {code.add(firstRow, code.add(row, r)), i}));
          Value moved = arith::SubFOp::create(b, x, translation);
          Value psi = kan::buildWavelet(b, kind, arith::DivFOp::create(b, moved, scale));
          Value sum = code.fma(weight, psi, carried[r]);
          next.push_back(base ? code.fma(base, x, sum) : sum);
        }
        return next;
      });
      for (int64_t r = 0; r < count; ++r)
        code.storeVector(sums[r], o.out, {code.add(firstRow, code.add(row, r)), column});
    });
  };
  Value tiles = code.ceilDiv(o.rows, kTile);
  code.parallel(code.mul(tiles, pieces), [&](Value piece) {
    Value firstRow = code.mul(code.div(piece, pieces), kTile);
    Value column = code.mul(code.rem(piece, pieces), lanes);
    Value rows = code.min(code.sub(o.rows, firstRow), code.index(kTile));
    if (out % lanes == 0)
      return columns(firstRow, rows, column, lanes);
    if (pieces == 1)
      return columns(firstRow, rows, column, out);
    code.ifElse(
        code.less(column, code.index(out / lanes * lanes)),
        [&] { columns(firstRow, rows, column, lanes); },
        [&] { columns(firstRow, rows, column, out % lanes); });
  });
}

} // namespace plexus::emit
