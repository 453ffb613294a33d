// Machine code from a module in the LLVM dialect: objects, shared objects, and the JIT.
#pragma once

#include "compiler/codegen/Stats.h"
#include "runtime/program/Program.h"
#include "runtime/support/Status.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::compiler {

/// Optimises for the ISA (passes/lower/cpu/emit/Isa.h) and gives a relocatable ELF object. Only
/// `exports` stay visible; whatever they do not use is dropped. The module is left as it is.
Expected<std::string> compileToObject(mlir::ModuleOp module, std::string_view isa,
                                      std::span<const std::string> exports, CompileStats &stats);

/// Assembles x86-64 text (AT&T syntax) into a relocatable ELF object. Errors name the line.
Expected<std::string> assembleToObject(std::string_view text);

struct LinkOptions {
  std::string soname;               ///< Empty: none.
  std::vector<std::string> exports; ///< Visible symbols; empty: all.
};

/// Links objects into an ELF shared object that imports only libc and libm and runs nothing when it
/// is loaded. Errors are the linker's.
Expected<std::string> linkSharedObject(std::span<const std::string> objects,
                                       const LinkOptions &options, CompileStats &stats);

/// The module's code in this process. Mismatch where this CPU does not run the ISA.
Expected<std::shared_ptr<const CodeModule>> jitModule(mlir::ModuleOp module, std::string_view isa,
                                                      std::span<const std::string> exports,
                                                      CompileStats &stats);

} // namespace plexus::compiler
