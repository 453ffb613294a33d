// A model as a shared library with a C header, for programs without the loader.
#pragma once

#include "compiler/Compile.h"

namespace plexus::compiler {

struct LibraryOptions {
  /// Names in the header begin with this; empty: the file's name without "lib" and extension.
  std::string prefix;
  /// The schedule's output that `<prefix>_forward` gives; empty: the first.
  std::string output;
};

/// Writes `<path>` (the shared object, weights within) and the header beside it, `.h` for its
/// extension; returns both paths. For one ISA (the options' first, x86-64-v3 if they name none) and
/// with generated products: the library imports libc and libm alone and runs on the caller's
/// thread. Unsupported: models with other inputs than `input_ids`, weights of more than 1.5 GiB.
Expected<std::vector<std::string>> emitLibrary(const ModelSource &source, CompileOptions options,
                                               const LibraryOptions &library,
                                               const std::string &path,
                                               const Progress &progress = {});

} // namespace plexus::compiler
