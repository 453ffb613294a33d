// One entry for every kind of model that can be compiled.
#pragma once

#include "compiler/Compile.h"
#include "frontends/huggingface/Import.h"

namespace plexus::frontends {

/// Imports a Hugging Face directory, a GGUF file or a module's text (.mlir), told apart by what
/// they are. NotFound where there is nothing; Unsupported, by name, for other formats.
Expected<compiler::ModelSource> importModel(mlir::MLIRContext &context, const std::string &path,
                                            const FamilyFinder &findFamily);

} // namespace plexus::frontends
