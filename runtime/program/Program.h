// The program: what the executor runs. Segments, states, schedules and the weight table, as written
// into an artifact's manifest and handed over by the JIT alike (docs/contracts.md, section 2).
#pragma once

#include "runtime/io/DType.h"
#include "runtime/io/PackedForm.h"
#include "runtime/state/KvForm.h"
#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

/// Version of the program JSON that this build writes and reads.
inline constexpr int kProgramFormat = 1;

/// The leading, dynamic dimension of a value.
enum class Rows : uint8_t {
  None = 0,      ///< The shape is the whole shape.
  Tokens = 1,    ///< "T": one row for each token of the batch.
  Sequences = 2, ///< "S": one row for each sequence.
  Outputs = 3,   ///< "R": one row for each wanted row.
};
/// "T", "S", "R", or "" for None.
std::string_view rowsName(Rows rows);

/// A dense row-major tensor: [rows, shape...] of dtype.
struct ValueType {
  Rows rows = Rows::None;
  std::vector<int64_t> shape;
  DType dtype = DType::F32;
  /// Product of `shape`: the elements of one row (or of all, without rows).
  int64_t rowElements() const;
  int64_t rowBytes() const { return rowElements() * static_cast<int64_t>(dtypeSize(dtype)); }
  bool operator==(const ValueType &) const = default;
};
/// "[T, 1024] F32", for messages.
std::string toString(const ValueType &type);

struct Tap {
  std::string name; ///< "mlp.out"; the schedule adds the layer.
  ValueType type;
};

/// The variant of a segment whose taps are outputs, after the segment's own, in this order.
struct TappedVariant {
  std::string symbol, scratch;
  std::vector<Tap> taps;
};

struct Segment {
  std::string name;
  std::string symbol;  ///< plx_segment_fn in the code module.
  std::string scratch; ///< plx_scratch_fn in the code module.
  std::vector<ValueType> inputs, outputs;
  std::vector<std::string> weights; ///< Names, in the order of plx_call::weights.
  std::vector<int> states;          ///< Into Program::states, in the order of plx_call::states.
  int scalars = 0;                  ///< Floats that each run passes.
  std::optional<TappedVariant> tapped;
};

enum class StateKind : uint8_t {
  Kv = 0,      ///< Keys and values: a row for each token, in pages.
  Replace = 1, ///< One tensor of `shape`, replaced by every token; zeros at first.
};

/// A state that survives between steps, laid out as runtime/abi/Call.h says.
struct StateInfo {
  std::string name;
  StateKind kind = StateKind::Kv;
  int64_t heads = 0, keyDim = 0, valueDim = 0; ///< Kv.
  int64_t window = 0;                          ///< Kv: slots that are kept behind a token; 0: all.
  DType dtype = DType::F32;
  /// Derived: the layers whose runs use it, ascending and unique. A page (Kv) or the state's part
  /// of a slot (Replace) holds them in this order.
  std::vector<int> layers;
  std::vector<int64_t> shape; ///< Replace: of one sequence in one layer.
  /// Replace: names under which runs on named tensors take the initial state and give the final
  /// one, [layers, B, shape...]; empty: they do not.
  std::string input, output;
  KvForm form = KvForm::F32; ///< Kv.

  /// Of a page that is not sealed.
  KvPartLayout keys() const { return {openForm(form), heads, keyDim}; }
  KvPartLayout values() const { return {openForm(form), heads, valueDim}; }
  bool seals() const { return kind == StateKind::Kv && form == KvForm::Int4; }
  KvSealedLayout sealed() const { return {heads, keyDim, valueDim}; }
  /// Derived: bytes of one layer: in a page, those of keys and values; in a slot, those of `shape`,
  /// rounded up to 64.
  int64_t layerBytes() const;
  /// What lies before the layers.
  int64_t headerBytes() const { return seals() ? kKvPositionBytes : 0; }
  int64_t pageBytes() const {
    return headerBytes() + layerBytes() * static_cast<int64_t>(layers.size());
  }
  int64_t sealedPageBytes() const {
    return headerBytes() + sealed().bytes() * static_cast<int64_t>(layers.size());
  }
  /// Position of `layer` in `layers`, or -1.
  int ordinalOf(int layer) const;
};

