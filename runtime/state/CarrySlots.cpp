// Where each layer's part lies, and which parts a run leaves alone.
#include "runtime/state/CarrySlots.h"

#include <cstring>

namespace plexus {
namespace {

/// Whether the schedule step that replaces a state outside of the layers comes behind them.
bool comesAfterLayers(const Program &program, int state) {
  for (const Schedule &schedule : program.schedules) {
    bool layered = false;
    for (const Step &step : schedule.steps) {
      layered |= step.layer >= 0;
      if (step.layer < 0)
        for (int used : program.segments[step.segment].states)
          if (used == state)
            return layered;
    }
  }
  return false;
}

} // namespace

CarrySlots::CarrySlots(const Program &program, StateBudget &budget)
    : program_(program), pool_(program.carryBytes(), budget) {
  for (size_t s = 0; s < program.states.size(); ++s) {
    const StateInfo &state = program.states[s];
    if (state.kind != StateKind::Replace)
      continue;
    for (int layer : state.layers) {
      int member = layer;
      if (layer < 0)
        member =
            comesAfterLayers(program, static_cast<int>(s)) ? LayerSet::kAfter : LayerSet::kBefore;
      parts_.push_back({offset(static_cast<int>(s), layer), state.layerBytes(), member});
      layers_.insert(member);
    }
  }
}

Expected<std::unique_ptr<CarrySlots>> CarrySlots::create(const Program &program,
                                                         StateBudget &budget) {
  std::unique_ptr<CarrySlots> slots(new CarrySlots(program, budget));
  PLX_ASSIGN(slots->zeros_, slots->pool_.take());
  return slots;
}

CarrySlots::~CarrySlots() { release(zeros_); }

uint8_t *CarrySlots::fresh() { return retain(zeros_); }

uint8_t *CarrySlots::retain(uint8_t *slot) {
  PagePool::retain(slot);
  return slot;
}

void CarrySlots::release(uint8_t *slot) {
  if (slot)
    pool_.release(slot);
}

int64_t CarrySlots::offset(int state, int layer) const {
  const StateInfo &info = program_.states[state];
  return program_.carryOffset(static_cast<size_t>(state)) +
         std::max(info.ordinalOf(layer), 0) * info.layerBytes();
}

void CarrySlots::copySkipped(const uint8_t *from, uint8_t *to, const LayerSet &ran) const {
  if (layers_.firstMissingIn(ran) < 0)
    return;
  for (const Part &part : parts_)
    if (!ran.contains(part.member))
      std::memcpy(to + part.offset, from + part.offset, static_cast<size_t>(part.bytes));
}

} // namespace plexus
