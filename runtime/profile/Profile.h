// Where the time of runs goes: steps, and the ops within them where the code tells (OpText.h).
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/program/Program.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace plexus {

/// Collects what executors report while it is active. One at a time; made and read on any thread
/// while no model runs.
class Profile {
public:
  /// Nanoseconds since the profile was made.
  using Time = int64_t;

  /// The sizes of one run, from which its ops' bytes and multiplications follow.
  struct Run {
    Time begin = 0, end = 0;
    const Program *program = nullptr;
    int schedule = 0;
    int64_t tokens = 0, sequences = 0, outputs = 0;
    std::vector<std::pair<int64_t, int64_t>> lengths; ///< Of each sequence: past slots, tokens.
  };
  /// An op, or with no text what a segment does before its first one.
  struct Span {
    const char *op = nullptr;
    int run = 0;
    int step = 0; ///< Into the schedule's steps.
    Time begin = 0, end = 0;
  };

  Profile() : start_(Clock::now()) {}
  ~Profile() { deactivate(); }
  Profile(const Profile &) = delete;
  Profile &operator=(const Profile &) = delete;

  /// Executors report to this profile from now on, to no other.
  void activate();
  void deactivate();
  /// The active one, or null.
  static Profile *active();

  void beginRun(const Program &program, int schedule, const plx_batch &batch);
  void endRun() { runs_.back().end = now(); }
  void beginStep(int step);
  void endStep() { spans_.back().end = now(); }
  /// plx_host::mark.
  void mark(const char *op);

  const std::vector<Run> &runs() const { return runs_; }
  const std::vector<Span> &spans() const { return spans_; }

private:
  using Clock = std::chrono::steady_clock;
  Time now() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count();
  }
  Clock::time_point start_;
  std::vector<Run> runs_;
  std::vector<Span> spans_;
};

/// What ops did, added up.
struct OpCost {
  double bytes = 0;      ///< Read and written at least: weights, states, tensors between ops.
  double operations = 0; ///< Multiplications and additions of products and attention.
  OpCost &operator+=(const OpCost &more) {
    bytes += more.bytes;
    operations += more.operations;
    return *this;
  }
};

/// The same op of a segment in all layers and runs.
struct OpRow {
  std::string segment, op; ///< "plx.linear"; "(segment)" where the code has no marks.
  std::string weight;      ///< Its first large weight, or empty.
  int64_t calls = 0;
  double seconds = 0;
  OpCost cost;
};

/// The cost of one span by its run's sizes. Corrupt where its text is not OpText.
Expected<OpCost> costOf(const Profile::Run &run, const Profile::Span &span);

/// Rows by time, longest first, of the runs for which `counts` is true, and last what passed
/// between steps as "(between steps)".
Expected<std::vector<OpRow>> summarize(const Profile &profile,
                                       bool (*counts)(const Profile::Run &run));

} // namespace plexus
