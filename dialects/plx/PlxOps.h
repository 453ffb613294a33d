// The ops of plx, and questions that passes ask of a model.
#ifndef PLEXUS_DIALECTS_PLX_PLXOPS_H
#define PLEXUS_DIALECTS_PLX_PLXOPS_H

#include "dialects/plx/PlxDialect.h"
#include "dialects/plx/Window.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <optional>

namespace mlir::plx {
class SegmentOp;
class WeightOp;
class StateOp;

/// What a dynamic leading dimension counts.
enum class SizeSymbol { Tokens, Sequences, Outputs };
} // namespace mlir::plx

#include "dialects/plx/PlxOpInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/plx/PlxOps.h.inc"

namespace mlir::plx {

/// The argument attribute of segments and schedules that names the size of the leading dimension.
inline constexpr StringLiteral kRowsAttr = "plx.rows";
/// The argument attribute of schedules that says what callers call the input.
inline constexpr StringLiteral kNameAttr = "plx.name";
/// What callers of a run see (discardable; family.h, plx_graph_api::describe): ports and frames of
/// a schedule, options of the model, ports of a state.
inline constexpr StringLiteral kPortsAttr = "plx.ports", kFramesAttr = "plx.frames",
                               kOptionsAttr = "plx.options", kInputAttr = "plx.input",
                               kOutputAttr = "plx.output";

/// "T", "S" or "R".
StringRef stringify(SizeSymbol symbol);
/// The inverse of `stringify`.
std::optional<SizeSymbol> parseSizeSymbol(StringRef text);

/// What the leading dimension of `value` counts, found by walking to its producer; nothing where it
/// is static or none of the three. Runs are followed into their segments.
std::optional<SizeSymbol> sizeSymbol(Value value);

/// The weights of `segment` in the order of its weight table: first appearance in the body.
SmallVector<StringAttr> collectParams(SegmentOp segment);
/// The states of `segment` in the order of its state table: first appearance in the body.
SmallVector<StringAttr> collectStates(SegmentOp segment);
/// How many scalars a run of `segment` must give: one more than the largest index that is read.
int64_t countScalars(SegmentOp segment);

} // namespace mlir::plx

#endif // PLEXUS_DIALECTS_PLX_PLXOPS_H
