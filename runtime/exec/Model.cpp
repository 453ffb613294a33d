// Finds symbols and weights once, and tells embeddings, layers and heads apart.
#include "runtime/exec/Model.h"

#include "runtime/state/LayerSet.h"

#include <algorithm>
#include <string>

namespace plexus {
namespace {

/// Looks symbols up and remembers those that are missing.
struct SymbolFinder {
  const CodeModule &code;
  std::string missing;

  template <typename Fn>
  Fn find(const std::string &symbol) {
    void *address = code.lookup(symbol);
    if (!address)
      missing += (missing.empty() ? "" : ", ") + symbol;
    return reinterpret_cast<Fn>(address);
  }
};

/// First and past-the-last step of each layer; empty unless the layers 0 .. L-1 follow each other.
std::vector<std::pair<size_t, size_t>> layerRanges(const Schedule &schedule) {
  std::vector<std::pair<size_t, size_t>> ranges;
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    int layer = schedule.steps[s].layer, last = static_cast<int>(ranges.size()) - 1;
    if (layer < 0)
      continue;
    bool follows = ranges.empty() || ranges.back().second == s;
    if (!follows || (layer != last && layer != last + 1))
      return {};
    if (layer == last + 1)
      ranges.emplace_back(s, s);
    ranges.back().second = s + 1;
  }
  return ranges;
}

/// Whether several of the steps [first, end), those of a layer, keep states, recurrent ones among
/// them: such a layer is skipped as a whole or not at all.
bool keepsStatesTwice(const Program &program, const Schedule &schedule, size_t first, size_t end) {
  int keeping = 0;
  bool recurrent = false;
  for (size_t s = first; s < end; ++s) {
    const std::vector<int> &states = program.segments[schedule.steps[s].segment].states;
    keeping += !states.empty();
    for (int state : states)
      recurrent |= program.states[state].kind == StateKind::Replace;
  }
  return recurrent && keeping > 1;
}

StepPart partOf(const Program &program, const Schedule &schedule, size_t s, size_t first,
                size_t end) {
  if (end - first == 1 || keepsStatesTwice(program, schedule, first, end))
    return StepPart::Whole;
  return program.segments[schedule.steps[s].segment].states.empty() ? StepPart::Ffn
                                                                    : StepPart::Attention;
}

} // namespace

Expected<std::shared_ptr<const Model>> Model::create(std::shared_ptr<const ModelImage> image) {
  std::shared_ptr<Model> model(new Model());
  model->image_ = std::move(image);
  const Program &program = model->program();
  if (program.callVersion != PLX_CALL_VERSION)
    return error(Code::Mismatch) << "the code was compiled for version " << program.callVersion
                                 << " of the calling convention, this runtime has version "
                                 << PLX_CALL_VERSION << ": compile the model again";
  if (program.model.layers > LayerSet::kMostLayers)
    return error(Code::Unsupported)
           << program.model.layers << " layers: this runtime takes up to " << LayerSet::kMostLayers;
  PLX_RETURN_IF_ERROR(model->bindSegments());
  for (const Schedule &schedule : program.schedules)
    PLX_RETURN_IF_ERROR(model->bindSchedule(schedule).at("schedule " + schedule.name));
  return std::shared_ptr<const Model>(std::move(model));
}

Status Model::bindSegments() {
  SymbolFinder finder{*image_->code, {}};
  for (const Segment &segment : program().segments) {
    BoundSegment bound;
    bound.run = finder.find<plx_segment_fn>(segment.symbol);
    bound.scratch = finder.find<plx_scratch_fn>(segment.scratch);
    if (segment.tapped) {
      bound.tappedRun = finder.find<plx_segment_fn>(segment.tapped->symbol);
      bound.tappedScratch = finder.find<plx_scratch_fn>(segment.tapped->scratch);
    }
    segments_.push_back(bound);
  }
  if (!finder.missing.empty())
    return error(Code::NotFound) << "the code of model " << info().name << " lacks "
                                 << finder.missing;
  return Status::ok();
}

Status Model::bindSchedule(const Schedule &schedule) {
  BoundSchedule bound;
  auto ranges = layerRanges(schedule);
  size_t firstLayered = ranges.empty() ? schedule.steps.size() : ranges.front().first;
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Step &step = schedule.steps[s];
    if (step.layer >= LayerSet::kMostLayers)
      return error(Code::Unsupported)
             << "layer " << step.layer << ": this runtime takes up to " << LayerSet::kMostLayers;
    std::vector<const void *> &weights = bound.weights.emplace_back();
    for (int weight : step.weights)
      weights.push_back(image_->weights->data(static_cast<size_t>(weight)));
    bool layered = step.layer >= 0 && !ranges.empty();
    bound.parts.push_back(layered ? partOf(program(), schedule, s, ranges[step.layer].first,
                                           ranges[step.layer].second)
                                  : (s < firstLayered ? StepPart::Before : StepPart::After));
  }
  for (auto [first, end] : ranges)
    bound.boundaries.push_back(schedule.steps[first].in.empty() ? -1 : schedule.steps[first].in[0]);
  if (!ranges.empty())
    bound.boundaries.push_back(schedule.steps[ranges.back().second - 1].out[0]);
  schedules_.push_back(std::move(bound));
  return Status::ok();
}

} // namespace plexus
