// Graphs that a program builds itself, compiled in memory.
#pragma once

#include "runtime/api/CompilerService.h"

namespace plexus::frontends {

/// `weights`: the .safetensors file that sources refer to; empty where all weights are constants.
Expected<std::unique_ptr<GraphBuild>> newGraph(const std::string &name, const std::string &weights);

} // namespace plexus::frontends
