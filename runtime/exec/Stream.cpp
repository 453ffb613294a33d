// What waits for the next call: sequences with their states, and samples of unfinished frames.
#include "runtime/exec/Stream.h"

#include "runtime/exec/NamedInputs.h"
#include "runtime/exec/PreparedRunImpl.h"
#include "runtime/tensor/Slices.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace plexus {

struct Stream::Impl {
  Session::Impl &session;
  StreamOptions options;
  int schedule;
  Schedule framed; ///< The program's, with the frames of this stream.
  bool begun = false;
  std::optional<OpenSequences> sequences = {};
  std::vector<NamedTensor> waiting = {}; ///< By input: samples of unfinished frames.
  std::vector<NamedTensor> kept = {};    ///< Inputs without a sequence axis, as first given.

  std::optional<PortLayout> layoutOf(const std::string &name) const;
  /// The sequence axis of an input or output, or -1.
  int axisOf(const std::string &name) const;
  Expected<Tensor> joined(const NamedTensor &input, size_t axis) const;
  Expected<std::vector<NamedTensor>> gather(std::span<const NamedTensor> inputs) const;
  Status keep(std::span<const NamedTensor> all, int64_t rows);
  Status keepConstants(std::span<const NamedTensor> all);
};

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::~Stream() = default;

std::optional<PortLayout> Stream::Impl::layoutOf(const std::string &name) const {
  auto input = std::find(framed.inputs.begin(), framed.inputs.end(), name);
  bool isInput = input != framed.inputs.end();
  int output = framed.findOutput(name);
  if (!isInput && output < 0)
    return std::nullopt;
  const ValueType &type =
      framed.values[isInput ? input - framed.inputs.begin() : framed.outputs[output].value];
  return PortLayout::of(session.model->info(), framed, name, type, isInput);
}

int Stream::Impl::axisOf(const std::string &name) const {
  auto layout = layoutOf(name);
  for (size_t axis = 0; layout && axis < layout->axes.size(); ++axis)
    if (layout->axes[axis].kind == PortLayout::Kind::Sequence)
      return static_cast<int>(axis);
  return -1;
}

int Stream::sequenceAxis(const std::string &name) const { return impl_->axisOf(name); }
const std::vector<std::string> &Stream::inputs() const { return impl_->framed.inputs; }

std::vector<int64_t> Stream::pieceShape(const std::string &name) const {
  std::vector<int64_t> shape;
  auto layout = impl_->layoutOf(name);
  for (size_t axis = 0; layout && axis < layout->axes.size(); ++axis) {
    const PortLayout::Axis &a = layout->axes[axis];
    if (a.kind == PortLayout::Kind::Row)
      shape.push_back(layout->type->shape[a.dim]);
    else
      shape.push_back(a.kind == PortLayout::Kind::Batch ? 1 : -1);
  }
  return shape;
}

/// What waited of an input, then the new samples. A fresh stream begins with the frames' padding.
Expected<Tensor> Stream::Impl::joined(const NamedTensor &input, size_t axis) const {
  PLX_ASSIGN(Tensor dense, input.tensor.dense());
  if (axis >= dense.shape.size())
    return error(Code::Mismatch) << "input \"" << input.name << "\" has shape "
                                 << shapeText(dense.shape);
  if (const Tensor *before = findInput(waiting, input.name)) {
    std::vector<int64_t> others = before->shape;
    others[axis] = axis < dense.shape.size() ? dense.shape[axis] : 0;
    if (others != dense.shape || before->dtype != dense.dtype)
      return error(Code::Mismatch)
             << "input \"" << input.name << "\" has shape " << shapeText(dense.shape)
             << ", calls before it had " << shapeText(others);
    return joinAlong(*before, dense, axis);
  }
  if (begun || framed.frames.pad == 0)
    return dense;
  std::vector<int64_t> shape = dense.shape;
  shape[axis] = framed.frames.pad;
  PLX_ASSIGN(Tensor padding, Tensor::zeros(dense.dtype, shape));
  return joinAlong(padding, dense, axis);
}

