//===- SegmentArgs.h - the roles of a lowered segment's arguments -----------------------*- C++
//-*-===//
// Names of the argument attributes by which the passes of lower/cpu agree on a segment's arguments.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_LOWER_CPU_SEGMENTARGS_H
#define PLEXUS_PASSES_LOWER_CPU_SEGMENTARGS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <optional>
#include <string>

namespace plexus::compiler {

/// Marks a function as a lowered segment; its value is the segment's entry symbol ("plx_attn").
inline constexpr llvm::StringLiteral kSegmentAttr = "plexus.entry";
/// An argument's role: "input" "output" "weight" "state" "scalar" (with plexus.index), "host"
/// "batch" "scratch", or a size: "tokens" "sequences" "outputs" "context".
inline constexpr llvm::StringLiteral kRoleAttr = "plexus.abi";
inline constexpr llvm::StringLiteral kIndexAttr = "plexus.index";
/// Symbol of a dynamic leading dimension: "T", "S" or "R".
inline constexpr llvm::StringLiteral kRowsAttr = "plexus.rows";
/// Elementary operations of one iteration of an scf.parallel.
inline constexpr llvm::StringLiteral kWorkAttr = "plexus.work";

/// Roles of the four size arguments, in the order of a scratch function's parameters.
inline constexpr llvm::StringLiteral kSizeRoles[] = {"tokens", "sequences", "outputs", "context"};
/// The symbols that go with them in types; the context has none.
inline constexpr llvm::StringLiteral kSizeSymbols[] = {"T", "S", "R", ""};

/// The first argument of `function` with the given role, or null.
inline mlir::Value segmentArgument(mlir::func::FuncOp function, llvm::StringRef role,
                                   int64_t index = 0) {
  for (mlir::BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto found = function.getArgAttrOfType<mlir::StringAttr>(number, kRoleAttr);
    auto position = function.getArgAttrOfType<mlir::IntegerAttr>(number, kIndexAttr);
    if (found && found.getValue() == role && (position ? position.getInt() : 0) == index)
      return argument;
  }
  return {};
}

/// Whether `function` is a lowered segment, as opposed to a helper beside one.
inline bool isSegment(mlir::func::FuncOp function) { return function->hasAttr(kSegmentAttr); }

/// Gives `function` a symbol that only its own object file sees.
inline void makeInternal(mlir::func::FuncOp function) {
  function.setPrivate();
  function->setAttr("llvm.linkage", mlir::LLVM::LinkageAttr::get(function.getContext(),
                                                                 mlir::LLVM::Linkage::Internal));
}

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_LOWER_CPU_SEGMENTARGS_H
