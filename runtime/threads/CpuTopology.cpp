// Reads the affinity mask and the kernel's list of sibling threads.
#include "runtime/threads/CpuTopology.h"

#include <fstream>
#include <sched.h>
#include <string>

namespace plexus {
namespace {

/// The lowest CPU that shares a core with `cpu`, as the kernel tells it; `cpu` where it does not.
int firstSibling(int cpu) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                     "/topology/thread_siblings_list");
  int first = cpu;
  return file >> first ? first : cpu;
}

} // namespace

std::vector<int> physicalCores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return {0};
  std::vector<int> cores, seen;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed))
      continue;
    int core = firstSibling(cpu);
    bool known = false;
    for (int other : seen)
      known |= other == core;
    if (known)
      continue;
    seen.push_back(core);
    cores.push_back(cpu);
  }
  return cores.empty() ? std::vector<int>{0} : cores;
}

} // namespace plexus
