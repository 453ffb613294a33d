// Binding by name, packing sequences into ragged rows, and the outputs back to tensors.
#include "runtime/exec/SequenceRun.h"

#include "runtime/exec/NamedInputs.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace plexus {

SequenceRun::SequenceRun(Session::Impl &session, int schedule, const Framing &frames)
    : session_(session), index_(schedule), schedule_(session.model->program().schedules[schedule]),
      options_(session.model->info()) {
  if (frames.size > 0)
    schedule_.frames = frames;
  graph_ = session.model->info().task != "sequence" && schedule_.frames.size == 0;
}

int64_t SequenceRun::samplesOf(int64_t b) const {
  if (graph_)
    return std::max<int64_t>(sizes_.batch, 1);
  return lengths_.empty() ? samples() : lengths_[b];
}

int64_t SequenceRun::rows() const {
  int64_t most = 0;
  for (int64_t b = 0; b < sequences(); ++b)
    most = std::max(most, schedule_.frames.count(samplesOf(b)));
  return most;
}

int64_t SequenceRun::rowsOf(int64_t count) const {
  const Framing &f = schedule_.frames;
  if (graph_ || f.size == 0)
    return count;
  if (count >= samples())
    return rows();
  int64_t room = count + f.pad - f.size;
  return room < 0 ? 0 : room / f.hop + 1;
}

Status SequenceRun::bind(std::span<const NamedTensor> inputs, const RunOptions &options,
                         bool maybeEmpty) {
  PLX_RETURN_IF_ERROR(options_.set(options.set));
  PLX_RETURN_IF_ERROR(checkNames(inputs));
  for (size_t i = 0; i < schedule_.inputs.size(); ++i)
    PLX_RETURN_IF_ERROR(bindOne(schedule_.inputs[i], schedule_.values[i], inputs));
  for (BoundInput &input : inputs_) {
    if (!findInput(inputs, input.name()))
      PLX_RETURN_IF_ERROR(fillOne(input));
  }
  if (options.refuseNan)
    PLX_RETURN_IF_ERROR(checkNan());
  const auto &states = session_.model->program().states;
  for (size_t s = 0; s < states.size(); ++s)
    if (const Tensor *given =
            states[s].input.empty() ? nullptr : findInput(inputs, states[s].input))
      initial_.emplace_back(s, *given);
  if (const Tensor *lengths = findInput(inputs, "lengths"))
    PLX_RETURN_IF_ERROR(bindLengths(*lengths));
  for (int64_t b = 0; b < sequences() && !maybeEmpty; ++b)
    if (schedule_.frames.count(samplesOf(b)) < 1)
      return error(Code::InvalidArgument)
             << samplesOf(b) << " samples are fewer than a frame of " << schedule_.frames.size;
  return checkWhole(maybeEmpty || !options.chunks.empty());
}

/// Sequences of schedules that see them whole: not in pieces, and long enough.
Status SequenceRun::checkWhole(bool inPieces) const {
  for (const PortInfo &port : schedule_.ports) {
    if (port.least <= 1)
      continue;
    if (inPieces)
      return error(Code::Unsupported)
             << "schedule " << schedule_.name
             << " sees whole sequences: give each at once, not in pieces or as a stream";
    for (int64_t b = 0; b < sequences(); ++b)
      if (samplesOf(b) < port.least)
        return error(Code::InvalidArgument)
               << "input \"" << port.name << "\" has " << samplesOf(b) << " samples; schedule "
               << schedule_.name << " needs " << port.least << " or more";
  }
  return Status::ok();
}

Status SequenceRun::checkNames(std::span<const NamedTensor> inputs) const {
  std::string known;
  auto add = [&](const std::string &name) { known += (known.empty() ? "" : ", ") + name; };
  std::vector<std::string> names = schedule_.inputs;
  for (const StateInfo &state : session_.model->program().states)
    if (!state.input.empty() && session_.model->keepsStates(index_))
      names.push_back(state.input);
  if (!graph_)
    names.push_back("lengths");
  for (const std::string &name : names)
    add(name);
  for (const NamedTensor &input : inputs)
    if (std::find(names.begin(), names.end(), input.name) == names.end())
      return error(Code::NotFound) << "schedule " << schedule_.name << " has no input \""
                                   << input.name << "\"; it takes " << known;
  return Status::ok();
}

Status SequenceRun::bindOne(const std::string &name, const ValueType &type,
                            std::span<const NamedTensor> inputs) {
  PortLayout layout =
      PortLayout::of(session_.model->info(), schedule_, name, type, /*isInput=*/true);
  int frameDim = -1;
  for (const PortLayout::Axis &axis : layout.axes)
    if (axis.kind == PortLayout::Kind::Sequence)
      frameDim = axis.dim;
  if (layout.frames.size > 0 && (frameDim < 0 || type.shape[frameDim] != layout.frames.size))
    return error(Code::Mismatch) << "frames of " << layout.frames.size << " do not fit input \""
                                 << name << "\": " << toString(type);
  BoundInput &input = inputs_.emplace_back(name, std::move(layout));
  const Tensor *given = findInput(inputs, name);
  return given ? input.bind(*given, sizes_, options_) : Status::ok();
}