/// One run of a segment.
struct Step {
  int segment = 0;          ///< Into Program::segments.
  int layer = -1;           ///< -1: belongs to no layer.
  std::vector<int> in, out; ///< Into Schedule::values. `out` are the untapped outputs.
  std::vector<float> scalars;
  std::vector<int> weights; ///< Derived: into Program::weights, in the segment's order.
};

struct ScheduleOutput {
  std::string name; ///< "logits", "last_hidden_state", ...
  int value = 0;
};

/// How callers see an input or output of a schedule.
struct PortInfo {
  std::string name;
  /// Names of the axes of the tensor that callers give or get: "b" the batch, "s" the sequence
  /// ("s-1": without its last row), others the dimensions of the row in order. Empty: the default.
  std::vector<std::string> axes;
  std::optional<double> fill; ///< What an input holds that is not given; nullopt: it must be.
  int64_t least = 1;          ///< Samples that a sequence must have at least.
};

/// Cuts the sequence axis into rows of several samples each.
struct Framing {
  int64_t size = 0;   ///< Samples of a frame; 0: every sample is a row.
  int64_t hop = 1;    ///< Samples from one frame to the next.
  int64_t pad = 0;    ///< Zeros at both ends.
  bool whole = false; ///< Zeros at the end, so that the last samples fill a frame.
  /// Frames that `samples` of them give.
  int64_t count(int64_t samples) const;
};

/// A number of the model that a run may set.
struct OptionInfo {
  std::string name;
  bool integer = false;
  std::optional<double> value; ///< The default; nullopt: it must be set.
  std::vector<double> known;   ///< The values that there are; empty: any.
};

/// Straight-line dataflow: each value is a schedule input or written by exactly one earlier step.
struct Schedule {
  std::string name;                ///< "forward"
  std::vector<std::string> inputs; ///< Names of values 0 .. inputs.size()-1.
  std::vector<ValueType> values;
  std::vector<Step> steps;
  std::vector<ScheduleOutput> outputs;
  std::vector<int> hidden; ///< Values of hidden_states.0, .1, ...
  std::vector<PortInfo> ports;
  Framing frames;
  /// The port of that name, or null.
  const PortInfo *findPort(std::string_view name) const;
  /// Index of the output of that name, or -1.
  int findOutput(std::string_view name) const;
};

enum class WeightEncoding : uint8_t {
  Dense = 0,  ///< Row-major `shape` of `dtype`.
  Packed = 1, ///< [N, K] in blocks: of `dtype` (runtime/abi/Call.h), or of `quantized`.
};

struct WeightInfo {
  std::string name;
  int layer = -1; ///< -1: one for all layers.
  std::vector<int64_t> shape;
  DType dtype = DType::F32;
  WeightEncoding encoding = WeightEncoding::Dense;
  uint64_t offset = 0; ///< In the weights section; a multiple of 64.
  uint64_t bytes = 0;  ///< weightBytes(shape, dtype, encoding, quantized).
  /// The form of a packed weight that is not stored as plain `dtype` (which is F32 then).
  std::optional<PackedForm> quantized = std::nullopt;

  /// The form of a packed weight.
  PackedForm form() const { return quantized ? *quantized : PackedForm::plain(dtype); }
};

/// Bytes of a weight in that form; nullopt where the form does not exist (a packed vector, packed
/// I32) or the size passes kMaxWeightBytes.
std::optional<uint64_t> weightBytes(const std::vector<int64_t> &shape, DType dtype,
                                    WeightEncoding encoding,
                                    const std::optional<PackedForm> &quantized = std::nullopt);

/// How texts become embeddings, where the source says so: what is tokenized, and how token rows
/// become one row for a sequence.
struct Pooling {
  std::string mode; ///< "mean", "cls", "max", "last", "mean_sqrt_len", "weighted_mean"
  bool normalize = false;
  int64_t maxTokens = 0;  ///< Longer texts are cut, special tokens included; 0: the context.
  bool lowerCase = false; ///< Texts are lowercased first.
  std::string prompt;     ///< Put before every text.
};

