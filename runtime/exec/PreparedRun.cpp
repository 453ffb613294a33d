// The parts of a run that do not change from one to the next.
#include "runtime/exec/PreparedRun.h"

#include "runtime/exec/SequenceRun.h"

namespace plexus {

struct PreparedRun::Impl {
  Session::Impl &session;
  SequenceRun run;
  OpenSequences sequences;
  bool refuseNan;
  std::vector<NamedTensor> outputs = {};
};

PreparedRun::PreparedRun(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PreparedRun::~PreparedRun() = default;

std::span<const NamedTensor> PreparedRun::outputs() const { return impl_->outputs; }

Status PreparedRun::run() {
  Impl &p = *impl_;
  if (p.refuseNan)
    PLX_RETURN_IF_ERROR(p.run.checkNan());
  for (SequenceId id : p.sequences.ids)
    PLX_RETURN_IF_ERROR(p.session.store->truncate(id, 0));
  PLX_RETURN_IF_ERROR(p.run.setStates(p.sequences.ids));
  PLX_RETURN_IF_ERROR(p.run.feed(p.sequences.ids, 0, p.run.rows()));
  return p.run.readStates(p.sequences.ids);
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
  std::unique_ptr<PreparedRun::Impl> made(new PreparedRun::Impl{
      *impl_, std::move(run), OpenSequences(*impl_->store, count), options.refuseNan});
  PLX_RETURN_IF_ERROR(made->run.readStates(made->sequences.ids));
  made->outputs = made->run.outputs();
  return std::unique_ptr<PreparedRun>(new PreparedRun(std::move(made)));
}

} // namespace plexus
