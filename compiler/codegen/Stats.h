// How long the phases of a compilation took.
#pragma once

#include <chrono>
#include <cstdint>

namespace plexus::compiler {

/// Seconds of each phase, summed over ISAs, and sizes.
struct CompileStats {
  double graph = 0;    ///< Graph passes: fusion, encodings, taps.
  double lower = 0;    ///< From plx to the LLVM dialect.
  double optimise = 0; ///< Translation to LLVM IR and O3.
  double codegen = 0;  ///< Machine code.
  double link = 0;
  double pack = 0;
  uint64_t codeBytes = 0, weightBytes = 0;
  bool codeCached = false, weightsCached = false;
  /// All but packing.
  double compile() const { return graph + lower + optimise + codegen + link; }
};

/// Adds the time of its life to `seconds`.
class PhaseTimer {
public:
  explicit PhaseTimer(double &seconds) : seconds_(seconds) {}
  ~PhaseTimer() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  PhaseTimer(const PhaseTimer &) = delete;
  PhaseTimer &operator=(const PhaseTimer &) = delete;

private:
  double &seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

} // namespace plexus::compiler
