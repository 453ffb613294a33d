// A loaded model: program, code and weights bound together, immutable and shared by sessions.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/program/Program.h"
#include "runtime/support/Status.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace plexus {

/// The entry points of one segment. The tapped ones are null where it has no taps.
struct BoundSegment {
  plx_segment_fn run = nullptr;
  plx_scratch_fn scratch = nullptr;
  plx_segment_fn tappedRun = nullptr;
  plx_scratch_fn tappedScratch = nullptr;
};

/// What a step is to requests that run some layers only.
enum class StepPart : uint8_t {
  Before,    ///< Ahead of the first layer: embeddings.
  Attention, ///< Of a layer: reads or writes a state.
  Ffn,       ///< Of a layer: the rest.
  Whole,     ///< A layer's only step.
  After,     ///< Behind the last layer: final norm, head.
};

/// A schedule's steps with their weights found and their parts known.
struct BoundSchedule {
  std::vector<std::vector<const void *>> weights; ///< [step][segment's weight]
  std::vector<StepPart> parts;                    ///< [step]
  /// Values crossing into layer l, and at [L] what the steps after the last layer read. Empty where
  /// the schedule has no layers, or not one after the other.
  std::vector<int> boundaries;
  int layers() const { return boundaries.empty() ? 0 : static_cast<int>(boundaries.size()) - 1; }
};

/// Everything of a run that does not change. Safe to use from any thread.
class Model {
public:
  /// Errors: NotFound for symbols that the code lacks (all listed), Mismatch for another version of
  /// the calling convention, Unsupported for more layers than LayerSet::kMostLayers.
  static Expected<std::shared_ptr<const Model>> create(std::shared_ptr<const ModelImage> image);

  const ModelImage &image() const { return *image_; }
  const Program &program() const { return image_->program; }
  const ModelInfo &info() const { return program().model; }
  const BoundSegment &segment(int index) const { return segments_[index]; }
  const BoundSchedule &schedule(int index) const { return schedules_[index]; }
  /// Rows of every request see each other, so that requests are never split: any task but
  /// "causal-lm", and but "sequence" where states carry what is behind.
  bool wholeRequests() const {
    return info().task != "causal-lm" && !(info().task == "sequence" && !program().states.empty());
  }
  /// Whether a segment of the schedule has states.
  bool keepsStates(int schedule) const {
    const std::vector<Step> &steps = program().schedules[schedule].steps;
    return std::any_of(steps.begin(), steps.end(), [&](const Step &step) {
      return !program().segments[step.segment].states.empty();
    });
  }
  /// Whether the model has states that every token replaces.
  bool recurrent() const { return program().carryBytes() > 0; }

private:
  Model() = default;
  Status bindSegments();
  Status bindSchedule(const Schedule &schedule);

  std::shared_ptr<const ModelImage> image_;
  std::vector<BoundSegment> segments_;
  std::vector<BoundSchedule> schedules_;
};

} // namespace plexus
