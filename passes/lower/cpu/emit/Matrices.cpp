// Small dense linear algebra in f64: the algebra of dialects/ssm/LinearGaussian.h over memory.
#include "passes/lower/cpu/emit/Matrices.h"
#include "dialects/ssm/LinearGaussian.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace plexus::emit {

using Predicate = arith::CmpFPredicate;

//===--- Memory -------------------------------------------------------------------------------===//

Value Matrices::number(double value) {
  return code.make<arith::ConstantOp>(b.getF64FloatAttr(value));
}

StoredMatrix Matrices::fresh(int64_t rows, int64_t columns) {
  Matrix made{Matrix::Kind::Flat, allocate(rows * columns), {sequence}, 0, rows, columns};
  return made;
}

/// The indices of entry (i, j); of a pair those of its part `part`.
static Code::Values indicesOf(const Code &code, const StoredMatrix &x, Value i, Value j,
                              int64_t part) {
  Code::Values indices(x.lead);
  if (x.kind == StoredMatrix::Kind::Flat) {
    indices.push_back(code.add(code.add(code.mul(i, x.columns), j), x.offset));
    return indices;
  }
  if (x.kind == StoredMatrix::Kind::Pair)
    indices.push_back(code.index(part));
  auto rank = static_cast<size_t>(cast<MemRefType>(x.memref.getType()).getRank());
  if (rank - indices.size() == 2)
    indices.push_back(i);
  indices.push_back(j);
  return indices;
}

Value Matrices::load(VectorType type, const Matrix &x, Value i, Value j) {
  auto element = cast<MemRefType>(x.memref.getType()).getElementType();
  auto part = [&](int64_t which) -> Value {
    Value loaded = code.loadVector(type.clone(element), x.memref, indicesOf(code, x, i, j, which));
    return element.isF64() ? loaded : code.make<arith::ExtFOp>(type, loaded).getResult();
  };
  if (x.kind != Matrix::Kind::Pair)
    return part(0);
  return code.make<arith::AddFOp>(part(0), part(1));
}

Value Matrices::load(const Matrix &x, Value i, Value j) {
  auto part = [&](int64_t which) -> Value {
    Value loaded = code.loadScalar(x.memref, indicesOf(code, x, i, j, which));
    Type f64 = b.getF64Type();
    return loaded.getType() == f64 ? loaded : code.make<arith::ExtFOp>(f64, loaded).getResult();
  };
  if (x.kind != Matrix::Kind::Pair)
    return part(0);
  return code.make<arith::AddFOp>(part(0), part(1));
}

void Matrices::store(Value value, const Matrix &x, Value i, Value j) {
  auto element = cast<MemRefType>(x.memref.getType()).getElementType();
  auto vector = dyn_cast<VectorType>(value.getType());
  if (!element.isF64())
    value = code.make<arith::TruncFOp>(vector ? Type(vector.clone(element)) : element, value);
  Code::Values indices = indicesOf(code, x, i, j, 0);
  if (vector)
    code.storeVector(value, x.memref, indices);
  else
    code.make<memref::StoreOp>(value, x.memref, indices);
}

//===--- Loops --------------------------------------------------------------------------------===//

Value Matrices::place(const Group &group, size_t vector) {
  return code.add(group.column, static_cast<int64_t>(vector) * lanes);
}

void Matrices::forGroups(int64_t columns, llvm::function_ref<void(const Group &)> body) {
  constexpr int64_t kVectors = 8;
  VectorType whole = code.vectorType(lanes, b.getF64Type());
  int64_t width = kVectors * lanes, full = columns / width * width;
  if (full > 0)
    code.loop(0, full, width, [&](Value column) {
      body({column, llvm::SmallVector<VectorType>(kVectors, whole)});
    });
  if (full == columns)
    return;
  Group rest{code.index(full), {}};
  for (int64_t left = columns - full; left > 0; left -= lanes)
    rest.types.push_back(code.vectorType(std::min(left, lanes), b.getF64Type()));
  body(rest);
}

/// `body` with the number of each row; one row needs no loop.
static void forRows(const Code &code, int64_t rows, Code::Body body) {
  if (rows == 1)
    body(code.index(0));
  else
    code.loop(0, rows, 1, body);
}

