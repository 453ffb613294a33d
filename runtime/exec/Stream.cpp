// What waits for the next call: sequences with their states, and samples of unfinished frames.
#include "runtime/exec/Stream.h"

#include "runtime/exec/NamedInputs.h"
#include "runtime/exec/SequenceRun.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace plexus {
namespace {

/// Elements behind `axis` of one step along it, and steps ahead of it.
struct AxisSpan {
  int64_t outer = 1, inner = 1;
  AxisSpan(const std::vector<int64_t> &shape, size_t axis) {
    for (size_t i = 0; i < axis; ++i)
      outer *= shape[i];
    for (size_t i = axis + 1; i < shape.size(); ++i)
      inner *= shape[i];
  }
};

/// [begin, end) of `tensor` along an axis, copied into positions from `at` on of `to`.
void copyAlong(const Tensor &from, int64_t begin, int64_t end, Tensor &to, int64_t at,
               size_t axis) {
  AxisSpan span(from.shape, axis);
  size_t bytes = static_cast<size_t>(span.inner) * dtypeSize(from.dtype);
  for (int64_t o = 0; o < span.outer; ++o)
    std::memcpy(to.as<uint8_t>() + (o * to.shape[axis] + at) * bytes,
                from.as<uint8_t>() + (o * from.shape[axis] + begin) * bytes,
                static_cast<size_t>(end - begin) * bytes);
}

Expected<Tensor> sliceAlong(const Tensor &from, int64_t begin, int64_t end, size_t axis) {
  std::vector<int64_t> shape = from.shape;
  shape[axis] = end - begin;
  PLX_ASSIGN(Tensor out, Tensor::zeros(from.dtype, shape));
  copyAlong(from, begin, end, out, 0, axis);
  return out;
}

} // namespace

struct Stream::Impl {
  Session::Impl &session;
  StreamOptions options;
  int schedule;
  Framing frames; ///< Of this stream; size 0: samples are rows.
  bool begun = false;
  std::optional<OpenSequences> sequences = {};
  std::vector<NamedTensor> waiting = {}; ///< By input: samples of unfinished frames.
  std::vector<NamedTensor> kept = {};    ///< Inputs without a sequence axis, as first given.

  const Schedule &program() const { return session.model->program().schedules[schedule]; }
  /// The sequence axis of an input, or -1.
  int axisOf(const std::string &name) const;
  Expected<Tensor> joined(const NamedTensor &input, size_t axis) const;
  Expected<std::vector<NamedTensor>> gather(std::span<const NamedTensor> inputs) const;
  Status keep(std::span<const NamedTensor> all, int64_t rows);
};

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::~Stream() = default;

int Stream::Impl::axisOf(const std::string &name) const {
  Schedule framed = program();
  if (frames.size > 0)
    framed.frames = frames;
  auto input = std::find(framed.inputs.begin(), framed.inputs.end(), name);
  bool isInput = input != framed.inputs.end();
  int output = framed.findOutput(name);
  if (!isInput && output < 0)
    return -1;
  const ValueType &type =
      framed.values[isInput ? input - framed.inputs.begin() : framed.outputs[output].value];
  PortLayout layout = PortLayout::of(session.model->info(), framed, name, type, isInput);
  for (size_t axis = 0; axis < layout.axes.size(); ++axis)
    if (layout.axes[axis].kind == PortLayout::Kind::Sequence)
      return static_cast<int>(axis);
  return -1;
}

int Stream::sequenceAxis(const std::string &name) const { return impl_->axisOf(name); }

