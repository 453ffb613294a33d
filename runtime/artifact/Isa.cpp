// The table of instruction sets.
#include "runtime/artifact/Isa.h"

#include <array>
#include <cstdlib>

namespace plexus {
namespace {

// The feature names are those of the psABI's levels; libgcc's and compiler-rt's detection asks the
// operating system (XGETBV) too.
bool hasV3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
         __builtin_cpu_supports("movbe");
}

bool hasAvx512() {
  return hasV3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512bf16");
}

constexpr std::array<Isa, 2> kIsas = {{
    {"avx512", "avx512f avx512bw avx512cd avx512dq avx512vl avx512_vnni avx512_bf16", hasAvx512},
    {"x86-64-v3", "avx2 fma bmi1 bmi2 f16c abm movbe", hasV3},
}};

/// Whether `name` is one of the comma-separated names in `list`.
bool named(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    if (list.substr(0, comma) == name)
      return true;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

} // namespace

std::span<const Isa> knownIsas() { return kIsas; }

const Isa *findIsa(std::string_view name) {
  for (const Isa &isa : kIsas)
    if (isa.name == name)
      return &isa;
  return nullptr;
}

std::vector<std::string_view> hostIsas() {
  const char *mask = std::getenv("PLEXUS_ISA");
  std::vector<std::string_view> names;
  for (const Isa &isa : kIsas)
    if (isa.supported() && (!mask || named(mask, isa.name)))
      names.push_back(isa.name);
  return names;
}

} // namespace plexus
