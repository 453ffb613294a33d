// The program's JSON form: strict reading and writing (docs/contracts.md, section 2).
#include "runtime/program/Program.h"

#include "runtime/abi/Call.h"
#include "runtime/io/Json.h"
#include "runtime/program/JsonCursor.h"

#include <array>

namespace plexus {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMaxSize = int64_t(1) << 40;
constexpr int64_t kMaxIndex = int64_t(kMaxListEntries) - 1;
constexpr size_t kMaxNamed = 4096; ///< Segments, states, schedules.

template <typename E, size_t N>
using Names = std::array<std::pair<std::string_view, E>, N>;
constexpr Names<Rows, 4> kRows = {
    {{"", Rows::None}, {"T", Rows::Tokens}, {"S", Rows::Sequences}, {"R", Rows::Outputs}}};
constexpr Names<StateKind, 2> kStateKinds = {
    {{"kv", StateKind::Kv}, {"replace", StateKind::Replace}}};
constexpr Names<WeightEncoding, 2> kEncodings = {
    {{"dense", WeightEncoding::Dense}, {"packed", WeightEncoding::Packed}}};

template <typename E, size_t N>
E readName(const JsonCursor &in, const Names<E, N> &names) {
  std::string text = in.string(), known;
  for (const auto &[name, value] : names) {
    if (name == text)
      return value;
    known += (known.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  in.fail(Code::Corrupt, "unknown name '" + text + "'; known: " + known);
  return names[0].second;
}

template <typename E, size_t N>
std::string_view nameOf(E value, const Names<E, N> &names) {
  for (const auto &[name, known] : names)
    if (known == value)
      return name;
  return "";
}

DType readDType(const JsonCursor &in) {
  std::string text = in.string();
  if (auto dtype = dtypeFromName(text))
    return *dtype;
  in.fail(Code::Corrupt, "unknown dtype '" + text + "'");
  return DType::F32;
}

std::vector<int64_t> readShape(const JsonCursor &in) {
  std::vector<int64_t> shape;
  in.each(kMaxRank, [&](const JsonCursor &d) { shape.push_back(d.integer(1, kMaxSize)); });
  return shape;
}

template <typename T>
std::vector<T> readIntegers(const JsonCursor &in, int64_t least, int64_t most) {
  std::vector<T> values;
  in.each(kMaxListEntries,
          [&](const JsonCursor &v) { values.push_back(static_cast<T>(v.integer(least, most))); });
  return values;
}

std::vector<std::string> readStrings(const JsonCursor &in) {
  std::vector<std::string> values;
  in.each(kMaxListEntries, [&](const JsonCursor &v) { values.push_back(v.string()); });
  return values;
}

ValueType readTypeFields(const JsonCursor &in) {
  return {readName(in.field("rows"), kRows), readShape(in.field("shape")),
          readDType(in.field("dtype"))};
}

std::vector<ValueType> readTypes(const JsonCursor &in) {
  std::vector<ValueType> types;
  in.each(kMaxListEntries, [&](const JsonCursor &t) {
    t.expectFields({"rows", "shape", "dtype"});
    types.push_back(readTypeFields(t));
  });
  return types;
}

std::optional<int32_t> readToken(const JsonCursor &in) {
  if (in.isNull())
    return std::nullopt;
  return static_cast<int32_t>(in.integer(0, INT32_MAX));
}

std::optional<Pooling> readPooling(const JsonCursor &in) {
  if (in.isNull())
    return std::nullopt;
  in.expectFields({"mode", "normalize", "max_tokens", "lower_case", "prompt"});
  return Pooling{in.field("mode").string(), in.field("normalize").boolean(),
                 in.field("max_tokens").integer(0, kMaxSize), in.field("lower_case").boolean(),
                 in.field("prompt").string()};
}

std::vector<double> readNumbers(const JsonCursor &in) {
  std::vector<double> values;
  in.each(kMaxListEntries, [&](const JsonCursor &v) { values.push_back(v.number()); });
  return values;
}

OptionInfo readOption(const JsonCursor &in) {
  in.expectFields({"name", "integer", "default", "known"});
  OptionInfo option;
  option.name = in.field("name").string();
  option.integer = in.field("integer").boolean();
  if (!in.field("default").isNull())
    option.value = in.field("default").number();
  option.known = readNumbers(in.field("known"));
  return option;
}

PortInfo readPort(const JsonCursor &in) {
  in.expectFields({"name", "axes", "fill"}, {"least"});
  PortInfo port;
  port.name = in.field("name").string();
  port.axes = readStrings(in.field("axes"));
  if (!in.field("fill").isNull())
    port.fill = in.field("fill").number();
  if (in.has("least"))
    port.least = in.field("least").integer(1, kMaxSize);
  return port;
}

Framing readFraming(const JsonCursor &in) {
  in.expectFields({"size", "hop", "pad", "whole"});
  return {in.field("size").integer(0, kMaxSize), in.field("hop").integer(1, kMaxSize),
          in.field("pad").integer(0, kMaxSize), in.field("whole").boolean()};
}

ModelInfo readModel(const JsonCursor &in) {
  in.expectFields({"name", "family", "task", "vocab_size", "context", "layers", "hidden_size",
                   "token_types", "position_padding", "eos", "bos", "pad", "generation", "pooling",
                   "inputs"},
                  {"options"});
  ModelInfo model;
  model.name = in.field("name").string();
  model.family = in.field("family").string();
  model.task = in.field("task").string();
  model.vocabSize = in.field("vocab_size").integer(0, INT32_MAX);
  model.context = in.field("context").integer(0, INT32_MAX);
  model.layers = in.field("layers").integer(0, kMaxIndex);
  model.hiddenSize = in.field("hidden_size").integer(0, INT32_MAX);
  model.tokenTypes = in.field("token_types").integer(0, INT32_MAX);
  model.positionPadding = readToken(in.field("position_padding"));
  model.eos = readIntegers<int32_t>(in.field("eos"), 0, INT32_MAX);
  model.bos = readToken(in.field("bos"));
  model.pad = readToken(in.field("pad"));
  model.generation = in.field("generation").objectText();
  model.pooling = readPooling(in.field("pooling"));
  model.inputs = readStrings(in.field("inputs"));
  if (in.has("options"))
    in.field("options").each(kMaxNamed,
                             [&](const JsonCursor &o) { model.options.push_back(readOption(o)); });
  return model;
}

TappedVariant readTapped(const JsonCursor &in) {
  in.expectFields({"symbol", "scratch", "taps"});
  TappedVariant tapped{in.field("symbol").string(), in.field("scratch").string(), {}};
  in.field("taps").each(kMaxListEntries, [&](const JsonCursor &t) {
    t.expectFields({"name", "rows", "shape", "dtype"});
    tapped.taps.push_back({t.field("name").string(), readTypeFields(t)});
  });
  return tapped;
}

/// Reads the states' names as indices into `program.states`, which must have been read before.
std::vector<int> readStateNames(const JsonCursor &in, const Program &program) {
  std::vector<int> states;
  in.each(kMaxListEntries, [&](const JsonCursor &s) {
    states.push_back(program.findState(s.string()));
    if (states.back() < 0)
      s.fail(Code::Corrupt, "there is no state '" + s.string() + "'");
  });
  return states;
}

Segment readSegment(const JsonCursor &in, const Program &program) {
  in.expectFields(
      {"name", "symbol", "scratch", "inputs", "outputs", "weights", "states", "scalars"},
      {"tapped"});
  Segment segment;
  segment.name = in.field("name").string();
  segment.symbol = in.field("symbol").string();
  segment.scratch = in.field("scratch").string();
  segment.inputs = readTypes(in.field("inputs"));
  segment.outputs = readTypes(in.field("outputs"));
  segment.weights = readStrings(in.field("weights"));
  segment.states = readStateNames(in.field("states"), program);
  segment.scalars = static_cast<int>(in.field("scalars").integer(0, kMaxIndex));
  if (in.has("tapped"))
    segment.tapped = readTapped(in.field("tapped"));
  return segment;
}

StateInfo readState(const JsonCursor &in) {
  StateInfo state;
  state.name = in.field("name").string();
  state.kind = readName(in.field("kind"), kStateKinds);
  state.dtype = readDType(in.field("dtype"));
  if (state.kind == StateKind::Replace) {
    in.expectFields({"name", "kind", "shape", "input", "output", "dtype"});
    state.shape = readShape(in.field("shape"));
    state.input = in.field("input").string();
    state.output = in.field("output").string();
    return state;
  }
  in.expectFields({"name", "kind", "heads", "key_dim", "value_dim", "window", "dtype"}, {"form"});
  if (in.has("form")) {
    std::string name = in.field("form").string();
    auto form = kvFormFromName(name);
    if (!form)
      in.fail(Code::Corrupt, "unknown form '" + name + "'");
    state.form = form.value_or(KvForm::F32);
  }
  state.heads = in.field("heads").integer(1, 1 << 20);
  state.keyDim = in.field("key_dim").integer(1, 1 << 20);
  state.valueDim = in.field("value_dim").integer(1, 1 << 20);
  state.window = in.field("window").integer(0, INT32_MAX);
  return state;
}

/// Steps name their segment; indices are into `program.segments`, read before.
Step readStep(const JsonCursor &in, const Program &program) {
  in.expectFields({"segment", "layer", "in", "out", "scalars"});
  Step step;
  std::string name = in.field("segment").string();
  step.segment = program.findSegment(name);
  if (step.segment < 0)
    in.field("segment").fail(Code::Corrupt, "there is no segment '" + name + "'");
  step.layer = static_cast<int>(in.field("layer").integer(-1, kMaxIndex));
  step.in = readIntegers<int>(in.field("in"), 0, kMaxIndex);
  step.out = readIntegers<int>(in.field("out"), 0, kMaxIndex);
  in.field("scalars").each(kMaxListEntries, [&](const JsonCursor &v) {
    step.scalars.push_back(static_cast<float>(v.number()));
  });
  return step;
}

Schedule readSchedule(const JsonCursor &in, const Program &program) {
  in.expectFields({"name", "inputs", "values", "steps", "outputs", "hidden"}, {"ports", "frames"});
  Schedule schedule;
  schedule.name = in.field("name").string();
  schedule.inputs = readStrings(in.field("inputs"));
  schedule.values = readTypes(in.field("values"));
  in.field("steps").each(kMaxListEntries, [&](const JsonCursor &s) {
    schedule.steps.push_back(readStep(s, program));
  });
  in.field("outputs").each(kMaxListEntries, [&](const JsonCursor &o) {
    o.expectFields({"name", "value"});
    schedule.outputs.push_back(
        {o.field("name").string(), static_cast<int>(o.field("value").integer(0, kMaxIndex))});
  });
  schedule.hidden = readIntegers<int>(in.field("hidden"), 0, kMaxIndex);
  if (in.has("ports"))
    in.field("ports").each(kMaxNamed,
                           [&](const JsonCursor &p) { schedule.ports.push_back(readPort(p)); });
  if (in.has("frames"))
    schedule.frames = readFraming(in.field("frames"));
  return schedule;
}

WeightInfo readWeight(const JsonCursor &in) {
  in.expectFields({"name", "layer", "shape", "dtype", "encoding", "offset", "bytes"});
  WeightInfo weight;
  weight.name = in.field("name").string();
  weight.layer = static_cast<int>(in.field("layer").integer(-1, kMaxIndex));
  weight.shape = readShape(in.field("shape"));
  weight.dtype = readDType(in.field("dtype"));
  // "packed" alone is packed `dtype`; other forms are spelled.
  weight.quantized = PackedForm::parse(in.field("encoding").string());
  weight.encoding =
      weight.quantized ? WeightEncoding::Packed : readName(in.field("encoding"), kEncodings);
  weight.offset = static_cast<uint64_t>(in.field("offset").integer(0, INT64_MAX / 2));
  weight.bytes = static_cast<uint64_t>(in.field("bytes").integer(0, INT64_MAX / 2));
  return weight;
}

ReportEntry readReport(const JsonCursor &in) {
  in.expectFields({"segment", "op", "location", "target", "why"});
  return {in.field("segment").string(), in.field("op").string(), in.field("location").string(),
          in.field("target").string(), in.field("why").string()};
}

/// The two versions come before the rest: another format may have other fields.
void checkVersions(const JsonCursor &root) {
  int64_t format = root.field("format").integer(0, INT32_MAX);
  int64_t call = root.field("call_version").integer(0, INT32_MAX);
  if (format != kProgramFormat)
    root.field("format").fail(Code::Mismatch, "program has format " + std::to_string(format) +
                                                  ", this Plexus reads " +
                                                  std::to_string(kProgramFormat));
  if (call != PLX_CALL_VERSION)
    root.field("call_version")
        .fail(Code::Mismatch, "code has calling convention " + std::to_string(call) +
                                  ", this Plexus calls version " +
                                  std::to_string(PLX_CALL_VERSION));
}

ordered_json writeType(const ValueType &type) {
  return {
      {"rows", nameOf(type.rows, kRows)}, {"shape", type.shape}, {"dtype", dtypeName(type.dtype)}};
}

ordered_json writeTypes(const std::vector<ValueType> &types) {
  ordered_json list = ordered_json::array();
  for (const ValueType &type : types)
    list.push_back(writeType(type));
  return list;
}

ordered_json optionalNumber(std::optional<double> number) {
  return number ? ordered_json(*number) : ordered_json(nullptr);
}

ordered_json optionalToken(std::optional<int32_t> token) {
  return token ? ordered_json(*token) : ordered_json(nullptr);
}

ordered_json writeModel(const ModelInfo &m) {
  ordered_json pooling = nullptr;
  if (m.pooling)
    pooling = {{"mode", m.pooling->mode},
               {"normalize", m.pooling->normalize},
               {"max_tokens", m.pooling->maxTokens},
               {"lower_case", m.pooling->lowerCase},
               {"prompt", m.pooling->prompt}};
  ordered_json out = {{"name", m.name},
                      {"family", m.family},
                      {"task", m.task},
                      {"vocab_size", m.vocabSize},
                      {"context", m.context},
                      {"layers", m.layers},
                      {"hidden_size", m.hiddenSize},
                      {"token_types", m.tokenTypes},
                      {"position_padding", optionalToken(m.positionPadding)},
                      {"eos", m.eos},
                      {"bos", optionalToken(m.bos)},
                      {"pad", optionalToken(m.pad)},
                      {"generation", ordered_json::parse(m.generation, nullptr, false)},
                      {"pooling", pooling},
                      {"inputs", m.inputs}};
  for (const OptionInfo &option : m.options)
    out["options"].push_back({{"name", option.name},
                              {"integer", option.integer},
                              {"default", optionalNumber(option.value)},
                              {"known", option.known}});
  return out;
}

ordered_json writeSegment(const Segment &s, const Program &program) {
  ordered_json states = ordered_json::array();
  for (int state : s.states)
    states.push_back(program.states[state].name);
  ordered_json out = {{"name", s.name},
                      {"symbol", s.symbol},
                      {"scratch", s.scratch},
                      {"inputs", writeTypes(s.inputs)},
                      {"outputs", writeTypes(s.outputs)},
                      {"weights", s.weights},
                      {"states", states},
                      {"scalars", s.scalars}};
  if (!s.tapped)
    return out;
  ordered_json taps = ordered_json::array();
  for (const Tap &tap : s.tapped->taps) {
    taps.push_back({{"name", tap.name}});
    taps.back().update(writeType(tap.type));
  }
  out["tapped"] = {
      {"symbol", s.tapped->symbol}, {"scratch", s.tapped->scratch}, {"taps", std::move(taps)}};
  return out;
}

ordered_json writeState(const StateInfo &s) {
  if (s.kind == StateKind::Replace)
    return {{"name", s.name},     {"kind", nameOf(s.kind, kStateKinds)},
            {"shape", s.shape},   {"input", s.input},
            {"output", s.output}, {"dtype", dtypeName(s.dtype)}};
  ordered_json out = {{"name", s.name},
                      {"kind", nameOf(s.kind, kStateKinds)},
                      {"heads", s.heads},
                      {"key_dim", s.keyDim},
                      {"value_dim", s.valueDim},
                      {"window", s.window},
                      {"dtype", dtypeName(s.dtype)}};
  if (s.form != KvForm::F32)
    out["form"] = kvFormName(s.form);
  return out;
}

ordered_json writeSchedule(const Schedule &s, const Program &program) {
  ordered_json steps = ordered_json::array(), outputs = ordered_json::array();
  for (const Step &step : s.steps)
    steps.push_back({{"segment", program.segments[step.segment].name},
                     {"layer", step.layer},
                     {"in", step.in},
                     {"out", step.out},
                     {"scalars", step.scalars}});
  for (const ScheduleOutput &output : s.outputs)
    outputs.push_back({{"name", output.name}, {"value", output.value}});
  ordered_json out = {{"name", s.name}, {"inputs", s.inputs}, {"values", writeTypes(s.values)},
                      {"steps", steps}, {"outputs", outputs}, {"hidden", s.hidden}};
  for (const PortInfo &port : s.ports) {
    out["ports"].push_back(
        {{"name", port.name}, {"axes", port.axes}, {"fill", optionalNumber(port.fill)}});
    if (port.least > 1)
      out["ports"].back()["least"] = port.least;
  }
  if (s.frames.size > 0)
    out["frames"] = {{"size", s.frames.size},
                     {"hop", s.frames.hop},
                     {"pad", s.frames.pad},
                     {"whole", s.frames.whole}};
  return out;
}

ordered_json writeWeight(const WeightInfo &w) {
  return {{"name", w.name},
          {"layer", w.layer},
          {"shape", w.shape},
          {"dtype", dtypeName(w.dtype)},
          {"encoding",
           w.quantized ? w.quantized->spelling() : std::string(nameOf(w.encoding, kEncodings))},
          {"offset", w.offset},
          {"bytes", w.bytes}};
}

ordered_json writeReport(const ReportEntry &r) {
  return {{"segment", r.segment},
          {"op", r.op},
          {"location", r.location},
          {"target", r.target},
          {"why", r.why}};
}

template <typename T, typename Fn>
ordered_json writeList(const std::vector<T> &items, Fn fn) {
  ordered_json list = ordered_json::array();
  for (const T &item : items)
    list.push_back(fn(item));
  return list;
}

} // namespace

std::string_view rowsName(Rows rows) { return nameOf(rows, kRows); }

Expected<Program> parseProgram(std::string_view text) {
  PLX_ASSIGN(nlohmann::json document,
             parseJson(text, "program", {kMaxProgramBytes, kMaxProgramDepth}));
  Status failure;
  JsonCursor root(document, "", failure);
  checkVersions(root);
  PLX_RETURN_IF_ERROR(failure);
  root.expectFields({"format", "call_version", "compiler", "functional_hash", "model", "segments",
                     "states", "schedules", "weights", "report"});
  Program program;
  program.callVersion = PLX_CALL_VERSION;
  program.compiler = root.field("compiler").string();
  program.functionalHash = root.field("functional_hash").string();
  program.model = readModel(root.field("model"));
  auto readAll = [&](std::string_view name, size_t most, auto &list, auto read) {
    root.field(name).each(most, [&](const JsonCursor &item) { list.push_back(read(item)); });
  };
  readAll("states", kMaxNamed, program.states, readState);
  readAll("segments", kMaxNamed, program.segments,
          [&](const JsonCursor &item) { return readSegment(item, program); });
  readAll("schedules", kMaxNamed, program.schedules,
          [&](const JsonCursor &item) { return readSchedule(item, program); });
  readAll("weights", kMaxListEntries, program.weights, readWeight);
  readAll("report", kMaxListEntries, program.report, readReport);
  PLX_RETURN_IF_ERROR(failure);
  PLX_RETURN_IF_ERROR(checkProgram(program));
  return program;
}

std::string serializeProgram(const Program &p) {
  ordered_json out = {
      {"format", kProgramFormat},
      {"call_version", p.callVersion},
      {"compiler", p.compiler},
      {"functional_hash", p.functionalHash},
      {"model", writeModel(p.model)},
      {"segments", writeList(p.segments, [&](const Segment &s) { return writeSegment(s, p); })},
      {"states", writeList(p.states, writeState)},
      {"schedules", writeList(p.schedules, [&](const Schedule &s) { return writeSchedule(s, p); })},
      {"weights", writeList(p.weights, writeWeight)},
      {"report", writeList(p.report, writeReport)}};
  // Names come from outside (file names, tensor names): bytes that are not UTF-8 become U+FFFD.
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace plexus