/// What waited of an input, then the new samples. A fresh stream begins with the frames' padding.
Expected<Tensor> Stream::Impl::joined(const NamedTensor &input, size_t axis) const {
  PLX_ASSIGN(Tensor dense, input.tensor.dense());
  if (axis >= dense.shape.size())
    return error(Code::Mismatch) << "input \"" << input.name << "\" has shape "
                                 << shapeText(dense.shape);
  const Tensor *before = findInput(waiting, input.name);
  int64_t ahead = before ? before->shape[axis] : begun ? 0 : frames.pad;
  if (ahead == 0)
    return dense;
  std::vector<int64_t> shape = dense.shape;
  shape[axis] += ahead;
  if (before) {
    std::vector<int64_t> others = before->shape;
    others[axis] = dense.shape[axis];
    if (others != dense.shape || before->dtype != dense.dtype)
      return error(Code::Mismatch)
             << "input \"" << input.name << "\" has shape " << shapeText(dense.shape)
             << ", calls before it had " << shapeText(others);
  }
  PLX_ASSIGN(Tensor out, Tensor::zeros(dense.dtype, shape));
  if (before)
    copyAlong(*before, 0, ahead, out, 0, axis);
  copyAlong(dense, 0, dense.shape[axis], out, ahead, axis);
  return out;
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

/// Keeps what later calls need, after `rows` rows ran.
Status Stream::Impl::keep(std::span<const NamedTensor> all, int64_t rows) {
  std::vector<NamedTensor> rest, constant;
  for (const NamedTensor &input : all) {
    int axis = axisOf(input.name);
    if (axis < 0) {
      bool isState = false;
      for (const StateInfo &state : session.model->program().states)
        isState |= state.input == input.name;
      if (isState)
        continue;
      PLX_ASSIGN(Tensor dense, input.tensor.dense());
      PLX_ASSIGN(Tensor copy, Tensor::zeros(dense.dtype, dense.shape));
      std::memcpy(copy.data.get(), dense.data.get(), dense.bytes());
      constant.push_back({input.name, std::move(copy)});
    } else if (frames.size > 0) {
      int64_t samples = input.tensor.shape[axis];
      // A hop beyond the frame's end skips samples that have not come yet; keep what there is.
      int64_t begin = std::min(rows * frames.hop, samples);
      PLX_ASSIGN(Tensor tail, sliceAlong(input.tensor, begin, samples, static_cast<size_t>(axis)));
      rest.push_back({input.name, std::move(tail)});
    }
  }
  waiting = std::move(rest);
  if (!begun)
    kept = std::move(constant);
  begun = true;
  return Status::ok();
}

Expected<std::vector<NamedTensor>> Stream::push(std::span<const NamedTensor> inputs) {
  Impl &s = *impl_;
  PLX_ASSIGN(auto all, s.gather(inputs));
  Framing frames = s.frames;
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
  PLX_ASSIGN(auto outputs, run.take(ids));
  PLX_RETURN_IF_ERROR(s.keep(all, rows));
  if (fresh) {
    s.sequences.emplace(*s.session.store, 0);
    s.sequences->ids.swap(fresh->ids);
  }
  return outputs;
}

void Stream::reset() {
  impl_->sequences.reset();
  impl_->waiting.clear();
  impl_->kept.clear();
  impl_->begun = false;
}

Expected<std::unique_ptr<Stream>> Session::openStream(const StreamOptions &options) {
  const Program &program = impl_->model->program();
  PLX_ASSIGN(int schedule, findSchedule(program, options.run));
  if (!options.run.chunks.empty())
    return Status(Code::InvalidArgument, "a stream takes no chunks: its calls are the pieces");
  if (options.window < 0 || options.hop < 0 || (options.hop > 0 && options.window == 0))
    return error(Code::InvalidArgument)
           << "a window of " << options.window << " and a hop of " << options.hop;
  std::unique_ptr<Stream::Impl> impl(
      new Stream::Impl{*impl_, options, schedule, program.schedules[schedule].frames});
  bool keepsStates = !program.states.empty();
  bool ownFrames = impl->frames.size > 0;
  if (options.window > 0 && ownFrames &&
      (options.window != impl->frames.size || options.hop != impl->frames.hop))
    return error(Code::InvalidArgument) << "the model has frames of " << impl->frames.size
                                        << " samples, one each " << impl->frames.hop;
  if (options.window > 0 && !keepsStates && impl->frames.size == 0)
    impl->frames = {options.window, options.hop > 0 ? options.hop : options.window, 0, false};
  if (!keepsStates && impl->frames.size == 0)
    return error(Code::Unsupported)
           << "model " << program.model.name << " keeps no states: a stream of it needs a window";
  return std::unique_ptr<Stream>(new Stream(std::move(impl)));
}

} // namespace plexus
