//===- Passes.h - declarations and registration of the passes ---------------------------*- C++
//-*-===//
// What Passes.td defines, as C++: a create function for each pass and registerPasses().
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_PASSES_H
#define PLEXUS_PASSES_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace plexus::compiler {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_PASSES_H
