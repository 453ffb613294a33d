// Derived properties of a program: sizes, look-up by name, and the checks that tie its parts
// together.
#include "runtime/program/Program.h"

#include "runtime/abi/Call.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace plexus {
namespace {

constexpr int64_t kWeightAlignment = 64;

int64_t product(const std::vector<int64_t> &shape) {
  int64_t elements = 1;
  for (int64_t size : shape)
    elements = size <= 0 || elements > kMaxElements / size ? kMaxElements + 1 : elements * size;
  return elements;
}

uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

template <typename T>
int findByName(const std::vector<T> &items, std::string_view name) {
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].name == name)
      return static_cast<int>(i);
  return -1;
}

/// The checks, each with the path of what it looks at in front of its message.
class Checker {
public:
  explicit Checker(Program &program) : program_(program) {}

  Status run() {
    PLX_RETURN_IF_ERROR(uniqueNames(program_.segments, "segments"));
    PLX_RETURN_IF_ERROR(uniqueNames(program_.states, "states"));
    PLX_RETURN_IF_ERROR(uniqueNames(program_.schedules, "schedules"));
    PLX_RETURN_IF_ERROR(checkOptions());
    PLX_RETURN_IF_ERROR(checkStates());
    PLX_RETURN_IF_ERROR(checkWeights());
    for (size_t i = 0; i < program_.segments.size(); ++i)
      PLX_RETURN_IF_ERROR(checkSegment(program_.segments[i], entry("segments", i)));
    for (size_t i = 0; i < program_.schedules.size(); ++i)
      PLX_RETURN_IF_ERROR(checkSchedule(program_.schedules[i], entry("schedules", i)));
    for (StateInfo &state : program_.states) {
      std::sort(state.layers.begin(), state.layers.end());
      state.layers.erase(std::unique(state.layers.begin(), state.layers.end()), state.layers.end());
    }
    if (program_.carryBytes() > kMaxElements)
      return error(Code::Corrupt) << "states: " << program_.carryBytes() << " bytes a sequence";
    return Status::ok();
  }

private:
  static std::string entry(std::string_view list, size_t index) {
    return std::string(list) + "[" + std::to_string(index) + "]";
  }

  template <typename T>
  static Status uniqueNames(const std::vector<T> &items, std::string_view list) {
    std::set<std::string_view> seen;
    for (size_t i = 0; i < items.size(); ++i)
      if (items[i].name.empty() || !seen.insert(items[i].name).second)
        return error(Code::Corrupt)
               << entry(list, i) << ": name '" << items[i].name << "' is empty or used twice";
    return Status::ok();
  }

  static bool pagesFit(const StateInfo &state) {
    return product({state.heads, state.keyDim}) <= (int64_t(1) << 24) &&
           product({state.heads, state.valueDim}) <= (int64_t(1) << 24) && state.shape.empty() &&
           state.input.empty() && state.output.empty();
  }
  static bool carryFits(const StateInfo &state) {
    return !state.shape.empty() && state.shape.size() <= kMaxRank &&
           product(state.shape) <= (int64_t(1) << 28) && state.window == 0;
  }

  Status checkStates() {
    for (size_t i = 0; i < program_.states.size(); ++i) {
      StateInfo &state = program_.states[i];
      state.layers.clear();
      if (state.dtype != DType::F32)
        return error(Code::Unsupported)
               << entry("states", i) << ": states hold F32, not " << dtypeName(state.dtype);
      if (!(state.kind == StateKind::Replace ? carryFits(state) : pagesFit(state)))
        return error(Code::Corrupt) << entry("states", i) << ": size is out of range";
    }
    return Status::ok();
  }

  Status checkWeights() {
    for (size_t i = 0; i < program_.weights.size(); ++i) {
      const WeightInfo &weight = program_.weights[i];
      std::string where = entry("weights", i) + " '" + weight.name + "'";
      auto bytes = weightBytes(weight.shape, weight.dtype, weight.encoding, weight.quantized);
      if (!bytes)
        return error(Code::Corrupt) << where << ": no such packed form, or too large";
      if (*bytes != weight.bytes)
        return error(Code::Corrupt)
               << where << ": takes " << *bytes << " bytes, the table says " << weight.bytes;
      if (weight.offset % kWeightAlignment || weight.offset > kMaxWeightBytes)
        return error(Code::Corrupt)
               << where << ": offset " << weight.offset << " is not a multiple of 64 in range";
      if (weight.layer < -1 || weight.layer >= program_.model.layers)
        return error(Code::Corrupt)
               << where << ": layer " << weight.layer << " of " << program_.model.layers;
      if (!weightIndex_.try_emplace({weight.name, weight.layer}, static_cast<int>(i)).second)
        return error(Code::Corrupt) << where << ": layer " << weight.layer << " is there twice";
    }
    return Status::ok();
  }

