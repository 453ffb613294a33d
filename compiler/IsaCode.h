// Code of a prepared model for several instruction sets at once, beside the packing of its weights.
#pragma once

#include "compiler/Stages.h"

#include <atomic>
#include <chrono>
#include <future>
#include <span>
#include <string>
#include <vector>

namespace plexus::compiler {

/// An ISA's object file, and where the ops went in it.
struct IsaObject {
  std::string isa, object;
  std::vector<ReportEntry> report;
};

/// How far work on other threads is; `cancelled` asks it to stop at its next stage.
struct CodeProgress {
  std::atomic<uint64_t> done = 0;
  std::atomic<bool> cancelled = false;
};

/// Lowers and generates code for each ISA, a thread and an MLIR context each. Objects are in the
/// order of `isas`, whoever was first; an error is that of the first ISA that has one.
Expected<std::vector<IsaObject>> generateObjects(const Prepared &prepared,
                                                 const CompileOptions &options,
                                                 std::span<const std::string> isas,
                                                 CodeProgress &progress, CompileStats &stats);

/// A function that runs on a thread of its own and is waited for in the end, whatever happens.
/// It may read `progress` and count in it up to `total`.
template <typename T>
class BesidePacking {
public:
  template <typename Make>
  BesidePacking(uint64_t total, Make make)
      : total_(total), result_(std::async(std::launch::async, [this, make = std::move(make)] {
          PhaseTimer timer(seconds_);
          return make(progress_);
        })) {}
  ~BesidePacking() { progress_.cancelled = true; } // the future's destructor waits

  /// The result; `show` tells of the phase "compile" until it is there, and may cancel it. Where
  /// `packed` failed, that is the error.
  Expected<T> finish(const Status &packed, const Progress &show, CompileStats &stats) {
    bool wanted = packed.isOk();
    do {
      if (wanted && show)
        wanted = show("compile", progress_.done, total_);
      progress_.cancelled = !wanted;
    } while (result_.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready);
    auto result = result_.get();
    stats.code += seconds_;
    PLX_RETURN_IF_ERROR(packed);
    if (!wanted)
      return error(Code::Cancelled) << "compilation was cancelled";
    if (result && show && !show("compile", total_, total_))
      return error(Code::Cancelled) << "compilation was cancelled";
    return result;
  }

private:
  uint64_t total_;
  double seconds_ = 0;
  CodeProgress progress_;
  std::future<Expected<T>> result_; ///< Last: its destructor waits for what uses the others.
};

} // namespace plexus::compiler
