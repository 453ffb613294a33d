//===- CallLayout.h - runtime/abi/Call.h as LLVM types ----------------------------------*- C++
//-*-===//
// The structs of the calling convention as LLVM dialect types, with loads of their fields.
//
// Field numbers are positions in the C struct; CallLayout.cpp checks them against the header's own
// offsets, so that a changed header does not compile until this file follows.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_CALLLAYOUT_H
#define PLEXUS_PASSES_LOWER_CPU_CALLLAYOUT_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace plexus::compiler::call {

enum class CallField { Host, Batch, Inputs, Outputs, Weights, States, Scalars, Scratch };
enum class BatchField {
  Tokens,
  Sequences,
  Outputs,
  Context,
  Sequence,
  Position,
  Index,
  Slot,
  TokenBegin,
  Past,
  OutputRow,
  Tree,
  TreeWords,
  PendingIndex,
  PendingBegin,
  TokenType,
  CarryFrom,
  CarryTo
};
enum class HostField { Self, ParallelFor, Matmul, Mark, MatrixUnit };
enum class KvField { Pages, LayerOffset };
enum class MatmulField { M, N, K, X, XStride, Weight, Layout, Compute, Out, OutStride, Scratch };

mlir::LLVM::LLVMStructType callType(mlir::MLIRContext *context);
mlir::LLVM::LLVMStructType batchType(mlir::MLIRContext *context);
mlir::LLVM::LLVMStructType hostType(mlir::MLIRContext *context);
mlir::LLVM::LLVMStructType kvType(mlir::MLIRContext *context);
mlir::LLVM::LLVMStructType matmulType(mlir::MLIRContext *context);

/// The address of field `index` of the struct at `base`.
mlir::Value fieldAddress(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::LLVM::LLVMStructType type, mlir::Value base, int32_t index);
/// The value of field `index` of the struct at `base`, in the field's own type.
mlir::Value loadField(mlir::OpBuilder &builder, mlir::Location loc, mlir::LLVM::LLVMStructType type,
                      mlir::Value base, int32_t index);

/// Each `load*` reads one field; `base` is an `!llvm.ptr` to the struct.
mlir::Value loadCall(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, CallField field);
mlir::Value loadBatch(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, BatchField field);
mlir::Value loadHost(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, HostField field);
mlir::Value loadKv(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, KvField field);

/// Element `index` of the array of pointers at `array`.
mlir::Value loadPointerAt(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value array,
                          int64_t index);

/// The memref of `type` (identity layout) whose data starts at `pointer`; `sizes` has one index
/// value for each dynamic dimension. Vanishes when memrefs become LLVM descriptors.
mlir::Value memrefFromPointer(mlir::OpBuilder &builder, mlir::Location loc, mlir::MemRefType type,
                              mlir::Value pointer, mlir::ValueRange sizes);
/// The address of `memref`'s first element (offset included), as `!llvm.ptr`.
mlir::Value pointerFromMemref(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value memref);

/// The LLVM descriptor of a ranked memref type: {allocated, aligned, offset, sizes, strides}.
mlir::LLVM::LLVMStructType descriptorType(mlir::MemRefType type);

} // namespace plexus::compiler::call

#endif // PLEXUS_PASSES_LOWER_CPU_CALLLAYOUT_H
