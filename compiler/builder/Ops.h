// The builder's ops: their names, operands, attributes and result types, as one table.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/OperationSupport.h"
#include "plexus/family.h"
#include "runtime/support/Status.h"

namespace plexus::compiler {

/// Turns one builder call into the state of its op, ready to be created and verified. Refuses
/// unknown names (listing the known ones), wrong numbers of operands, unknown, missing and mistyped
/// attributes.
Status buildOp(mlir::OperationState &state, llvm::StringRef name,
               llvm::ArrayRef<mlir::Value> operands, llvm::ArrayRef<const plx_attr *> attrs);
/// The IR name of builder op `name`, or empty.
llvm::StringRef irName(llvm::StringRef name);
/// Whether operands of builder op `name` may be absent: null Values for buildOp.
bool takesAbsent(llvm::StringRef name);

} // namespace plexus::compiler