/// An input that is not given holds its option's value, or its port's.
Status SequenceRun::fillOne(BoundInput &input) {
  const PortInfo *port = schedule_.findPort(input.name());
  const OptionInfo *option = session_.model->info().findOption(input.name());
  auto value = option ? options_.of(*option) : std::nullopt;
  if (!value && port)
    value = port->fill;
  if (value) {
    input.fill(*value);
    return Status::ok();
  }
  std::string known;
  for (size_t i = 0; option && i < option->known.size(); ++i)
    known += (i ? ", " : "; known are ") + std::to_string(static_cast<int64_t>(option->known[i]));
  return error(Code::NotFound) << "the input \"" << input.name() << "\" is missing; expected "
                               << toString(*input.layout().type)
                               << (option ? ", or the option " + option->name : "") << known;
}

Status SequenceRun::bindLengths(const Tensor &lengths) {
  PLX_ASSIGN(Tensor dense, lengths.dense());
  if (dense.shape != std::vector<int64_t>{sequences()} || isFloat(dense.dtype))
    return error(Code::Mismatch) << "lengths has shape " << shapeText(dense.shape)
                                 << ", expected whole numbers [" << sequences() << "]";
  for (int64_t b = 0; b < sequences(); ++b) {
    lengths_.push_back(integerAt(dense, b));
    if (lengths_[b] < 1 || lengths_[b] > samples())
      return error(Code::InvalidArgument)
             << "lengths holds " << lengths_[b] << ", expected 1 to " << samples();
  }
  return Status::ok();
}

Status SequenceRun::want(const std::vector<std::string> &asked) {
  const Program &program = session_.model->program();
  std::vector<std::string> names = asked;
  if (names.empty()) {
    for (const ScheduleOutput &output : schedule_.outputs)
      names.push_back(output.name);
    for (const StateInfo &state : program.states)
      if (!state.output.empty() && session_.model->keepsStates(index_))
        names.push_back(state.output);
  }
  session_.key = PlanKey();
  session_.key.schedule = index_;
  names_ = names;
  for (const std::string &name : names) {
    auto state = std::find_if(program.states.begin(), program.states.end(),
                              [&](const StateInfo &s) { return s.output == name; });
    if (state != program.states.end() && schedule_.findOutput(name) < 0) {
      finals_.emplace_back(static_cast<size_t>(state - program.states.begin()), Tensor());
      continue;
    }
    Want want;
    want.source = Source::Output;
    want.name = name;
    PLX_ASSIGN(WantTarget target, resolveWant(*session_.model, index_, want));
    session_.addTarget(target);
    PLX_ASSIGN(BoundOutput bound,
               BoundOutput::make(name,
                                 PortLayout::of(session_.model->info(), schedule_, name,
                                                *target.type, /*isInput=*/false),
                                 sizes_, graph_ ? 1 : rows(), options_));
    outputs_.push_back({target, std::move(bound)});
  }
  key_ = session_.key;
  return Status::ok();
}

Status SequenceRun::setStates(std::span<const SequenceId> ids) {
  const Program &program = session_.model->program();
  for (const auto &[s, given] : initial_) {
    const StateInfo &state = program.states[s];
    std::vector<int64_t> shape = {static_cast<int64_t>(state.layers.size()),
                                  static_cast<int64_t>(ids.size())};
    shape.insert(shape.end(), state.shape.begin(), state.shape.end());
    if (given.shape != shape || given.dtype != DType::F32)
      return error(Code::Mismatch)
             << "input \"" << state.input << "\" is " << dtypeName(given.dtype) << " "
             << shapeText(given.shape) << ", expected F32 " << shapeText(shape)
             << ": it is a state of another model or batch";
    PLX_ASSIGN(Tensor dense, given.dense());
    int64_t elements = ValueType{Rows::None, state.shape, DType::F32}.rowElements();
    for (size_t b = 0; b < ids.size(); ++b) {
      PLX_ASSIGN(Sequence * sequence, session_.store->find(ids[b]));
      PLX_ASSIGN(uint8_t *slot, session_.store->ownCarry(*sequence));
      for (size_t l = 0; l < state.layers.size(); ++l)
        std::memcpy(slot + session_.store->carries()->offset(static_cast<int>(s), state.layers[l]),
                    dense.as<float>() + (l * ids.size() + b) * elements,
                    static_cast<size_t>(elements) * sizeof(float));
    }
  }
  return Status::ok();
}

