// How long the phases of a compilation took.
#pragma once

#include <chrono>
#include <cstdint>

namespace plexus::compiler {

/// Seconds of each phase, and sizes. ISAs are worked on at once, so that `lower`, `optimise` and
/// `codegen`, summed over them, are more than the `code` that passed.
struct CompileStats {
  double graph = 0;    ///< Graph passes: fusion, encodings, taps.
  double code = 0;     ///< From the first lowering to the last image; 0 where the cache has it.
  double lower = 0;    ///< From plx to the LLVM dialect.
  double optimise = 0; ///< Translation to LLVM IR and its passes.
  double codegen = 0;  ///< Machine code.
  double link = 0;
  double pack = 0;
  uint64_t codeBytes = 0, weightBytes = 0;
  bool codeCached = false, weightsCached = false;
  /// All but packing, which code is made beside.
  double compile() const { return graph + code; }
  /// Adds the phases of one ISA.
  void addCode(const CompileStats &isa) {
    lower += isa.lower;
    optimise += isa.optimise;
    codegen += isa.codegen;
    link += isa.link;
    codeBytes += isa.codeBytes;
    codeCached |= isa.codeCached;
  }
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