  static Status checkTypes(const std::vector<ValueType> &types, const std::string &where) {
    for (size_t i = 0; i < types.size(); ++i)
      if (types[i].shape.size() > kMaxRank || types[i].rowElements() > kMaxElements)
        return error(Code::Corrupt) << entry(where, i) << ": shape is out of range";
    return Status::ok();
  }

  Status checkSegment(const Segment &segment, const std::string &where) {
    if (segment.symbol.empty() || segment.scratch.empty())
      return error(Code::Corrupt) << where << ": symbol and scratch must be named";
    PLX_RETURN_IF_ERROR(checkTypes(segment.inputs, where + ".inputs"));
    PLX_RETURN_IF_ERROR(checkTypes(segment.outputs, where + ".outputs"));
    for (int state : segment.states)
      if (state < 0 || static_cast<size_t>(state) >= program_.states.size())
        return error(Code::Corrupt) << where << ".states: index " << state << " is out of range";
    if (!segment.tapped)
      return Status::ok();
    if (segment.tapped->symbol.empty() || segment.tapped->scratch.empty())
      return error(Code::Corrupt) << where << ".tapped: symbol and scratch must be named";
    std::vector<ValueType> types;
    for (const Tap &tap : segment.tapped->taps)
      types.push_back(tap.type);
    PLX_RETURN_IF_ERROR(uniqueNames(segment.tapped->taps, where + ".tapped.taps"));
    return checkTypes(types, where + ".tapped.taps");
  }

