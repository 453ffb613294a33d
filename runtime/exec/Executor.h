// Runs planned steps on a batch, with all buffers and scratch in one arena.
#pragma once

#include "runtime/exec/Arena.h"
#include "runtime/exec/Host.h"
#include "runtime/exec/Plan.h"
#include "runtime/state/SequenceStore.h"

#include <list>
#include <span>
#include <vector>

namespace plexus {

/// The part of a session that calls compiled code. After the first runs of a kind and size, run()
/// makes no heap allocation.
class Executor {
public:
  Executor(const Model &model, const SequenceStore &store, Host &host);

  /// The plan of that key, made once; good until kMostPlans others were asked for.
  Expected<const RunPlan *> plan(const PlanKey &key);

  /// Runs all steps. `sequences`: whose states the batch's sequences are. `inputs`: the schedule's;
  /// `entry`: the hidden rows that enter, for plans that have them. Segments' errors come back with
  /// the segment and layer.
  Status run(const RunPlan &plan, const plx_batch &batch,
             std::span<const Sequence *const> sequences, std::span<const void *const> inputs,
             const void *entry);
  /// Contents of a buffer of the plan that ran last; until the next run.
  const void *buffer(int index) const { return addresses_[index]; }

  static constexpr size_t kMostPlans = 64;

private:
  Status layOut(const RunPlan &plan, const plx_batch &batch, std::span<const void *const> inputs,
                const void *entry);
  int64_t scratchBytes(const RunPlan &plan, const plx_batch &batch) const;
  void bindStates(std::span<const Sequence *const> sequences);
  Status runStep(const PlannedStep &planned, const Schedule &schedule, int scheduleIndex,
                 const plx_batch &batch);

  const Model &model_;
  const SequenceStore &store_;
  Host &host_;
  std::list<RunPlan> plans_; ///< Most recently used first.
  Arena arena_;
  uint8_t *scratch_ = nullptr;
  std::vector<uint8_t *> addresses_;                       ///< [buffer]
  std::vector<std::vector<uint8_t *const *>> pages_;       ///< [state][sequence]
  std::vector<std::vector<uint8_t *const *>> sealedPages_; ///< The same; empty where none are.
  std::vector<std::vector<plx_kv>> views_;                 ///< [state][ordinal of the layer]
  std::vector<const void *> stepInputs_;
  std::vector<void *> stepOutputs_;
  std::vector<const plx_kv *> stepStates_;
};

} // namespace plexus