Status SequenceRun::readStates(std::span<const SequenceId> ids) {
  const Program &program = session_.model->program();
  for (auto &[s, out] : finals_) {
    const StateInfo &state = program.states[s];
    if (!out.data) {
      std::vector<int64_t> shape = {static_cast<int64_t>(state.layers.size()),
                                    static_cast<int64_t>(ids.size())};
      shape.insert(shape.end(), state.shape.begin(), state.shape.end());
      PLX_ASSIGN(out, Tensor::zeros(DType::F32, shape));
    }
    size_t elements = static_cast<size_t>(out.count()) / (state.layers.size() * ids.size());
    for (size_t b = 0; b < ids.size(); ++b) {
      PLX_ASSIGN(Sequence * sequence, session_.store->find(ids[b]));
      for (size_t l = 0; l < state.layers.size(); ++l)
        std::memcpy(out.as<float>() + (l * ids.size() + b) * elements,
                    sequence->carry +
                        session_.store->carries()->offset(static_cast<int>(s), state.layers[l]),
                    elements * sizeof(float));
    }
  }
  return Status::ok();
}

/// The rows of each sequence as pending ones in the batch.
Status SequenceRun::addLanes(std::span<const SequenceId> ids, int64_t begin, int64_t end) {
  lanes_.clear();
  session_.batch.clear();
  for (int64_t b = 0; b < sequences(); ++b) {
    Lane lane{b, begin, std::min(end, schedule_.frames.count(samplesOf(b)))};
    if (lane.begin >= lane.end)
      continue;
    PLX_ASSIGN(Sequence * sequence, session_.store->find(ids[b]));
    int64_t count = lane.end - lane.begin;
    if (sequence->committed + count > session_.store->maxRows())
      return error(Code::ResourceExhausted)
             << count << " rows after " << sequence->committed << " do not fit the context of "
             << session_.store->maxRows() << " rows";
    for (int64_t i = 0; i < count; ++i) {
      PendingRow row;
      row.parent = static_cast<int32_t>(i) - 1;
      row.index = row.position = static_cast<int32_t>(sequence->committed + i);
      row.tokenType = row.seesUpTo = 0;
      row.layers = row.visible = LayerSet::all();
      sequence->pending.push_back(row);
    }
    PLX_RETURN_IF_ERROR(session_.store->prepare(*sequence, 0, false));
    session_.numbers.resize(static_cast<size_t>(count));
    std::iota(session_.numbers.begin(), session_.numbers.end(), 0);
    int64_t first = session_.batch.add(*sequence, session_.numbers, {});
    for (int64_t i = 0; i < count; ++i)
      session_.batch.wantRow(first + i);
    lanes_.push_back(lane);
  }
  return Status::ok();
}

/// The one row of input `i`, which has none of its own for each token or sequence.
Expected<const void *> SequenceRun::gatherWhole(size_t i) {
  if (const void *own = inputs_[i].wholeRow())
    return own;
  auto &memory = wholes_[i];
  auto elements =
      static_cast<size_t>(std::max<int64_t>(inputs_[i].layout().type->rowElements(), 1));
  if (!memory)
    memory.reset(static_cast<uint32_t *>(std::calloc(elements, sizeof(uint32_t))));
  if (!memory)
    return error(Code::ResourceExhausted) << "no memory for the input \"" << inputs_[i].name()
                                          << "\": " << elements << " elements";
  inputs_[i].gather(0, 0, 0, memory.get(), /*zeroed=*/true);
  return memory.get();
}

Status SequenceRun::gatherInputs(const plx_batch &built) {
  buffers_.resize(inputs_.size());
  wholes_.resize(inputs_.size());
  pointers_.clear();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const ValueType &type = *inputs_[i].layout().type;
    int64_t width = type.rowElements();
    if (type.rows == Rows::None) {
      PLX_ASSIGN(const void *whole, gatherWhole(i));
      pointers_.push_back(whole);
      continue;
    }
    int64_t count = type.rows == Rows::Sequences ? built.sequences : built.tokens;
    buffers_[i].resize(static_cast<size_t>(std::max<int64_t>(count * width, 1)));
    uint32_t *to = buffers_[i].data();
    pointers_.push_back(to);
    for (const Lane &lane : lanes_)
      if (type.rows == Rows::Sequences) {
        inputs_[i].gather(lane.b, 0, 0, to);
        to += width;
      } else {
        for (int64_t row = lane.begin; row < lane.end; ++row, to += width)
          inputs_[i].gather(graph_ ? row : lane.b, graph_ ? 0 : row, samplesOf(lane.b), to);
      }
  }
  return Status::ok();
}

