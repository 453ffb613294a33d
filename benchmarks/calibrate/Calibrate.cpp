// A fixed piece of work of the kinds that a compiler does (hashing, chasing pointers, sorting), by
// whose processor time `scripts/bench --quick` measures that of compiling. Prints a checksum.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

int main() {
  uint64_t x = 0x9e3779b97f4a7c15u, sum = 0;
  auto next = [&] { return x = x * 6364136223846793005u + 1442695040888963407u; };
  for (int round = 0; round < 6; ++round) {
    std::map<std::string, uint64_t> names;
    for (int i = 0; i < 60000; ++i)
      names["value_" + std::to_string(next() >> 44)] += static_cast<uint64_t>(i);
    std::vector<uint64_t> order;
    for (const auto &[name, value] : names)
      order.push_back(value * std::hash<std::string>()(name));
    std::sort(order.begin(), order.end());
    sum += order[order.size() / 2];
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
