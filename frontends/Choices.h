// The choices of a compilation as callers name them, read into the compiler's options.
#pragma once

#include "compiler/Compile.h"
#include "runtime/api/CompilerService.h"

#include <optional>

namespace plexus::frontends {

/// InvalidArgument for a word that is not known, with those that are. The cache is not looked at.
Expected<compiler::CompileOptions> readChoices(const CompileChoices &choices);

/// A number of bytes: "300MB" and "1.2GB" by powers of ten, "300MiB" by powers of two.
Expected<uint64_t> readSize(const std::string &text);

/// The largest relative error that one scale may cost what a product reads, for static activations;
/// nothing for dynamic ones. InvalidArgument where static ones do not go with the other choices.
Expected<std::optional<double>> readStaticError(const CompileChoices &choices);

/// The calibration that they ask for, which is not looked at either.
Expected<compiler::CalibrationOptions> readCalibration(const CompileChoices &choices);

} // namespace plexus::frontends
