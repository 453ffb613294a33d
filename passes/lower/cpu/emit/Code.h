// Short spellings for the operations that emitters build all the time.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_CODE_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_CODE_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace plexus::emit {

/// A builder with its location, and the arithmetic of addresses. Values are of type index unless a
/// name says otherwise.
struct Code {
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;
  using Body = llvm::function_ref<void(Value)>;
  using LoopBody = llvm::function_ref<Values(Value, mlir::ValueRange)>;

  mlir::OpBuilder &builder;
  mlir::Location loc;

  template <typename Op, typename... Args>
  Op make(Args &&...args) const {
    return Op::create(builder, loc, std::forward<Args>(args)...);
  }

  mlir::VectorType vectorType(int64_t lanes, mlir::Type element) const {
    return mlir::VectorType::get({lanes}, element);
  }
  mlir::VectorType floats(int64_t lanes) const { return vectorType(lanes, builder.getF32Type()); }

  Value index(int64_t value) const;
  Value add(Value a, Value b) const;
  Value add(Value a, int64_t b) const { return b == 0 ? a : add(a, index(b)); }
  Value sub(Value a, Value b) const;
  Value mul(Value a, Value b) const;
  Value mul(Value a, int64_t b) const { return b == 1 ? a : mul(a, index(b)); }
  /// Division and remainder of non-negative values.
  Value div(Value a, int64_t b) const;
  Value rem(Value a, int64_t b) const;
  Value ceilDiv(Value a, int64_t b) const { return div(add(a, b - 1), b); }
  Value min(Value a, Value b) const;
  Value max(Value a, Value b) const;
  Value less(Value a, Value b) const;
  Value select(Value condition, Value yes, Value no) const;
  /// index <-> i64 and i32.
  Value toI64(Value value) const;
  Value toI32(Value value) const;
  Value toIndex(Value integer) const;

  /// A constant of an f32, i32 or vector type with all lanes equal.
  Value constant(mlir::Type type, double value) const;
  Value splat(int64_t lanes, Value scalar) const;
  Value fma(Value a, Value b, Value c) const;
  Value loadVector(mlir::VectorType type, Value memref, mlir::ValueRange indices) const;
  void storeVector(Value vector, Value memref, mlir::ValueRange indices) const;
  Value loadScalar(Value memref, mlir::ValueRange indices) const;

  /// A loop over [begin, end) in steps.
  void loop(Value begin, Value end, int64_t step, Body body) const;
  void loop(int64_t begin, int64_t end, int64_t step, Body body) const {
    loop(index(begin), index(end), step, body);
  }
  /// A loop that carries values: the body returns the next ones.
  Values loop(Value begin, Value end, int64_t step, mlir::ValueRange inits, LoopBody body) const;
  /// A parallel loop over [0, end).
  void parallel(Value end, Body body) const;
  void ifThen(Value condition, llvm::function_ref<void()> then) const;
  void ifElse(Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise) const;
  Values ifElse(Value condition, mlir::TypeRange types, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise) const;

  /// Calls `body` with the begin and type of the pieces of [0, size): whole vectors, in a loop,
  /// then the rest as one shorter vector.
  void pieces(int64_t size, int64_t lanes,
              llvm::function_ref<void(Value, mlir::VectorType)> body) const;
  /// Calls `body` for tiles of `tileRows` rows, in a loop, then for the rest (fewer than 8) in
  /// tiles of 4, 2 and 1. Sizes are constants, each is built once.
  using TileBody = llvm::function_ref<void(int64_t rows, Value row)>;
  void rowTiles(Value rows, int64_t tileRows, TileBody body) const;
  /// The same with the rest, a multiple of `multiple`, as one tile: one more is built for each
  /// size.
  void wholeRowTiles(Value rows, int64_t tileRows, int64_t multiple, TileBody body) const;

  /// memref<size x type> on the stack, aligned to 64 bytes. Only inside stackScope.
  Value stackBuffer(int64_t size, mlir::Type type) const;
  /// Frees what the body puts on the stack when it ends: a parallel body runs many times in a
  /// frame.
  void stackScope(llvm::function_ref<void()> body) const;
  /// A part of a memref<?xi8> as memref<size x type>.
  Value view(Value bytes, Value byteOffset, int64_t size, mlir::Type type) const;
};

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_CODE_H
