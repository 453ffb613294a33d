// Which steps a run needs, and which buffer each value lives in.
#pragma once

#include "runtime/exec/Model.h"

#include <cstdint>
#include <span>
#include <vector>

namespace plexus {

/// A tap of one step: the step, and the tap's number in its segment.
struct TapRef {
  int32_t step = 0, tap = 0;
  auto operator<=>(const TapRef &) const = default;
};

/// What distinguishes one run of a schedule from another.
struct PlanKey {
  int schedule = 0;
  int layerBegin = 0;
  int layerEnd = -1;           ///< -1: all layers and what follows them.
  bool entersHidden = false;   ///< The boundary value of layerBegin is given instead of the inputs.
  bool keepsStates = true;     ///< Steps with states run even where no wanted output needs them.
  std::vector<uint8_t> skip;   ///< [L] SkipBits, or empty.
  std::vector<int32_t> values; ///< Wanted values, ascending.
  std::vector<TapRef> taps;    ///< Wanted taps, ascending.
  bool operator==(const PlanKey &) const = default;
};

/// Room for one or more values, one after the other in time.
struct PlanBuffer {
  Rows rows = Rows::None;
  int64_t rowBytes = 0;
  bool external = false; ///< The caller's memory: schedule inputs and entering hidden rows.
};

struct PlannedStep {
  int step = 0;
  plx_segment_fn run = nullptr;
  std::vector<int> in, out; ///< Into RunPlan::buffers.
};

struct RunPlan {
  PlanKey key;
  std::vector<PlannedStep> steps;
  std::vector<PlanBuffer> buffers;
  std::vector<int> inputBuffers;       ///< Of the schedule's inputs; -1 where no step reads it.
  int entryBuffer = -1;                ///< Of the entering hidden rows.
  std::vector<int> valueBuffers;       ///< Of key.values.
  std::vector<int> tapBuffers;         ///< Of key.taps.
  std::vector<plx_scratch_fn> scratch; ///< Of all steps, each once.
};

/// Steps that the wanted values need (and, with keepsStates, those that write states), in order,
/// and buffers used again when the values in them are dead. Errors: InvalidArgument where the layer
/// range or skip mask cuts a wanted value off, or a layer cannot be entered or skipped so.
Expected<RunPlan> makePlan(const Model &model, const PlanKey &key);

} // namespace plexus
