// What a session holds, and the merging of requests into runs.
#pragma once

#include "runtime/exec/Batch.h"
#include "runtime/exec/Executor.h"
#include "runtime/exec/Model.h"
#include "runtime/exec/Results.h"
#include "runtime/exec/Session.h"
#include "runtime/exec/Wants.h"
#include "runtime/state/SequenceStore.h"

namespace plexus {

/// One request on its way through forward().
struct ForwardWork {
  const ForwardRequest *request = nullptr;
  ForwardOutcome *outcome = nullptr;
  Sequence *sequence = nullptr;
  Result *result = nullptr;
  int64_t rows = 0, done = 0;
  int64_t committedBefore = 0;
  size_t pendingBefore = 0; ///< Pending rows of the sequence when the request began.
  size_t firstTarget = 0;   ///< Its targets in Session::Impl::targets.
  int layerBegin = 0, layerEnd = 0;
  LayerSet layers;                ///< Layers whose states its rows go through.
  uint8_t *carryBefore = nullptr; ///< Of Append: recurrent states to go back to if it fails.
  bool whole = false;             ///< May not be split.
  bool begun = false, finished = false;
};

struct Session::Impl {
  Impl(std::shared_ptr<const Model> m, const SessionOptions &o, std::unique_ptr<SequenceStore> s);
  ~Impl();

  // Forward.cpp: the loop over runs.
  void forward(std::span<const ForwardRequest> requests, std::span<ForwardOutcome> outcomes);
  /// Runs one batch of works that fit together; false when all are finished.
  bool runRound();
  ForwardWork *nextLeader();
  void collect(ForwardWork &leader, bool alone);
  Status addRows(ForwardWork &work, int64_t count);
  void addPending(const ForwardWork &work, int64_t count);
  /// Adds what the batch's plan has to compute.
  void addTarget(const WantTarget &target);
  Status execute();
  const void *rowOf(const WantTarget &target, int64_t token) const;
  void deliver(ForwardWork &work, int64_t firstRow, int64_t count);
  void markReentered(ForwardWork &work);
  void releaseKept(ForwardWork &work);
  void finish(ForwardWork &work);
  void fail(ForwardWork &work, Status status);

  // RunNamed.cpp and SequenceRun.cpp: `named` is the schedule.
  Expected<std::vector<NamedTensor>> runTokens(std::span<const NamedTensor> inputs,
                                               const RunOptions &runOptions, int named);
  Expected<std::vector<NamedTensor>> runSequence(std::span<const NamedTensor> inputs,
                                                 const RunOptions &runOptions, int named);

  /// Whether a schedule that does not run on tokens may keep states.
  Status checkSequence(int named) const;

  // ForwardCheck.cpp: what a request may ask.
  Status begin(ForwardWork &work);
  Status checkRows(const ForwardWork &work) const;
  Status checkInputs(const ForwardWork &work) const;
  Status checkParents(const ForwardWork &work) const;
  Status checkReentry(const ForwardWork &work) const;
  Status checkLayers(ForwardWork &work) const;
  Status checkWants(ForwardWork &work);

  std::shared_ptr<const Model> model;
  SessionOptions options;
  std::unique_ptr<SequenceStore> store;
  Host host;
  Executor executor;
  BatchBuilder batch;
  ResultPool *results;
  int schedule; ///< "forward", or -1.

  struct Member {
    ForwardWork *work;
    int64_t firstRow, count; ///< Rows of the batch.
  };
  std::vector<ForwardWork> works;
  std::vector<WantTarget> targets;
  std::vector<Member> members;
  PlanKey key;
  std::vector<int32_t> numbers;
  std::vector<float> entry; ///< Entering hidden rows of a batch.
  std::vector<int64_t> wantRows, wantWidths;
  const RunPlan *ran = nullptr;
  uint64_t round = 0;
};

} // namespace plexus
