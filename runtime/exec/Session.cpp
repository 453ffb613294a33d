// The session's public calls; runs are in Forward.cpp and RunNamed.cpp.
#include "runtime/exec/Session.h"

#include "runtime/exec/SessionImpl.h"

#include <algorithm>

namespace plexus {

Session::Impl::Impl(std::shared_ptr<const Model> m, const SessionOptions &o,
                    std::unique_ptr<SequenceStore> s)
    : model(std::move(m)), options(o), store(std::move(s)), executor(*model, *store, host),
      batch(!model->wholeRequests()), results(ResultPool::create()),
      schedule(model->program().findSchedule("forward")) {}

Session::Impl::~Impl() { results->close(); }

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

Expected<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model,
                                                   const SessionOptions &options) {
  SessionOptions resolved = options;
  int64_t context = model->info().context;
  if (resolved.maxContext <= 0)
    resolved.maxContext = context;
  const std::vector<StateInfo> &states = model->program().states;
  bool keepsRows = std::any_of(states.begin(), states.end(),
                               [](const StateInfo &s) { return s.kind == StateKind::Kv; });
  // Recurrent states are of one size, however long the sequence.
  if (!keepsRows && resolved.maxContext <= 0)
    resolved.maxContext = INT32_MAX / 2;
  if (resolved.maxContext <= 0)
    return error(Code::InvalidArgument) << "model " << model->info().name
                                        << " states no context: set SessionOptions::maxContext";
  if (context > 0 && resolved.maxContext > context)
    return error(Code::InvalidArgument)
           << "maxContext is " << resolved.maxContext << ", but the model's context is " << context;
  if (resolved.chunk < 1)
    return error(Code::InvalidArgument) << "chunk is " << resolved.chunk << ", expected 1 or more";
  PLX_ASSIGN(auto store,
             SequenceStore::create(model->program(), resolved.maxContext, resolved.maxStateBytes));
  auto impl = std::make_unique<Impl>(std::move(model), resolved, std::move(store));
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

const Model &Session::model() const { return *impl_->model; }
const SessionOptions &Session::options() const { return impl_->options; }

Expected<SequenceId> Session::openSequence() { return impl_->store->open(); }
Status Session::closeSequence(SequenceId sequence) { return impl_->store->close(sequence); }
Expected<SequenceId> Session::fork(SequenceId sequence) { return impl_->store->fork(sequence); }

Expected<int64_t> Session::length(SequenceId id) const {
  PLX_ASSIGN(const Sequence *sequence, std::as_const(*impl_->store).find(id));
  return sequence->committed;
}

Expected<int64_t> Session::pending(SequenceId id) const {
  PLX_ASSIGN(const Sequence *sequence, std::as_const(*impl_->store).find(id));
  return static_cast<int64_t>(sequence->pending.size());
}

Status Session::truncate(SequenceId sequence, int64_t length) {
  return impl_->store->truncate(sequence, length);
}

Status Session::commit(SequenceId sequence, std::span<const int32_t> path) {
  return impl_->store->commit(sequence, path);
}

Expected<SnapshotId> Session::snapshot(SequenceId sequence) {
  return impl_->store->snapshot(sequence);
}

Status Session::restore(SequenceId sequence, SnapshotId snapshot) {
  return impl_->store->restore(sequence, snapshot);
}

Status Session::dropSnapshot(SnapshotId snapshot) { return impl_->store->drop(snapshot); }

void Session::forward(std::span<const ForwardRequest> requests,
                      std::span<ForwardOutcome> outcomes) {
  impl_->forward(requests, outcomes);
}

} // namespace plexus