  /// `values` of a step against the segment's types; index and type by index.
  static Status checkOperands(const Schedule &schedule, const std::vector<int> &values,
                              const std::vector<ValueType> &types, const std::string &where) {
    if (values.size() != types.size())
      return error(Code::Corrupt) << where << ": " << values.size() << " values, the segment has "
                                  << types.size();
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0 || static_cast<size_t>(values[i]) >= schedule.values.size())
        return error(Code::Corrupt) << entry(where, i) << ": value " << values[i]
                                    << " is out of range (" << schedule.values.size() << " values)";
      if (const ValueType &type = schedule.values[values[i]]; type != types[i])
        return error(Code::Corrupt)
               << entry(where, i) << ": value " << values[i] << " is " << toString(type)
               << ", the segment's is " << toString(types[i]);
    }
    return Status::ok();
  }

  Status bindWeights(Step &step, const Segment &segment, const std::string &where) {
    step.weights.clear();
    for (const std::string &name : segment.weights) {
      auto found = weightIndex_.find({name, step.layer});
      if (found == weightIndex_.end())
        found = weightIndex_.find({name, -1});
      if (found == weightIndex_.end())
        return error(Code::Corrupt) << where << ": segment '" << segment.name << "' needs weight '"
                                    << name << "' of layer " << step.layer << ", which is missing";
      step.weights.push_back(found->second);
    }
    return Status::ok();
  }

  Status checkStep(const Schedule &schedule, Step &step, std::vector<bool> &written,
                   const std::string &where) {
    if (step.segment < 0 || static_cast<size_t>(step.segment) >= program_.segments.size())
      return error(Code::Corrupt) << where << ".segment: index is out of range";
    const Segment &segment = program_.segments[step.segment];
    if (step.layer < -1 || step.layer >= program_.model.layers)
      return error(Code::Corrupt) << where << ".layer: " << step.layer << " of "
                                  << program_.model.layers;
    PLX_RETURN_IF_ERROR(checkOperands(schedule, step.in, segment.inputs, where + ".in"));
    PLX_RETURN_IF_ERROR(checkOperands(schedule, step.out, segment.outputs, where + ".out"));
    for (int value : step.in)
      if (!written[value])
        return error(Code::Corrupt) << where << ".in: value " << value << " is not written yet";
    for (int value : step.out) {
      if (written[value])
        return error(Code::Corrupt) << where << ".out: value " << value << " is written twice";
      written[value] = true;
    }
    if (step.scalars.size() != static_cast<size_t>(segment.scalars))
      return error(Code::Corrupt) << where << ".scalars: " << step.scalars.size()
                                  << ", the segment takes " << segment.scalars;
    if (!std::all_of(step.scalars.begin(), step.scalars.end(),
                     [](float v) { return std::isfinite(v); }))
      return error(Code::Corrupt) << where << ".scalars: not finite";
    for (int state : segment.states) {
      program_.states[state].layers.push_back(step.layer);
      // A second step would start again from what was before the first.
      if (program_.states[state].kind == StateKind::Replace &&
          !replaced_.insert({state, step.layer}).second)
        return error(Code::Corrupt) << where << ": state '" << program_.states[state].name
                                    << "' of layer " << step.layer << " is replaced twice";
    }
    return bindWeights(step, segment, where);
  }

  /// A port's axes against the row of its value: one name for each dimension, besides "b" and "s".
  static bool axesFit(const std::vector<std::string> &axes, const ValueType &type, bool framed) {
    int64_t batch = 0, sequence = 0, row = 0;
    for (const std::string &axis : axes) {
      batch += axis == "b";
      sequence += axis == "s" || axis == "s-1";
      row += axis != "b" && axis != "s" && axis != "s-1";
    }
    bool inRow = framed && type.rows == Rows::Tokens && sequence == 1;
    return batch <= 1 && sequence <= 1 &&
           row + (inRow ? 1 : 0) == static_cast<int64_t>(type.shape.size());
  }

  Status checkPorts(const Schedule &schedule, const std::string &where) const {
    PLX_RETURN_IF_ERROR(uniqueNames(schedule.ports, where + ".ports"));
    const Framing &f = schedule.frames;
    if (f.size < 0 || f.hop < 1 || f.pad < 0 || f.size > kMaxElements || f.hop > kMaxElements ||
        f.pad > kMaxElements)
      return error(Code::Corrupt) << where << ".frames: out of range";
    for (const PortInfo &port : schedule.ports) {
      auto input = std::find(schedule.inputs.begin(), schedule.inputs.end(), port.name);
      int output = schedule.findOutput(port.name);
      if (input == schedule.inputs.end() && output < 0)
        return error(Code::Corrupt)
               << where << ".ports: '" << port.name << "' is no input and no output";
      bool isInput = input != schedule.inputs.end();
      const ValueType &type = isInput ? schedule.values[input - schedule.inputs.begin()]
                                      : schedule.values[schedule.outputs[output].value];
      if (!port.axes.empty() && !axesFit(port.axes, type, isInput && f.size > 0))
        return error(Code::Corrupt) << where << ".ports: the axes of '" << port.name
                                    << "' do not fit its row " << toString(type);
      if (port.fill && !std::isfinite(*port.fill))
        return error(Code::Corrupt)
               << where << ".ports: '" << port.name << "' is filled with " << *port.fill;
    }
    return Status::ok();
  }

  Status checkOptions() const {
    PLX_RETURN_IF_ERROR(uniqueNames(program_.model.options, "model.options"));
    for (const OptionInfo &option : program_.model.options)
      for (double value : option.known)
        if (!std::isfinite(value) || (option.integer && value != std::trunc(value)))
          return error(Code::Corrupt) << "model.options: '" << option.name << "' knows " << value;
    return Status::ok();
  }

  Status checkSchedule(Schedule &schedule, const std::string &where) {
    PLX_RETURN_IF_ERROR(checkTypes(schedule.values, where + ".values"));
    if (schedule.inputs.size() > schedule.values.size())
      return error(Code::Corrupt) << where << ": " << schedule.inputs.size() << " inputs, but only "
                                  << schedule.values.size() << " values";
    std::vector<bool> written(schedule.values.size());
    std::fill_n(written.begin(), schedule.inputs.size(), true);
    replaced_.clear();
    for (size_t i = 0; i < schedule.steps.size(); ++i)
      PLX_RETURN_IF_ERROR(
          checkStep(schedule, schedule.steps[i], written, where + "." + entry("steps", i)));
    PLX_RETURN_IF_ERROR(uniqueNames(schedule.outputs, where + ".outputs"));
    auto known = [&](int value) {
      return value >= 0 && static_cast<size_t>(value) < written.size() && written[value];
    };
    for (const ScheduleOutput &output : schedule.outputs)
      if (!known(output.value))
        return error(Code::Corrupt) << where << ".outputs: '" << output.name << "' is value "
                                    << output.value << ", which nothing writes";
    for (int value : schedule.hidden)
      if (!known(value))
        return error(Code::Corrupt)
               << where << ".hidden: value " << value << ", which nothing writes";
    return checkPorts(schedule, where);
  }

  Program &program_;
  std::map<std::pair<std::string_view, int>, int> weightIndex_;
  std::set<std::pair<int, int>> replaced_; ///< (state, layer) of the schedule looked at.
};

} // namespace

