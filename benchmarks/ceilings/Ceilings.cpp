// Prints what this machine can do at most, as one JSON document.
// usage: bench_ceilings [--threads N]
#include "runtime/profile/Ceilings.h"

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

using namespace plexus;

namespace {

nlohmann::ordered_json orNull(const std::optional<double> &value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

} // namespace

int main(int argc, char **argv) {
  ThreadPool &pool = ThreadPool::shared();
  if (argc == 3 && std::string_view(argv[1]) == "--threads" && std::atoi(argv[2]) > 0) {
    pool.setThreads(std::atoi(argv[2]));
  } else if (argc != 1) {
    std::fprintf(stderr, "usage: bench_ceilings [--threads N]\n");
    return 2;
  }
  const Ceilings found = measureCeilings(pool);
  const nlohmann::ordered_json out = {{"threads", pool.threads()},
                                      {"read", found.readBytes},
                                      {"f32", orNull(found.f32)},
                                      {"bf16", orNull(found.bf16)},
                                      {"u8s8", orNull(found.u8s8)}};
  std::printf("%s\n", out.dump().c_str());
  return 0;
}