struct ModelInfo {
  std::string name, family;
  std::string task; ///< "causal-lm", "masked-lm", "encoder", "sequence", "graph"
  int64_t vocabSize = 0, context = 0, layers = 0, hiddenSize = 0;
  int64_t tokenTypes = 0; ///< Token type ids that the model knows; 0: it takes none.
  /// Input ids of this value keep this position (RoBERTa), where the family says so.
  std::optional<int32_t> positionPadding;
  std::vector<int32_t> eos;
  std::optional<int32_t> bos, pad;
  std::string generation = "{}"; ///< JSON object: generation_config.json as far as it applies.
  std::optional<Pooling> pooling;
  std::vector<std::string> inputs; ///< "input_ids", "token_type_ids", ...
  std::vector<OptionInfo> options;
  /// The option of that name, or null.
  const OptionInfo *findOption(std::string_view name) const;
};

/// Where an op went and why, for --report.
struct ReportEntry {
  std::string segment, op, location, target, why;
};

struct Program {
  int callVersion = 0;        ///< PLX_CALL_VERSION of the code.
  std::string compiler;       ///< Version of the compiler.
  std::string functionalHash; ///< SHA-256 (hex) of the canonical IR.
  ModelInfo model;
  std::vector<Segment> segments;
  std::vector<StateInfo> states;
  std::vector<Schedule> schedules;
  std::vector<WeightInfo> weights;
  std::vector<ReportEntry> report;

  /// Indices by name, or -1.
  int findSegment(std::string_view name) const;
  int findState(std::string_view name) const;
  int findSchedule(std::string_view name) const;
  int findWeight(std::string_view name, int layer) const;
  /// Bytes from the first to past the last weight.
  uint64_t weightsSize() const;
  /// Bytes of a slot of recurrent states before those of state `index`: they follow each other in
  /// the order of `states`.
  int64_t carryOffset(size_t index) const;
  /// Bytes of a slot: all recurrent states of one sequence; 0: the program has none.
  int64_t carryBytes() const { return carryOffset(states.size()); }
};

/// Limits that parseProgram enforces, far above any real model.
inline constexpr size_t kMaxProgramBytes = size_t(256) << 20;
inline constexpr int kMaxProgramDepth = 32;
inline constexpr size_t kMaxListEntries = size_t(1) << 20;
inline constexpr int kMaxRank = 8;
inline constexpr int64_t kMaxElements = int64_t(1) << 40;
inline constexpr uint64_t kMaxWeightBytes = uint64_t(1) << 44;

/// Parses and checks. Unknown fields, wrong types, indices out of range, values read before they
/// are written and types that do not fit are Corrupt, with the path: "schedules[0].steps[3].in[1]:
/// value 9 is out of range (7 values)". Another format or call version is Mismatch.
Expected<Program> parseProgram(std::string_view json);

/// The checks of parseProgram on a program made in memory; fills the derived fields.
Status checkProgram(Program &program);

/// JSON on one line; parseProgram gives the same program back.
std::string serializeProgram(const Program &program);

/// Compiled segments by symbol.
class CodeModule {
public:
  virtual ~CodeModule() = default;
  /// The function's address, or nullptr where there is none of that name.
  virtual void *lookup(std::string_view symbol) const = 0;
  /// What the code was compiled for: "x86-64-v3", "avx512".
  virtual std::string_view isa() const = 0;
};

/// The bytes of Program::weights.
class WeightStore {
public:
  virtual ~WeightStore() = default;
  /// Weight `index`, 64-byte aligned, valid as long as the store.
  virtual const void *data(size_t index) const = 0;
};

/// A model ready to be run, from an artifact or from the JIT. Immutable; shared by sessions.
struct ModelImage {
  Program program;
  std::shared_ptr<const CodeModule> code;
  std::shared_ptr<const WeightStore> weights;
  std::string tokenizer;    ///< tokenizer JSON, or empty.
  std::string chatTemplate; ///< Jinja text, or empty.
};

} // namespace plexus
