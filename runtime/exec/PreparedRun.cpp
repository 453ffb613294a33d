// The parts of a run that do not change from one to the next.
#include "runtime/exec/PreparedRunImpl.h"

namespace plexus {

PreparedRun::PreparedRun(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PreparedRun::~PreparedRun() = default;

std::span<const NamedTensor> PreparedRun::outputs() const { return impl_->outputs; }

Expected<std::span<const SequenceId>> PreparedRun::Impl::begin() {
  if (shared && *shared)
    return std::span<const SequenceId>((*shared)->ids);
  if (shared)
    shared->emplace(*session.store, run.sequences());
  else
    for (SequenceId id : own->ids)
      PLX_RETURN_IF_ERROR(session.store->truncate(id, 0));
  const std::vector<SequenceId> &ids = shared ? (*shared)->ids : own->ids;
  PLX_RETURN_IF_ERROR(run.setStates(ids));
  return std::span<const SequenceId>(ids);
}

Status PreparedRun::run() {
  Impl &p = *impl_;
  if (p.refuseNan)
    PLX_RETURN_IF_ERROR(p.run.checkNan());
  PLX_ASSIGN(auto ids, p.begin());
  PLX_RETURN_IF_ERROR(p.run.feed(ids, 0, p.run.rows()));
  return p.run.readStates(ids);
}

Expected<std::unique_ptr<PreparedRun>> PreparedRun::Impl::finish(std::unique_ptr<Impl> impl) {
  PLX_ASSIGN(auto ids, impl->begin());
  PLX_RETURN_IF_ERROR(impl->run.readStates(ids));
  impl->outputs = impl->run.outputs();
  return std::unique_ptr<PreparedRun>(new PreparedRun(std::move(impl)));
}

Expected<std::unique_ptr<PreparedRun>> Session::prepare(std::span<const NamedTensor> inputs,
                                                        const RunOptions &options) {
  const Program &program = impl_->model->program();
  PLX_ASSIGN(int schedule, findSchedule(program, options));
  if (!options.chunks.empty())
    return Status(Code::InvalidArgument, "a prepared run takes no chunks");
  if (program.schedules[schedule].inputs == std::vector<std::string>{"input_ids"})
    return Status(Code::Unsupported, "models that run on tokens are not prepared: use a session");
  SequenceRun run(*impl_, schedule);
  PLX_RETURN_IF_ERROR(run.bind(inputs, options));
  PLX_RETURN_IF_ERROR(impl_->checkSequence(schedule));
  PLX_RETURN_IF_ERROR(run.want(options.wants));
  const int64_t count = run.sequences();
  std::unique_ptr<PreparedRun::Impl> made(
      new PreparedRun::Impl{*impl_, std::move(run), options.refuseNan});
  made->own.emplace(*impl_->store, count);
  return PreparedRun::Impl::finish(std::move(made));
}

} // namespace plexus