Expected<std::vector<NamedTensor>> Stream::Impl::gather(std::span<const NamedTensor> inputs) const {
  std::vector<NamedTensor> all;
  for (const NamedTensor &input : inputs) {
    int axis = axisOf(input.name);
    if (axis < 0) {
      if (begun)
        return error(Code::InvalidArgument)
               << "input \"" << input.name << "\" is given with the first call of a stream";
      all.push_back(input);
      continue;
    }
    PLX_ASSIGN(Tensor whole, joined(input, static_cast<size_t>(axis)));
    all.push_back({input.name, std::move(whole)});
  }
  all.insert(all.end(), kept.begin(), kept.end());
  return all;
}

/// Copies what has no sequence axis: callers' tensors may be gone by the next call.
Status Stream::Impl::keepConstants(std::span<const NamedTensor> all) {
  const std::vector<StateInfo> &states = session.model->program().states;
  for (const NamedTensor &input : all) {
    bool isState = std::any_of(states.begin(), states.end(),
                               [&](const StateInfo &s) { return s.input == input.name; });
    if (isState || axisOf(input.name) >= 0)
      continue;
    PLX_ASSIGN(Tensor dense, input.tensor.dense());
    PLX_ASSIGN(Tensor copy, Tensor::zeros(dense.dtype, dense.shape));
    std::memcpy(copy.data.get(), dense.data.get(), dense.bytes());
    kept.push_back({input.name, std::move(copy)});
  }
  return Status::ok();
}

/// Keeps what later calls need, after `rows` rows ran.
Status Stream::Impl::keep(std::span<const NamedTensor> all, int64_t rows) {
  std::vector<NamedTensor> rest;
  for (const NamedTensor &input : all) {
    int axis = axisOf(input.name);
    if (axis < 0 || framed.frames.size == 0)
      continue;
    int64_t samples = input.tensor.shape[axis];
    PLX_ASSIGN(Tensor tail, sliceAlong(input.tensor, static_cast<size_t>(axis),
                                       rows * framed.frames.hop, samples));
    rest.push_back({input.name, std::move(tail)});
  }
  if (!begun)
    PLX_RETURN_IF_ERROR(keepConstants(all));
  waiting = std::move(rest);
  begun = true;
  return Status::ok();
}

Expected<std::vector<NamedTensor>> Stream::push(std::span<const NamedTensor> inputs) {
  Impl &s = *impl_;
  PLX_ASSIGN(auto all, s.gather(inputs));
  Framing frames = s.framed.frames;
  frames.pad = 0; // Is among the samples.
  frames.whole = false;
  SequenceRun run(s.session, s.schedule, frames);
  PLX_RETURN_IF_ERROR(run.bind(all, s.options.run, /*maybeEmpty=*/true));
  PLX_RETURN_IF_ERROR(run.want(s.options.run.wants));
  if (s.sequences && static_cast<int64_t>(s.sequences->ids.size()) != run.sequences())
    return error(Code::Mismatch) << "a batch of " << run.sequences() << ", calls before it had "
                                 << s.sequences->ids.size();
  std::optional<OpenSequences> fresh;
  if (!s.sequences) {
    fresh.emplace(*s.session.store, run.sequences());
    PLX_RETURN_IF_ERROR(run.setStates(fresh->ids));
  }
  const std::vector<SequenceId> &ids = fresh ? fresh->ids : s.sequences->ids;
  int64_t rows = run.rows();
  if (rows > 0)
    PLX_RETURN_IF_ERROR(run.feed(ids, 0, rows));
  PLX_RETURN_IF_ERROR(run.readStates(ids));
  PLX_RETURN_IF_ERROR(s.keep(all, rows));
  if (fresh) {
    s.sequences.emplace(*s.session.store, 0);
    s.sequences->ids.swap(fresh->ids);
  }
  return run.outputs();
}

