// Reads the structs of runtime/abi/Call.h from generated code.
#ifndef PLEXUS_PASSES_LOWER_CPU_EMIT_BATCH_H
#define PLEXUS_PASSES_LOWER_CPU_EMIT_BATCH_H

#include "mlir/IR/Builders.h"
#include "runtime/abi/Call.h"

namespace plexus::emit {

/// The fields of a plx_batch, loaded once where the emitter starts. Sizes are of type index, arrays
/// are !llvm.ptr.
struct BatchFields {
  mlir::Value tokens, sequences, context;
  mlir::Value sequence, position, index, slot, tokenBegin, past;
  mlir::Value tree; ///< !llvm.ptr, may be null at run time
  mlir::Value treeWords, pendingIndex, pendingBegin;
  mlir::Value carryFrom, carryTo; ///< arrays of pointers
};

/// Loads all fields of the plx_batch at `batch` (!llvm.ptr).
BatchFields loadBatch(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value batch);

/// Element `i` (index) of an array of int32_t, as index.
mlir::Value loadI32(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value array, mlir::Value i);

/// Element `i` (index) of an array of pointers.
mlir::Value loadPointer(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value array,
                        mlir::Value i);

/// Whether the pointer is null: i1.
mlir::Value isNull(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value pointer);

/// The address `bytes` (index) behind `base` (!llvm.ptr).
mlir::Value byteOffset(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value base,
                       mlir::Value bytes);

/// K of page `page` (index) of sequence `sequence` (index) in the plx_kv at `kv`: its layer's first
/// byte; without `toLayer` the page's own, null where a window has left it behind.
mlir::Value loadPage(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value kv,
                     mlir::Value sequence, mlir::Value page, bool toLayer = true);

/// The same of plx_kv::sealed.
mlir::Value loadSealedPage(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value kv,
                           mlir::Value sequence, mlir::Value page, bool toLayer = true);

/// Calls plx_kv::seal.
void callSeal(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value kv, mlir::Value page,
              mlir::Value sealed);

/// A parallel loop over tokens, in items of 16: a decode step stays on its thread.
void forTokens(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value tokens,
               llvm::function_ref<void(mlir::Value)> body);

} // namespace plexus::emit

#endif // PLEXUS_PASSES_LOWER_CPU_EMIT_BATCH_H