int64_t ValueType::rowElements() const { return product(shape); }

std::string toString(const ValueType &type) {
  std::string text = "[" + std::string(rowsName(type.rows));
  for (int64_t size : type.shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "] " + std::string(dtypeName(type.dtype));
}

int64_t StateInfo::layerBytes() const {
  if (kind == StateKind::Replace)
    return static_cast<int64_t>(
        roundUp(static_cast<uint64_t>(product(shape)) * dtypeSize(dtype), kWeightAlignment));
  return keys().bytes() + values().bytes();
}

int StateInfo::ordinalOf(int layer) const {
  auto found = std::lower_bound(layers.begin(), layers.end(), layer);
  return found != layers.end() && *found == layer ? static_cast<int>(found - layers.begin()) : -1;
}

int Schedule::findOutput(std::string_view wanted) const { return findByName(outputs, wanted); }

const PortInfo *Schedule::findPort(std::string_view wanted) const {
  int index = findByName(ports, wanted);
  return index < 0 ? nullptr : &ports[index];
}

const OptionInfo *ModelInfo::findOption(std::string_view wanted) const {
  int index = findByName(options, wanted);
  return index < 0 ? nullptr : &options[index];
}

int64_t Framing::count(int64_t samples) const {
  if (size == 0)
    return samples;
  int64_t room = samples + 2 * pad - size;
  if (room < 0)
    return whole && samples > 0 ? 1 : 0;
  return 1 + (whole ? (room + hop - 1) / hop : room / hop);
}

int Program::findSegment(std::string_view name) const { return findByName(segments, name); }
int Program::findState(std::string_view name) const { return findByName(states, name); }
int Program::findSchedule(std::string_view name) const { return findByName(schedules, name); }

int Program::findWeight(std::string_view name, int layer) const {
  for (size_t i = 0; i < weights.size(); ++i)
    if (weights[i].layer == layer && weights[i].name == name)
      return static_cast<int>(i);
  return -1;
}

int64_t Program::carryOffset(size_t index) const {
  int64_t offset = 0;
  for (size_t i = 0; i < index; ++i)
    if (states[i].kind == StateKind::Replace)
      offset += states[i].pageBytes();
  return offset;
}

uint64_t Program::weightsSize() const {
  uint64_t size = 0;
  for (const WeightInfo &weight : weights)
    size = std::max(size, weight.offset + weight.bytes);
  return size;
}

std::optional<uint64_t> weightBytes(const std::vector<int64_t> &shape, DType dtype,
                                    WeightEncoding encoding,
                                    const std::optional<PackedForm> &quantized) {
  int64_t elements = product(shape);
  if (elements > kMaxElements)
    return std::nullopt;
  if (encoding == WeightEncoding::Packed) {
    bool packable =
        quantized ? dtype == DType::F32 && quantized->isQuantized() && quantized->problem().empty()
                  : dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
    if (shape.size() != 2 || !packable)
      return std::nullopt;
    PackedForm form = quantized ? *quantized : PackedForm::plain(dtype);
    int64_t blocks = static_cast<int64_t>(roundUp(shape[0], kPackedColumns)) / kPackedColumns;
    auto bytes = static_cast<uint64_t>(blocks * PackedGeometry(form, shape[1]).blockBytes);
    return bytes > kMaxWeightBytes ? std::nullopt : std::optional<uint64_t>(bytes);
  }
  return static_cast<uint64_t>(elements) * dtypeSize(dtype);
}

Status checkProgram(Program &program) { return Checker(program).run(); }

} // namespace plexus
