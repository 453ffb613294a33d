// The C table over a GraphBuilder: what a family's plugin is handed.
#pragma once

#include "compiler/builder/GraphBuilder.h"

namespace plexus::compiler {

/// The table; the same for every graph, alive as long as the library.
const plx_graph_api *graphApi();
/// The handle that the table's functions take for `builder`.
inline plx_graph *handle(GraphBuilder &builder) { return reinterpret_cast<plx_graph *>(&builder); }

} // namespace plexus::compiler
