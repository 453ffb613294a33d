// Which CPUs this process may use, one for each physical core.
#pragma once

#include <vector>

namespace plexus {

/// The first CPU of each physical core in this process's affinity mask, ascending; at least one.
std::vector<int> physicalCores();

} // namespace plexus
