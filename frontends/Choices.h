// The choices of a compilation as callers name them, read into the compiler's options.
#pragma once

#include "compiler/Compile.h"
#include "runtime/api/CompilerService.h"

namespace plexus::frontends {

/// InvalidArgument for a word that is not known, with those that are. The cache is not looked at.
Expected<compiler::CompileOptions> readChoices(const CompileChoices &choices);

} // namespace plexus::frontends
