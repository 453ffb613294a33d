// Backward reachability over the steps, then buffers by the last use of each value.
#include "runtime/exec/Plan.h"

#include "runtime/exec/Forward.h"

#include <algorithm>

namespace plexus {
namespace {

class Planner {
public:
  Planner(const Model &model, const PlanKey &key)
      : model_(model), program_(model.program()), schedule_(program_.schedules[key.schedule]),
        bound_(model.schedule(key.schedule)) {
    plan_.key = key;
    layerEnd_ = key.layerEnd < 0 ? bound_.layers() : key.layerEnd;
  }

  Expected<RunPlan> make() {
    resolveSkips();
    PLX_RETURN_IF_ERROR(status_);
    PLX_RETURN_IF_ERROR(findNeeded());
    layOut();
    return std::move(plan_);
  }

private:
  /// Whether the step lies in the layer range (skipped ones included).
  bool inRange(size_t s) const {
    int layer = schedule_.steps[s].layer;
    switch (bound_.parts[s]) {
    case StepPart::Before:
      return !plan_.key.entersHidden;
    case StepPart::After:
      return layerEnd_ == bound_.layers();
    default:
      return layer >= plan_.key.layerBegin && layer < layerEnd_;
    }
  }
  bool isSkipped(size_t s) const {
    int layer = schedule_.steps[s].layer;
    if (layer < 0 || layer >= static_cast<int>(plan_.key.skip.size()))
      return false;
    uint8_t bits = plan_.key.skip[layer];
    switch (bound_.parts[s]) {
    case StepPart::Attention:
      return bits & SkipAttention;
    case StepPart::Ffn:
      return bits & SkipFfn;
    case StepPart::Whole:
      return bits == SkipBoth;
    default:
      return false;
    }
  }

  void resolveSkips();
  Status findNeeded();
  Status unreachable(int value) const;
  void layOut();
  int takeBuffer(const ValueType &type);
  int addExternal(int value);
  void layOutStep(size_t s, size_t order, std::vector<int> &bufferOf,
                  const std::vector<int> &lastUse);