Expected<std::unique_ptr<PreparedRun>> Stream::prepare(std::span<const NamedTensor> inputs) {
  Impl &s = *impl_;
  if (s.framed.frames.size > 0)
    return Status(Code::Unsupported,
                  "a stream of frames is not prepared: samples wait for theirs to be complete");
  PLX_ASSIGN(auto all, s.gather(inputs));
  SequenceRun run(s.session, s.schedule);
  PLX_RETURN_IF_ERROR(run.bind(all, s.options.run));
  PLX_RETURN_IF_ERROR(run.want(s.options.run.wants));
  if (s.sequences && static_cast<int64_t>(s.sequences->ids.size()) != run.sequences())
    return error(Code::Mismatch) << "a batch of " << run.sequences() << ", calls before it had "
                                 << s.sequences->ids.size();
  PLX_RETURN_IF_ERROR(s.keep(all, 0));
  std::unique_ptr<PreparedRun::Impl> made(
      new PreparedRun::Impl{s.session, std::move(run), s.options.run.refuseNan});
  made->shared = &s.sequences;
  return PreparedRun::Impl::finish(std::move(made));
}

void Stream::reset() {
  impl_->sequences.reset();
  impl_->waiting.clear();
  impl_->kept.clear();
  impl_->begun = false;
}

int64_t Stream::samplesOf(std::span<const NamedTensor> inputs) const {
  int64_t samples = 0;
  for (const NamedTensor &input : inputs) {
    int axis = sequenceAxis(input.name);
    if (axis >= 0 && static_cast<size_t>(axis) < input.tensor.shape.size())
      samples = std::max(samples, input.tensor.shape[axis]);
  }
  return samples;
}

Expected<std::vector<NamedTensor>> Stream::piece(std::span<const NamedTensor> inputs, int64_t begin,
                                                 int64_t end) const {
  std::vector<NamedTensor> out;
  for (const NamedTensor &input : inputs) {
    int axis = sequenceAxis(input.name);
    if (axis < 0) {
      if (begin == 0)
        out.push_back(input);
      continue;
    }
    PLX_ASSIGN(Tensor dense, input.tensor.dense());
    if (static_cast<size_t>(axis) >= dense.shape.size() || dense.shape[axis] < end)
      return error(Code::Mismatch)
             << "input \"" << input.name << "\" has shape " << shapeText(dense.shape)
             << ", other inputs have " << end << " samples";
    PLX_ASSIGN(Tensor part, sliceAlong(dense, static_cast<size_t>(axis), begin, end));
    out.push_back({input.name, std::move(part)});
  }
  return out;
}

Expected<std::unique_ptr<Stream>> Session::openStream(const StreamOptions &options) {
  const Program &program = impl_->model->program();
  PLX_ASSIGN(int schedule, findSchedule(program, options.run));
  if (!options.run.chunks.empty())
    return Status(Code::InvalidArgument, "a stream takes no chunks: its calls are the pieces");
  if (options.window < 0 || options.hop < 0 || (options.hop > 0 && options.window == 0))
    return error(Code::InvalidArgument)
           << "a window of " << options.window << " and a hop of " << options.hop;
  Schedule framed = program.schedules[schedule];
  Framing &frames = framed.frames;
  bool keepsStates = impl_->model->keepsStates(schedule);
  if (options.window > 0 && (frames.size > 0 || keepsStates))
    return error(Code::InvalidArgument)
           << "model " << program.model.name << " takes "
           << (frames.size > 0 ? "frames of " + std::to_string(frames.size) + " samples"
                               : std::string("sample by sample"))
           << ": it has no windows";
  if (options.window > 0)
    frames = {options.window, options.hop > 0 ? options.hop : options.window, 0, false};
  if (!keepsStates && frames.size == 0)
    return error(Code::Unsupported)
           << "schedule " << framed.name << " of model " << program.model.name
           << " keeps no states: a stream of it needs a window";
  if (frames.hop > frames.size && frames.size > 0)
    return error(Code::Unsupported) << "frames of " << frames.size << " samples, one each "
                                    << frames.hop << ": a stream leaves no samples out";
  return std::unique_ptr<Stream>(new Stream(std::unique_ptr<Stream::Impl>(
      new Stream::Impl{*impl_, options, schedule, std::move(framed)})));
}

} // namespace plexus