void SequenceRun::scatterOutputs(const plx_batch &built) {
  for (Output &output : outputs_) {
    Rows rows = output.target.type->rows;
    for (size_t l = 0; l < lanes_.size(); ++l) {
      const Lane &lane = lanes_[l];
      int64_t first = built.token_begin[l];
      if (rows == Rows::None || rows == Rows::Sequences)
        output.bound.scatter(graph_ ? 0 : lane.b, 0, session_.rowOf(output.target, first));
      else
        for (int64_t row = lane.begin; row < lane.end; ++row)
          output.bound.scatter(graph_ ? row : lane.b, graph_ ? 0 : row,
                               session_.rowOf(output.target, first + row - lane.begin));
    }
  }
}

Status SequenceRun::feed(std::span<const SequenceId> ids, int64_t begin, int64_t end) {
  auto run = [&]() -> Status {
    PLX_RETURN_IF_ERROR(addLanes(ids, begin, end));
    if (lanes_.empty())
      return Status::ok();
    const plx_batch &built = session_.batch.finish();
    PLX_RETURN_IF_ERROR(gatherInputs(built));
    session_.key = key_; // Other runs of the session may have come between.
    PLX_ASSIGN(session_.ran, session_.executor.plan(session_.key));
    PLX_RETURN_IF_ERROR(session_.executor.run(*session_.ran, built, session_.batch.sequences(),
                                              pointers_, nullptr));
    scatterOutputs(built);
    return Status::ok();
  };
  Status status = run();
  for (SequenceId id : ids)
    if (auto sequence = session_.store->find(id); sequence && status)
      session_.store->commitChain(**sequence);
    else if (sequence)
      session_.store->dropPending(**sequence, 0);
  return status;
}

std::vector<NamedTensor> SequenceRun::outputs() const {
  std::vector<NamedTensor> out;
  size_t output = 0, final = 0;
  const std::vector<StateInfo> &states = session_.model->program().states;
  for (const std::string &name : names_)
    if (final < finals_.size() && states[finals_[final].first].output == name)
      out.push_back({name, finals_[final++].second});
    else
      out.push_back(outputs_[output++].bound.named());
  return out;
}

Status SequenceRun::checkNan() const {
  for (const BoundInput &input : inputs_)
    if (int64_t nan = input.firstNan(); nan >= 0)
      return error(Code::InvalidArgument)
             << "input \"" << input.name() << "\" holds NaN at element " << nan;
  return Status::ok();
}

Expected<std::vector<int64_t>> piecesOf(const RunOptions &options, int64_t total,
                                        std::string_view what) {
  if (options.chunks.empty())
    return std::vector<int64_t>{total};
  int64_t sum = 0;
  for (int64_t piece : options.chunks) {
    if (piece < 1)
      return error(Code::InvalidArgument) << "a chunk of " << piece << " " << what;
    sum += piece;
  }
  if (sum != total)
    return error(Code::InvalidArgument)
           << "the chunks add up to " << sum << " " << what << ", the input has " << total;
  return options.chunks;
}

Status Session::Impl::checkSequence(int named) const {
  const Program &program = model->program();
  if (program.model.task == "sequence" || program.states.empty())
    return Status::ok();
  return error(Code::Unsupported) << "schedule " << program.schedules[named].name
                                  << " keeps states, but does not take "
                                  << "input_ids, nor is the model's task \"sequence\"";
}

Expected<std::vector<NamedTensor>> Session::Impl::runSequence(std::span<const NamedTensor> inputs,
                                                              const RunOptions &runOptions,
                                                              int named) {
  SequenceRun run(*this, named);
  PLX_RETURN_IF_ERROR(run.bind(inputs, runOptions));
  bool whole =
      model->wholeRequests() || (model->info().task == "sequence" &&
                                 run.schedule().frames.size == 0 && !model->keepsStates(named));
  if (!runOptions.chunks.empty() && whole)
    return error(Code::Unsupported)
           << "schedule " << run.schedule().name << " of model " << model->info().name
           << " sees its whole input at once: it takes no chunks";
  PLX_RETURN_IF_ERROR(checkSequence(named));
  PLX_RETURN_IF_ERROR(run.want(runOptions.wants));
  OpenSequences sequences(*store, run.sequences());
  PLX_RETURN_IF_ERROR(run.setStates(sequences.ids));
  bool graph = model->info().task != "sequence";
  PLX_ASSIGN(auto pieces, piecesOf(runOptions, run.samples(), "samples"));
  int64_t samples = 0, done = 0;
  for (int64_t piece : pieces) {
    samples += piece;
    int64_t rows = graph ? run.rows() : run.rowsOf(samples);
    PLX_RETURN_IF_ERROR(run.feed(sequences.ids, done, rows));
    done = rows;
  }
  PLX_RETURN_IF_ERROR(run.readStates(sequences.ids));
  return run.outputs();
}

} // namespace plexus
