// Compiles a function built by an emitter to machine code of this process, for tests and
// benchmarks.
#ifndef PLEXUS_TESTS_UNIT_EMIT_HARNESS_H
#define PLEXUS_TESTS_UNIT_EMIT_HARNESS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/lower/cpu/emit/Isa.h"
#include <functional>
#include <memory>
#include <string>

namespace plexus::emit::test {

/// A rank-1 or rank-2 memref descriptor over borrowed memory.
struct Buffer {
  void *allocated;
  void *aligned;
  int64_t offset = 0;
  int64_t shape[4];

  static Buffer vector(const void *data, int64_t size) {
    return {const_cast<void *>(data), const_cast<void *>(data), 0, {size, 1, 0, 0}};
  }
  static Buffer matrix(const void *data, int64_t rows, int64_t columns, int64_t stride) {
    return {const_cast<void *>(data), const_cast<void *>(data), 0, {rows, columns, stride, 1}};
  }
};

/// Machine code of one function. Its arguments are memrefs (given as Buffer), index and !llvm.ptr.
class Compiled {
public:
  template <typename... Args>
  void operator()(const Args &...args) const {
    reinterpret_cast<void (*)(decltype(word(args))...)>(entry)(word(args)...);
  }

private:
  static int64_t word(const Buffer &buffer) { return reinterpret_cast<int64_t>(&buffer); }
  static int64_t word(int64_t value) { return value; }
  static int64_t word(int value) { return value; }
  static int64_t word(const void *pointer) { return reinterpret_cast<int64_t>(pointer); }

  friend class Compiler;
  std::shared_ptr<void> engine;
  void *entry = nullptr;
};

/// Owns the MLIR context.
class Compiler {
public:
  using Body = std::function<void(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;

  Compiler();
  mlir::MLIRContext &context() { return *mlirContext; }

  mlir::Type index();
  mlir::Type pointer();
  mlir::Type bytes();                      ///< memref<?xi8>
  mlir::Type floats(int64_t size);         ///< memref<{size}xf32>
  mlir::Type rows(int64_t columns);        ///< memref<?x{columns}xf32>
  mlir::Type stridedRows(int64_t columns); ///< the same with a free row stride

  /// An object file with func(arguments) { body } for `isa`, whatever this machine has.
  std::string object(const Isa &isa, llvm::ArrayRef<mlir::Type> arguments, const Body &body);
  /// Compiles the same to run here; on a machine without it, for x86-64-v3 (wide
  /// vectors are split then). Aborts the test with a message when it can't.
  Compiled compile(const Isa &isa, llvm::ArrayRef<mlir::Type> arguments, const Body &body);

private:
  std::unique_ptr<mlir::MLIRContext> mlirContext;
};

/// Whether this machine has AVX512_BF16 and the rest of "avx512".
bool hostHasAvx512();
/// The levels to test here: all, without the dot products that the machine lacks.
llvm::ArrayRef<Isa> testIsas();

} // namespace plexus::emit::test

#endif // PLEXUS_TESTS_UNIT_EMIT_HARNESS_H
