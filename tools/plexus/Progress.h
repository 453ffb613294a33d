// A progress bar on a terminal, and nothing where stderr is piped.
#pragma once

#include "runtime/api/CompilerService.h"

namespace plexus::cli {

/// A callback that draws on stderr while it is a terminal; the bar is gone when the copy that drew
/// it is destroyed.
CompileProgress progressBar();

} // namespace plexus::cli