  const Model &model_;
  const Program &program_;
  const Schedule &schedule_;
  const BoundSchedule &bound_;
  RunPlan plan_;
  int layerEnd_ = 0;
  Status status_;
  std::vector<int> alias_;       ///< [value] the value that it is equal to, past skipped steps.
  std::vector<size_t> order_;    ///< Needed steps, ascending.
  std::vector<bool> tapped_;     ///< [step]
  std::vector<char> freeBuffer_; ///< [buffer]
};

/// A skipped part hands its first input on as its output: the residual stream.
void Planner::resolveSkips() {
  alias_.resize(schedule_.values.size());
  for (size_t v = 0; v < alias_.size(); ++v)
    alias_[v] = static_cast<int>(v);
  for (size_t s = 0; s < schedule_.steps.size(); ++s) {
    const Step &step = schedule_.steps[s];
    bool mentioned = step.layer >= 0 && step.layer < static_cast<int>(plan_.key.skip.size()) &&
                     plan_.key.skip[step.layer] != SkipNone;
    if (mentioned && bound_.parts[s] == StepPart::Whole && !isSkipped(s))
      status_ = error(Code::InvalidArgument)
                << "layer " << step.layer
                << " is one segment, or both of its halves keep states: skip both or neither";
    if (!isSkipped(s))
      continue;
    if (step.in.empty() || step.out.size() != 1 ||
        schedule_.values[step.in[0]] != schedule_.values[step.out[0]]) {
      status_ = error(Code::InvalidArgument)
                << "layer " << step.layer << ": segment " << program_.segments[step.segment].name
                << " does not hand on one residual and cannot be skipped";
      continue;
    }
    alias_[step.out[0]] = alias_[step.in[0]];
  }
}

Status Planner::unreachable(int value) const {
  std::string name = "value " + std::to_string(value);
  for (const ScheduleOutput &output : schedule_.outputs)
    if (output.value == value)
      name = output.name;
  return error(Code::InvalidArgument)
         << name << " is not computed by layers [" << plan_.key.layerBegin << ", " << layerEnd_
         << ") of " << bound_.layers()
         << (plan_.key.entersHidden ? " entered with hidden rows" : "");
}

Status Planner::findNeeded() {
  std::vector<char> available(schedule_.values.size(), 0), wanted(schedule_.values.size(), 0);
  if (plan_.key.entersHidden)
    available[bound_.boundaries[plan_.key.layerBegin]] = 1;
  else
    std::fill_n(available.begin(), schedule_.inputs.size(), 1);
  for (int value : plan_.key.values)
    wanted[alias_[value]] = 1;
  tapped_.assign(schedule_.steps.size(), false);
  for (const TapRef &tap : plan_.key.taps) {
    if (!inRange(tap.step) || isSkipped(tap.step))
      return error(Code::InvalidArgument)
             << "the tap's layer " << schedule_.steps[tap.step].layer << " is not run";
    tapped_[tap.step] = true;
  }
  for (size_t s = schedule_.steps.size(); s-- > 0;) {
    const Step &step = schedule_.steps[s];
    if (!inRange(s) || isSkipped(s))
      continue;
    bool needed =
        tapped_[s] || (plan_.key.keepsStates && !program_.segments[step.segment].states.empty());
    for (int value : step.out)
      needed |= wanted[value] && !available[value];
    if (!needed)
      continue;
    order_.push_back(s);
    for (int value : step.in)
      wanted[alias_[value]] = 1;
    for (int value : step.out)
      available[value] = 1;
  }
  std::reverse(order_.begin(), order_.end());
  for (size_t v = 0; v < wanted.size(); ++v)
    if (wanted[v] && !available[v])
      return unreachable(static_cast<int>(v));
  return Status::ok();
}

/// The smallest free buffer that fits, or a new one.
int Planner::takeBuffer(const ValueType &type) {
  int best = -1;
  for (size_t b = 0; b < plan_.buffers.size(); ++b) {
    const PlanBuffer &buffer = plan_.buffers[b];
    if (freeBuffer_[b] && buffer.rows == type.rows && buffer.rowBytes >= type.rowBytes() &&
        (best < 0 || buffer.rowBytes < plan_.buffers[best].rowBytes))
      best = static_cast<int>(b);
  }
  if (best < 0) {
    best = static_cast<int>(plan_.buffers.size());
    plan_.buffers.push_back({type.rows, type.rowBytes(), false});
    freeBuffer_.push_back(0);
  }
  freeBuffer_[best] = 0;
  return best;
}

int Planner::addExternal(int value) {
  const ValueType &type = schedule_.values[value];
  plan_.buffers.push_back({type.rows, type.rowBytes(), true});
  freeBuffer_.push_back(0);
  return static_cast<int>(plan_.buffers.size()) - 1;
}

void Planner::layOut() {
  constexpr int kNever = -1, kForever = 1 << 30;
  std::vector<int> lastUse(schedule_.values.size(), kNever);
  for (size_t i = 0; i < order_.size(); ++i)
    for (int value : schedule_.steps[order_[i]].in)
      lastUse[alias_[value]] = static_cast<int>(i);
  for (int value : plan_.key.values)
    lastUse[alias_[value]] = kForever;

  std::vector<int> bufferOf(schedule_.values.size(), -1);
  if (plan_.key.entersHidden) {
    int entry = bound_.boundaries[plan_.key.layerBegin];
    plan_.entryBuffer = bufferOf[entry] = addExternal(entry);
    lastUse[entry] = kForever;
  }
  for (size_t i = 0; i < schedule_.inputs.size(); ++i) {
    bool read = lastUse[i] != kNever && bufferOf[i] < 0;
    if (read)
      bufferOf[i] = addExternal(static_cast<int>(i));
    plan_.inputBuffers.push_back(read ? bufferOf[i] : -1);
    lastUse[i] = kForever;
  }
  for (size_t i = 0; i < order_.size(); ++i)
    layOutStep(order_[i], i, bufferOf, lastUse);
  for (int value : plan_.key.values)
    plan_.valueBuffers.push_back(bufferOf[alias_[value]]);
}

void Planner::layOutStep(size_t s, size_t order, std::vector<int> &bufferOf,
                         const std::vector<int> &lastUse) {
  const Step &step = schedule_.steps[s];
  const Segment &segment = program_.segments[step.segment];
  const BoundSegment &bound = model_.segment(step.segment);
  PlannedStep planned;
  std::vector<int> unread;
  planned.step = static_cast<int>(s);
  planned.run = tapped_[s] ? bound.tappedRun : bound.run;
  for (int value : step.in)
    planned.in.push_back(bufferOf[alias_[value]]);
  for (int value : step.out)
    planned.out.push_back(bufferOf[value] = takeBuffer(schedule_.values[value]));
  for (size_t t = 0; tapped_[s] && t < segment.tapped->taps.size(); ++t) {
    int buffer = takeBuffer(segment.tapped->taps[t].type);
    planned.out.push_back(buffer);
    TapRef ref{static_cast<int32_t>(s), static_cast<int32_t>(t)};
    if (std::binary_search(plan_.key.taps.begin(), plan_.key.taps.end(), ref))
      plan_.tapBuffers.push_back(buffer); // Steps and taps come in the order of key.taps.
    else
      unread.push_back(buffer);
  }
  for (int buffer : unread)
    freeBuffer_[buffer] = 1;
  auto release = [&](int value) {
    if (lastUse[value] <= static_cast<int>(order))
      freeBuffer_[bufferOf[value]] = 1;
  };
  for (int value : step.in)
    release(alias_[value]);
  for (int value : step.out)
    release(value);
  plx_scratch_fn scratch = tapped_[s] ? bound.tappedScratch : bound.scratch;
  if (std::find(plan_.scratch.begin(), plan_.scratch.end(), scratch) == plan_.scratch.end())
    plan_.scratch.push_back(scratch);
  plan_.steps.push_back(std::move(planned));
}

} // namespace

Expected<RunPlan> makePlan(const Model &model, const PlanKey &key) {
  return Planner(model, key).make();
}

} // namespace plexus
