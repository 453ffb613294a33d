// The bar is redrawn in place, at most ten times a second.
#include "Progress.h"

#include <chrono>
#include <cstdio>
#include <string>

#include <unistd.h>

namespace plexus::cli {
namespace {

class Bar {
public:
  ~Bar() {
    if (drawn)
      std::fputs("\r\x1b[K", stderr);
  }
  void draw(std::string_view phase, uint64_t done, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (drawn && done < total && now - last < std::chrono::milliseconds(100))
      return;
    last = now;
    drawn = true;
    constexpr int kWidth = 30;
    const int filled = total ? static_cast<int>(kWidth * (double(done) / total)) : 0;
    std::fprintf(stderr, "\r\x1b[K%-8.*s [%s%s] %3.0f%%", int(phase.size()), phase.data(),
                 std::string(filled, '=').c_str(), std::string(kWidth - filled, ' ').c_str(),
                 total ? 100.0 * done / total : 0.0);
    std::fflush(stderr);
  }

private:
  bool drawn = false;
  std::chrono::steady_clock::time_point last;
};

} // namespace

CompileProgress progressBar() {
  if (!isatty(STDERR_FILENO))
    return {};
  return [bar = std::make_shared<Bar>()](std::string_view phase, uint64_t done, uint64_t total) {
    bar->draw(phase, done, total);
    return true;
  };
}

} // namespace plexus::cli