Code::Values Matrices::sumRows(const Group &group, Value begin, Value end, ValueRange init,
                               const Matrix &y, llvm::function_ref<Value(Value)> factor) {
  return code.loop(begin, end, 1, init, [&](Value k, ValueRange sums) {
    Value scale = factor(k);
    Code::Values next;
    for (auto [v, type] : llvm::enumerate(group.types)) {
      Value row = load(type, y, k, place(group, v));
      next.push_back(code.fma(code.splat(type.getNumElements(), scale), row, sums[v]));
    }
    return next;
  });
}

StoredMatrix Matrices::sums(int64_t rows, int64_t inner, const Matrix &y,
                            llvm::function_ref<Value(Value, Value)> factor) {
  Matrix out = fresh(rows, y.columns);
  forRows(code, rows, [&](Value i) {
    forGroups(y.columns, [&](const Group &group) {
      Code::Values zeros;
      for (VectorType type : group.types)
        zeros.push_back(code.constant(type, 0));
      Code::Values made = sumRows(group, code.index(0), code.index(inner), zeros, y,
                                  [&](Value k) { return factor(i, k); });
      for (auto [v, value] : llvm::enumerate(made))
        store(value, out, i, place(group, v));
    });
  });
  return out;
}

StoredMatrix Matrices::map(llvm::ArrayRef<Matrix> inputs, Body body) {
  Matrix out = fresh(inputs[0].rows, inputs[0].columns);
  forRows(code, out.rows, [&](Value i) {
    code.pieces(out.columns, lanes, [&](Value j, VectorType floats) {
      VectorType type = floats.clone(b.getF64Type());
      Code::Values values;
      for (const Matrix &input : inputs)
        values.push_back(load(type, input, i, j));
      store(body(b, values), out, i, j);
    });
  });
  return out;
}

void Matrices::copy(const Matrix &from, const Matrix &to) {
  forRows(code, from.rows, [&](Value i) {
    code.pieces(from.columns, lanes, [&](Value j, VectorType floats) {
      store(load(floats.clone(b.getF64Type()), from, i, j), to, i, j);
    });
  });
}

//===--- Products -----------------------------------------------------------------------------===//

StoredMatrix Matrices::product(const Matrix &x, const Matrix &y) {
  return sums(x.rows, x.columns, y, [&](Value i, Value k) { return load(x, i, k); });
}

StoredMatrix Matrices::gram(const Matrix &x) {
  return sums(x.columns, x.rows, x, [&](Value i, Value k) { return load(x, k, i); });
}

StoredMatrix Matrices::transposed(const Matrix &x) {
  Matrix out = fresh(x.columns, x.rows);
  forRows(code, x.rows, [&](Value i) {
    forRows(code, x.columns, [&](Value j) { store(load(x, i, j), out, j, i); });
  });
  return out;
}

/// One row by the rows of y; with more of them y is turned once.
StoredMatrix Matrices::productTransposed(const Matrix &x, const Matrix &y) {
  if (x.rows > 1)
    return product(x, transposed(y));
  Matrix out = fresh(1, y.rows);
  forRows(code, y.rows,
          [&](Value j) { store(dotRows(x, code.index(0), y, j), out, code.index(0), j); });
  return out;
}

Value Matrices::dotRows(const Matrix &x, Value i, const Matrix &y, Value j) {
  auto term = [&](VectorType type, Value column, Value sum) {
    return code.fma(load(type, x, i, column), load(type, y, j, column), sum);
  };
  auto reduced = [&](Value vector) -> Value {
    return code.make<vector::ReductionOp>(vector::CombiningKind::ADD, vector,
                                          arith::FastMathFlags::reassoc);
  };
  VectorType whole = code.vectorType(lanes, b.getF64Type());
  int64_t full = x.columns / lanes * lanes, rest = x.columns - full;
  Value sum;
  if (full > 0) {
    Value zero = code.constant(whole, 0);
    sum = reduced(code.loop(code.index(0), code.index(full), lanes, zero,
                            [&](Value column, ValueRange last) -> Code::Values {
                              return {term(whole, column, last[0])};
                            })[0]);
  }
  if (rest > 0) {
    VectorType type = code.vectorType(rest, b.getF64Type());
    Value tail = reduced(term(type, code.index(full), code.constant(type, 0)));
    sum = sum ? code.make<arith::AddFOp>(sum, tail).getResult() : tail;
  }
  return sum;
}

Value Matrices::dot(const Matrix &x, const Matrix &y) {
  return code.loop(code.index(0), code.index(x.rows), 1, number(0),
                   [&](Value i, ValueRange last) -> Code::Values {
                     return {code.make<arith::AddFOp>(last[0], dotRows(x, i, y, i))};
                   })[0];
}

