// Addresses for a batch's sizes, then one call a step.
#include "runtime/exec/Executor.h"

#include "runtime/profile/Profile.h"

#include <algorithm>
#include <bit>

namespace plexus {
namespace {

constexpr int64_t kAlign = 64;
constexpr int64_t alignUp(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

int64_t rowCount(Rows rows, const plx_batch &batch) {
  switch (rows) {
  case Rows::Tokens:
    return batch.tokens;
  case Rows::Sequences:
    return batch.sequences;
  case Rows::Outputs:
    return batch.outputs;
  case Rows::None:
    return 1;
  }
  return 1;
}

} // namespace

Executor::Executor(const Model &model, const SequenceStore &store, Host &host)
    : model_(model), store_(store), host_(host) {
  for (size_t s = 0; s < store.groups().size(); ++s) {
    std::vector<plx_kv> &views = views_.emplace_back();
    for (int layer : model.program().states[s].layers)
      views.push_back(store.groups()[s]
                          ? store.groups()[s]->view(layer)
                          : plx_kv{nullptr, store.carries()->offset(static_cast<int>(s), layer),
                                   nullptr, 0, nullptr, nullptr});
  }
  pages_.resize(views_.size());
  sealedPages_.resize(views_.size());
}

Expected<const RunPlan *> Executor::plan(const PlanKey &key) {
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (it->key == key) {
      plans_.splice(plans_.begin(), plans_, it);
      return const_cast<const RunPlan *>(&plans_.front());
    }
  PLX_ASSIGN(RunPlan made, makePlan(model_, key));
  plans_.push_front(std::move(made));
  if (plans_.size() > kMostPlans)
    plans_.pop_back();
  return const_cast<const RunPlan *>(&plans_.front());
}

int64_t Executor::scratchBytes(const RunPlan &plan, const plx_batch &batch) const {
  // Asked for a rounded context as well, so that a growing sequence does not grow the arena a
  // little with every token.
  int64_t rounded = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(batch.context)));
  int64_t bytes = 0;
  for (plx_scratch_fn scratch : plan.scratch)
    for (int64_t context : {batch.context, std::max<int64_t>(rounded, 256)})
      bytes = std::max(bytes, scratch(batch.tokens, batch.sequences, batch.outputs, context));
  return bytes;
}

Status Executor::layOut(const RunPlan &plan, const plx_batch &batch,
                        std::span<const void *const> inputs, const void *entry) {
  int64_t bytes = alignUp(scratchBytes(plan, batch));
  for (const PlanBuffer &buffer : plan.buffers)
    if (!buffer.external)
      bytes += alignUp(rowCount(buffer.rows, batch) * buffer.rowBytes);
  PLX_RETURN_IF_ERROR(arena_.reserve(bytes));
  addresses_.resize(std::max(addresses_.size(), plan.buffers.size()));
  uint8_t *next = arena_.data();
  for (size_t b = 0; b < plan.buffers.size(); ++b) {
    const PlanBuffer &buffer = plan.buffers[b];
    if (buffer.external)
      continue;
    addresses_[b] = next;
    next += alignUp(rowCount(buffer.rows, batch) * buffer.rowBytes);
  }
  scratch_ = next;
  auto external = [](const void *p) { return static_cast<uint8_t *>(const_cast<void *>(p)); };
  for (size_t i = 0; i < plan.inputBuffers.size(); ++i)
    if (plan.inputBuffers[i] >= 0)
      addresses_[plan.inputBuffers[i]] = external(inputs[i]);
  if (plan.entryBuffer >= 0)
    addresses_[plan.entryBuffer] = external(entry);
  return Status::ok();
}

void Executor::bindStates(std::span<const Sequence *const> sequences) {
  for (size_t s = 0; s < pages_.size(); ++s) {
    if (!store_.groups()[s])
      continue;
    pages_[s].clear();
    for (const Sequence *sequence : sequences)
      pages_[s].push_back(store_.groups()[s]->pages(sequence->lane));
    if (model_.program().states[s].seals()) {
      sealedPages_[s].clear();
      for (const Sequence *sequence : sequences)
        sealedPages_[s].push_back(store_.groups()[s]->sealedPages(sequence->lane));
    }
    for (plx_kv &view : views_[s]) {
      view.pages = pages_[s].data();
      view.sealed = sealedPages_[s].data();
    }
  }
}

Status Executor::run(const RunPlan &plan, const plx_batch &batch,
                     std::span<const Sequence *const> sequences,
                     std::span<const void *const> inputs, const void *entry) {
  PLX_RETURN_IF_ERROR(layOut(plan, batch, inputs, entry));
  bindStates(sequences);
  host_.pool().applyToCallingThread();
  const Schedule &schedule = model_.program().schedules[plan.key.schedule];
  Profile *profile = Profile::active();
  if (profile)
    profile->beginRun(model_.program(), plan.key.schedule, batch);
  for (const PlannedStep &planned : plan.steps) {
    if (profile)
      profile->beginStep(planned.step);
    PLX_RETURN_IF_ERROR(runStep(planned, schedule, plan.key.schedule, batch));
    if (profile)
      profile->endStep();
  }
  if (profile)
    profile->endRun();
  return Status::ok();
}

Status Executor::runStep(const PlannedStep &planned, const Schedule &schedule, int scheduleIndex,
                         const plx_batch &batch) {
  const Step &step = schedule.steps[planned.step];
  const Segment &segment = model_.program().segments[step.segment];
  stepInputs_.clear();
  for (int buffer : planned.in)
    stepInputs_.push_back(addresses_[buffer]);
  stepOutputs_.clear();
  for (int buffer : planned.out)
    stepOutputs_.push_back(addresses_[buffer]);
  stepStates_.clear();
  for (int state : segment.states)
    stepStates_.push_back(&views_[state][model_.program().states[state].ordinalOf(step.layer)]);
  plx_call call{host_.table(),
                &batch,
                stepInputs_.data(),
                stepOutputs_.data(),
                model_.schedule(scheduleIndex).weights[planned.step].data(),
                stepStates_.data(),
                step.scalars.data(),
                scratch_};
  int32_t code = planned.run(&call);
  if (code == 0)
    return Status::ok();
  return error(static_cast<Code>(code))
         << "segment " << segment.name
         << (step.layer < 0 ? "" : " of layer " + std::to_string(step.layer))
         << " failed with code " << code;
}

} // namespace plexus
