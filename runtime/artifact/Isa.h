// The instruction sets that code is compiled for, and which of them this CPU has.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

/// What the compiler generates for each is in passes/lower/cpu/emit/Isa.h, under the same names.
struct Isa {
  std::string_view name;
  /// Features as /proc/cpuinfo spells them; all are needed.
  std::string_view needs;
  bool (*supported)();
};

/// Best first.
std::span<const Isa> knownIsas();
const Isa *findIsa(std::string_view name);

/// Names of the ISAs that this CPU runs, best first. The environment variable PLEXUS_ISA (names
/// with commas between) leaves only those that it names: for tests, and to compare.
std::vector<std::string_view> hostIsas();

} // namespace plexus