StoredMatrix Matrices::identity(const Matrix &like) {
  Matrix out = fresh(like.rows, like.columns);
  forRows(code, out.rows, [&](Value i) {
    code.pieces(out.columns, lanes, [&](Value j, VectorType floats) {
      store(code.constant(floats.clone(b.getF64Type()), 0), out, i, j);
    });
    store(number(1), out, i, i);
  });
  return out;
}

//===--- Factors ------------------------------------------------------------------------------===//

Value Matrices::reciprocal(Value pivot, Value vanishes) {
  Value inverse = code.make<arith::DivFOp>(number(1), pivot);
  return code.select(vanishes, number(0), inverse);
}

/// Outer products: row k of what is left becomes the factor's row k, in place.
StoredMatrix Matrices::factor(const Matrix &s) {
  Matrix u = fresh(s.rows, s.columns);
  copy(s, u);
  auto update = [&](Value row, llvm::function_ref<Value(Value j, Value entry)> entry) {
    code.pieces(u.columns, lanes, [&](Value j, VectorType floats) {
      VectorType type = floats.clone(b.getF64Type());
      store(entry(j, load(type, u, row, j)), u, row, j);
    });
  };
  auto splat = [&](Value scalar, Value like) {
    return code.splat(cast<VectorType>(like.getType()).getNumElements(), scalar);
  };
  code.loop(0, u.rows, 1, [&](Value k) {
    Value pivot = load(u, k, k);
    Value limit = code.make<arith::MulFOp>(load(s, k, k), number(mlir::ssm::kVanishingPivot));
    Value vanishes = code.make<arith::CmpFOp>(Predicate::OLE, pivot, limit);
    Value scale = reciprocal(code.make<math::SqrtOp>(pivot), vanishes);
    update(k, [&](Value, Value entry) {
      return code.make<arith::MulFOp>(entry, splat(scale, entry)).getResult();
    });
    code.loop(code.add(k, 1), code.index(u.rows), 1, [&](Value i) {
      Value factor = code.make<arith::NegFOp>(load(u, k, i));
      update(i, [&](Value j, Value entry) {
        return code.fma(splat(factor, entry), load(cast<VectorType>(entry.getType()), u, k, j),
                        entry);
      });
    });
    code.loop(code.index(0), k, 1, [&](Value j) { store(number(0), u, k, j); });
  });
  return u;
}

StoredMatrix Matrices::solveRows(const Matrix &u, const Matrix &rhs, bool transposed) {
  Matrix x = fresh(rhs.rows, rhs.columns);
  code.loop(0, rhs.rows, 1, [&](Value number) {
    Value i = transposed ? number : code.sub(code.index(rhs.rows - 1), number);
    Value begin = transposed ? code.index(0) : code.add(i, 1);
    Value end = transposed ? i : code.index(rhs.rows);
    Value pivot = load(u, i, i);
    Value vanishes = code.make<arith::CmpFOp>(Predicate::OEQ, pivot, this->number(0));
    Value scale = reciprocal(pivot, vanishes);
    forGroups(rhs.columns, [&](const Group &group) {
      Code::Values rest;
      for (auto [v, type] : llvm::enumerate(group.types))
        rest.push_back(load(type, rhs, i, place(group, v)));
      Code::Values left = sumRows(group, begin, end, rest, x, [&](Value k) -> Value {
        return code.make<arith::NegFOp>(transposed ? load(u, k, i) : load(u, i, k));
      });
      for (auto [v, value] : llvm::enumerate(left)) {
        Value factor = code.splat(group.types[v].getNumElements(), scale);
        store(code.make<arith::MulFOp>(value, factor), x, i, place(group, v));
      }
    });
  });
  return x;
}

StoredMatrix Matrices::solveTransposed(const Matrix &u, const Matrix &rhs) {
  return solveRows(u, rhs, true);
}
StoredMatrix Matrices::solve(const Matrix &u, const Matrix &rhs) {
  return solveRows(u, rhs, false);
}

Value Matrices::logDiagonal(const Matrix &u) {
  return code.loop(code.index(0), code.index(u.rows), 1, number(0),
                   [&](Value i, ValueRange last) -> Code::Values {
                     Value log = code.make<math::LogOp>(load(u, i, i));
                     return {code.make<arith::AddFOp>(last[0], log)};
                   })[0];
}

} // namespace plexus::emit
