//===- SegmentLowering.h - one segment on its way from tensors to buffers ---------------*- C++
//-*-===//
// What the handlers of LowerSegments share: the new function, its arguments, and the buffer of each
// tensor.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_SEGMENTLOWERING_H
#define PLEXUS_PASSES_LOWER_CPU_SEGMENTLOWERING_H

#include "dialects/plx/PlxOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Options.h"
#include "passes/lower/cpu/emit/Isa.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"

namespace plexus::compiler {

/// Turns one plx.segment into a func.func over memrefs. Each tensor gets one buffer (an argument,
/// an allocation, or a view of another one) when its op is lowered; what a loop carries has one for
/// all of its iterations.
class SegmentLowering {
public:
  SegmentLowering(mlir::plx::SegmentOp segment, const emit::Isa &isa, const CpuOptions &options);

  /// Creates the function (after `after`) and lowers the body.
  mlir::LogicalResult run(mlir::OpBuilder &builder);
  /// Lowers the ops of `block`, all but its terminator, at the builder's place.
  mlir::LogicalResult lowerBlock(mlir::Block &block);

  mlir::OpBuilder &builder() { return body; }
  const emit::Isa &isa() const { return target; }
  const CpuOptions &options() const { return settings; }
  mlir::ModuleOp module();

  //===--- Arguments ---===//
  mlir::Value size(mlir::plx::SizeSymbol symbol);
  mlir::Value context();
  mlir::Value host();
  mlir::Value batch();
  mlir::Value state(mlir::plx::GetStateOp op);
  mlir::Value weight(mlir::plx::ParamOp op);
  mlir::Value scalar(int64_t index);
  mlir::Value batchArray(mlir::plx::BatchField field);

  //===--- Buffers ---===//
  /// The buffer of a lowered tensor.
  mlir::Value buffer(mlir::Value tensor) { return buffers.lookup(tensor); }
  void bind(mlir::Value tensor, mlir::Value memref) { buffers[tensor] = memref; }
  /// A new buffer for `tensor`, bound to it: the segment's output where the tensor becomes one. The
  /// dynamic sizes are the tensor's size symbol unless given.
  mlir::Value allocate(mlir::Value tensor, mlir::ValueRange sizes = {});
  /// As above, with as many rows as `like`'s buffer.
  mlir::Value allocateLike(mlir::Value tensor, mlir::Value like);
  /// A buffer that is nobody's tensor.
  mlir::Value allocate(mlir::MemRefType type, mlir::ValueRange sizes);
  /// Whether `memref` was allocated here, so that it may be overwritten once its readers are done.
  bool isTemporary(mlir::Value memref);
  /// A copy of `memref` in rows without gaps, or `memref` itself if it has none.
  mlir::Value contiguous(mlir::Location loc, mlir::Value memref);
  /// `memref` with all leading dimensions made one: [rows, columns].
  mlir::Value asMatrix(mlir::Location loc, mlir::Value memref, unsigned trailing = 1);
  /// Size of the leading dimension as an index value.
  mlir::Value rows(mlir::Location loc, mlir::Value memref);
  /// A constant memref with the elements of `value`, one for each distinct value of the module.
  mlir::Value constant(mlir::Location loc, mlir::DenseElementsAttr value);

  //===--- Other values ---===//
  /// Values that are not tensors: indices and scalars.
  mlir::IRMapping &scalars() { return mapping; }
  mlir::Value indexConstant(mlir::Location loc, int64_t value);
  /// Where status codes of host calls are kept; the first that is not 0 is returned.
  mlir::Value status();
  /// Something that handlers share, made once (such as a rotation table).
  mlir::Value &shared(mlir::Attribute key) { return sharedValues[key]; }

  /// Runs `emit` and notes on the parallel loops that it makes how much work an iteration is. Loops
  /// in a branch for many rows make `manyRows` times as much.
  void emitParallel(int64_t work, llvm::function_ref<void()> emit, int64_t manyRows = 1);

  /// Notes which form `op` was given (passes/Report.h).
  void report(mlir::Operation *op, llvm::StringRef target, const llvm::Twine &why);

private:
  mlir::Value argument(mlir::Type type, llvm::StringRef role, int64_t index = 0,
                       llvm::StringRef rows = {});
  mlir::Value outputFor(mlir::Value tensor);
  void addSegmentArguments();
  mlir::LogicalResult lowerReturn(mlir::plx::ReturnOp op);

  mlir::plx::SegmentOp segment;
  const emit::Isa &target;
  const CpuOptions &settings;
  mlir::func::FuncOp function;
  mlir::OpBuilder body;
  mlir::DenseMap<mlir::Value, mlir::Value> buffers;
  mlir::IRMapping mapping;
  llvm::StringMap<mlir::Value> arguments;
  llvm::SmallVector<mlir::Value> outputs;
  mlir::DenseMap<mlir::Attribute, mlir::Value> sharedValues;
  mlir::Value statusBuffer;
};

/// How ops of one name are lowered.
struct CpuForm {
  mlir::LogicalResult (*lower)(SegmentLowering &, mlir::Operation *);
  /// Whether this op is of the kind that `lower` takes; null: all are.
  bool (*takes)(mlir::Operation *) = nullptr;
};
/// Forms by op name.
using HandlerTable = llvm::StringMap<CpuForm>;

/// Adds a form for ops of type `Op`, from functions over it.
template <typename Op, mlir::LogicalResult (*lower)(SegmentLowering &, Op)>
void addHandler(HandlerTable &table, bool (*takes)(mlir::Operation *) = nullptr) {
  table[Op::getOperationName()] = {[](SegmentLowering &segment, mlir::Operation *op) {
                                     return lower(segment, mlir::cast<Op>(op));
                                   },
                                   takes};
}

void addProductHandlers(HandlerTable &table);
void addAttentionHandlers(HandlerTable &table);
void addBatchHandlers(HandlerTable &table);
void addTensorHandlers(HandlerTable &table);
void addKanHandlers(HandlerTable &table);
void addMapHandlers(HandlerTable &table);
void addQuantizedConvHandlers(HandlerTable &table);
void addCarryHandlers(HandlerTable &table);
void addScanHandlers(HandlerTable &table);
void addGatedHandlers(HandlerTable &table);
void addCellHandlers(HandlerTable &table);
void addDiagonalHandlers(HandlerTable &table);
void addDplrHandlers(HandlerTable &table);
void addExpertHandlers(HandlerTable &table);
void addBankHandlers(HandlerTable &table);
void addDecoderHandlers(HandlerTable &table);
void addSensorHandlers(HandlerTable &table);
void addSignalHandlers(HandlerTable &table);
void addGaussianHandlers(HandlerTable &table);
void addMatmulHandlers(HandlerTable &table);

/// Lowers an op that the table has no form for: upstream ops on tensors and scalars.
mlir::LogicalResult lowerUpstream(SegmentLowering &segment, mlir::Operation *op);

/// Whether `op` is lowered as it is; others are decomposed first.
bool hasCpuForm(mlir::Operation *op);

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_SEGMENTLOWERING_H
