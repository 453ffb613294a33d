// The segments read the batch, the pages and the weights as generated code does.
#include "FakeModel.h"

#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>

namespace plexus::test {
namespace {

constexpr float kScale = 0.5f;

enum Counter { Embed, Attention, Mix, Ffn, Norm, Head, Pool, kCounters };
std::atomic<int64_t> calls[kCounters];

/// Small repeatable numbers.
float weightValue(int which, int layer, int64_t i) {
  uint64_t x = static_cast<uint64_t>(which) * 7919 + static_cast<uint64_t>(layer + 1) * 104729 +
               static_cast<uint64_t>(i) * 2654435761u;
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  return (static_cast<float>(x % 2001) / 1000.0f - 1.0f) * 0.6f;
}

using Row = const float *;

void project(Row x, const float *matrix, float *out, int64_t n = kHidden) {
  for (int64_t o = 0; o < n; ++o) {
    float sum = 0;
    for (int i = 0; i < kHidden; ++i)
      sum += x[i] * matrix[o * kHidden + i];
    out[o] = sum;
  }
}

void embedRow(const float *table, int32_t id, int32_t position, int32_t type, float *out) {
  for (int i = 0; i < kHidden; ++i)
    out[i] = table[id * kHidden + i] + 0.3f * std::sin(0.1f * position * (i + 1)) + 0.05f * type;
}

/// The projections of one layer, one after the other: q, k, v, o.
const float *projection(const float *weights, int which) {
  return weights + which * kHidden * kHidden;
}

/// Softmax attention of one head over `count` keys and values given by functions of their number.
template <typename Key, typename Value>
void attend(const float *query, int64_t count, Key key, Value value, float *out) {
  std::array<float, kPositions> scores;
  float most = -1e30f, sum = 0;
  for (int64_t j = 0; j < count; ++j) {
    float score = 0;
    for (int d = 0; d < kHeadDim; ++d)
      score += query[d] * key(j, d);
    scores[j] = score * kScale;
    most = std::max(most, scores[j]);
  }
  for (int64_t j = 0; j < count; ++j)
    sum += scores[j] = std::exp(scores[j] - most);
  for (int d = 0; d < kHeadDim; ++d) {
    float total = 0;
    for (int64_t j = 0; j < count; ++j)
      total += scores[j] * value(j, d);
    out[d] = total / sum;
  }
}

void ffnRow(Row x, const float *matrix, float *out) {
  float product[kHidden];
  project(x, matrix, product);
  for (int i = 0; i < kHidden; ++i)
    out[i] = x[i] + std::tanh(product[i]);
}

void normRow(Row x, float *out) {
  float sum = 1e-5f;
  for (int i = 0; i < kHidden; ++i)
    sum += x[i] * x[i];
  for (int i = 0; i < kHidden; ++i)
    out[i] = x[i] / std::sqrt(sum / kHidden);
}

template <typename T>
const T *input(const plx_call *call, int i) {
  return static_cast<const T *>(call->inputs[i]);
}
float *output(const plx_call *call, int i) { return static_cast<float *>(call->outputs[i]); }
const float *weight(const plx_call *call, int i) {
  return static_cast<const float *>(call->weights[i]);
}

int32_t embedSegment(const plx_call *call) {
  ++calls[Embed];
  const plx_batch &b = *call->batch;
  for (int64_t t = 0; t < b.tokens; ++t)
    embedRow(weight(call, 0), input<int32_t>(call, 0)[t], b.position[t],
             b.token_type ? b.token_type[t] : 0, output(call, 0) + t * kHidden);
  return 0;
}

/// Where head, dim and slot lie in a page.
float *keyAt(const plx_kv &kv, int64_t s, int64_t slot, int head, int d) {
  auto *base = reinterpret_cast<float *>(kv.pages[s][slot / PLX_PAGE_TOKENS] + kv.layer_offset);
  return base + (head * kHeadDim + d) * PLX_PAGE_TOKENS + slot % PLX_PAGE_TOKENS;
}
float *valueAt(const plx_kv &kv, int64_t s, int64_t slot, int head, int d) {
  auto *base = reinterpret_cast<float *>(kv.pages[s][slot / PLX_PAGE_TOKENS] + kv.layer_offset);
  base += kHeads * kHeadDim * PLX_PAGE_TOKENS;
  return base + (head * PLX_PAGE_TOKENS + slot % PLX_PAGE_TOKENS) * kHeadDim + d;
}

/// The slots that a token sees, ascending. `window` 0: all. `causal` false: the whole batch.
struct Slots {
  std::array<int64_t, kPositions> at;
  int64_t count = 0;
  void push_back(int64_t slot) { at[count++] = slot; }
};
Slots visibleSlots(const plx_batch &b, int64_t t, int window, bool causal) {
  int32_t s = b.sequence[t], past = b.past[s];
  Slots slots;
  int64_t index = b.index[t];
  for (int64_t slot = 0; slot < past; ++slot)
    if (window == 0 || index - slot < window)
      slots.push_back(slot);
  int64_t last = causal ? b.slot[t] : past + b.token_begin[s + 1] - b.token_begin[s] - 1;
  int64_t pending = b.tree ? b.pending_begin[s + 1] - b.pending_begin[s] : last - past + 1;
  for (int64_t j = 0; j < pending; ++j) {
    bool seen = !b.tree || (b.tree[t * b.tree_words + j / 64] >> (j % 64) & 1);
    int64_t other = b.tree ? b.pending_index[b.pending_begin[s] + j] : past + j;
    if (seen && (window == 0 || index - other < window))
      slots.push_back(past + j);
  }
  return slots;
}

struct AttentionJob {
  const plx_call *call;
  int window;
  bool causal;
  float *tap;
};

void attentionRows(void *ctx, int64_t begin, int64_t end) {
  const auto &job = *static_cast<AttentionJob *>(ctx);
  const plx_batch &b = *job.call->batch;
  const plx_kv &kv = *job.call->states[0];
  for (int64_t t = begin; t < end; ++t) {
    const float *x = input<float>(job.call, 0) + t * kHidden;
    float query[kHidden], mixed[kHidden], projected[kHidden];
    project(x, projection(weight(job.call, 0), 0), query);
    auto slots = visibleSlots(b, t, job.window, job.causal);
    int64_t s = b.sequence[t];
    for (int h = 0; h < kHeads; ++h)
      attend(
          query + h * kHeadDim, slots.count,
          [&](int64_t j, int d) { return *keyAt(kv, s, slots.at[j], h, d); },
          [&](int64_t j, int d) { return *valueAt(kv, s, slots.at[j], h, d); },
          mixed + h * kHeadDim);
    project(mixed, projection(weight(job.call, 0), 3), projected);
    for (int i = 0; i < kHidden; ++i)
      output(job.call, 0)[t * kHidden + i] = x[i] + projected[i];
    if (job.tap)
      std::memcpy(job.tap + t * kHidden, projected, sizeof(projected));
  }
}

template <bool Tapped, bool Ring, bool Causal>
int32_t attentionSegment(const plx_call *call) {
  ++calls[Attention];
  const plx_batch &b = *call->batch;
  const plx_kv &kv = *call->states[0];
  for (int64_t t = 0; t < b.tokens; ++t) {
    float key[kHidden], value[kHidden];
    const float *x = input<float>(call, 0) + t * kHidden;
    project(x, projection(weight(call, 0), 1), key);
    project(x, projection(weight(call, 0), 2), value);
    for (int h = 0; h < kHeads; ++h)
      for (int d = 0; d < kHeadDim; ++d) {
        *keyAt(kv, b.sequence[t], b.slot[t], h, d) = key[h * kHeadDim + d];
        *valueAt(kv, b.sequence[t], b.slot[t], h, d) = value[h * kHeadDim + d];
      }
  }
  AttentionJob job{call, Ring ? static_cast<int>(call->scalars[0]) : 0, Causal,
                   Tapped ? output(call, 1) : nullptr};
  call->host->parallel_for(call->host->self, attentionRows, &job, b.tokens, 1);
  return 0;
}

/// h = decay * h + (x Wq) * tanh(x Wk); the part of the layer hands o(h) on.
constexpr float kDecay = 0.8f;
void mixRow(Row x, const float *weights, float *h, float *projected) {
  float gate[kHidden], in[kHidden];
  project(x, projection(weights, 0), in);
  project(x, projection(weights, 1), gate);
  for (int i = 0; i < kHidden; ++i)
    h[i] = kDecay * h[i] + in[i] * std::tanh(gate[i]);
  project(h, projection(weights, 3), projected);
}

template <bool Tapped>
int32_t mixSegment(const plx_call *call) {
  ++calls[Mix];
  const plx_batch &b = *call->batch;
  int64_t offset = call->states[0]->layer_offset;
  float h[kHidden], projected[kHidden];
  for (int64_t t = 0; t < b.tokens; ++t) {
    if (b.carry_from[t])
      std::memcpy(h, b.carry_from[t] + offset, sizeof(h));
    const float *x = input<float>(call, 0) + t * kHidden;
    mixRow(x, weight(call, 0), h, projected);
    if (b.carry_to[t])
      std::memcpy(b.carry_to[t] + offset, h, sizeof(h));
    for (int i = 0; i < kHidden; ++i)
      output(call, 0)[t * kHidden + i] = x[i] + projected[i];
    if (Tapped)
      std::memcpy(output(call, 1) + t * kHidden, projected, sizeof(projected));
  }
  return 0;
}

int32_t ffnSegment(const plx_call *call) {
  ++calls[Ffn];
  for (int64_t t = 0; t < call->batch->tokens; ++t)
    ffnRow(input<float>(call, 0) + t * kHidden, weight(call, 0), output(call, 0) + t * kHidden);
  return 0;
}

int32_t normSegment(const plx_call *call) {
  ++calls[Norm];
  for (int64_t t = 0; t < call->batch->tokens; ++t)
    normRow(input<float>(call, 0) + t * kHidden, output(call, 0) + t * kHidden);
  return 0;
}

int32_t headSegment(const plx_call *call) {
  ++calls[Head];
  const plx_batch &b = *call->batch;
  for (int64_t r = 0; r < b.outputs; ++r)
    project(input<float>(call, 0) + b.output_row[r] * kHidden, weight(call, 0),
            output(call, 0) + r * kVocabulary, kVocabulary);
  return 0;
}

int32_t poolSegment(const plx_call *call) {
  ++calls[Pool];
  const plx_batch &b = *call->batch;
  for (int64_t s = 0; s < b.sequences; ++s)
    for (int i = 0; i < kHidden; ++i) {
      float sum = 0;
      for (int64_t t = b.token_begin[s]; t < b.token_begin[s + 1]; ++t)
        sum += input<float>(call, 0)[t * kHidden + i];
      output(call, 0)[s * kHidden + i] = sum / (b.token_begin[s + 1] - b.token_begin[s]);
    }
  return 0;
}

int64_t scratchSize(int64_t tokens, int64_t, int64_t, int64_t context) {
  return tokens * 16 + context;
}

class FakeCode final : public CodeModule {
public:
  explicit FakeCode(bool causal) {
    auto add = [&](const char *name, plx_segment_fn fn) {
      symbols_[name] = reinterpret_cast<void *>(fn);
    };
    add("embed", embedSegment);
    add("attn",
        causal ? attentionSegment<false, false, true> : attentionSegment<false, false, false>);
    add("attn__tapped",
        causal ? attentionSegment<true, false, true> : attentionSegment<true, false, false>);
    add("attn_ring", attentionSegment<false, true, true>);
    add("attn_ring__tapped", attentionSegment<true, true, true>);
    add("mix", mixSegment<false>);
    add("mix__tapped", mixSegment<true>);
    add("ffn", ffnSegment);
    add("norm", normSegment);
    add("head", headSegment);
    add("pool", poolSegment);
    symbols_["scratch"] = reinterpret_cast<void *>(&scratchSize);
  }
  void *lookup(std::string_view symbol) const override {
    auto it = symbols_.find(std::string(symbol));
    return it == symbols_.end() ? nullptr : it->second;
  }
  std::string_view isa() const override { return "test"; }

private:
  std::map<std::string, void *> symbols_;
};

class FakeWeights final : public WeightStore {
public:
  explicit FakeWeights(const Program &program) {
    for (const WeightInfo &info : program.weights) {
      int which = info.name == "table" ? 0 : info.name == "qkvo" ? 1 : info.name == "ffn" ? 2 : 3;
      auto &values = weights_.emplace_back(info.bytes / sizeof(float));
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = weightValue(which, info.layer, static_cast<int64_t>(i));
    }
  }
  const void *data(size_t index) const override { return weights_[index].data(); }

private:
  std::vector<std::vector<float>> weights_;
};

ValueType rowsOf(Rows rows, int64_t width, DType dtype = DType::F32) {
  ValueType type;
  type.rows = rows;
  if (width > 0)
    type.shape = {width};
  type.dtype = dtype;
  return type;
}

/// Builds the program step by step, keeping the table of values.
struct ProgramBuilder {
  Program program;
  Schedule schedule;
  uint64_t weightBytes = 0;

  void weight(std::string name, int layer, std::vector<int64_t> shape) {
    WeightInfo info;
    info.name = std::move(name);
    info.layer = layer;
    info.shape = std::move(shape);
    info.offset = (weightBytes + 63) / 64 * 64;
    info.bytes = sizeof(float);
    for (int64_t dim : info.shape)
      info.bytes *= static_cast<uint64_t>(dim);
    weightBytes = info.offset + info.bytes;
    program.weights.push_back(info);
  }
  void segment(std::string name, ValueType in, ValueType out, std::vector<std::string> weights,
               std::vector<int> states = {}, int scalars = 0) {
    Segment s;
    s.name = s.symbol = name;
    s.scratch = "scratch";
    s.inputs = {in};
    s.outputs = {out};
    s.weights = std::move(weights);
    s.scalars = scalars;
    if (!states.empty())
      s.tapped = TappedVariant{name + "__tapped", "scratch", {{"attn.out", out}}};
    s.states = std::move(states);
    program.segments.push_back(s);
  }
  int step(std::string_view name, int layer, int in, std::vector<float> scalars = {}) {
    Step s;
    s.segment = program.findSegment(name);
    s.layer = layer;
    s.in = {in};
    schedule.values.push_back(program.segments[s.segment].outputs[0]);
    s.out = {static_cast<int>(schedule.values.size()) - 1};
    s.scalars = std::move(scalars);
    schedule.steps.push_back(s);
    return s.out[0];
  }
  void carry(std::string name, std::vector<int64_t> shape) {
    StateInfo info;
    info.name = std::move(name);
    info.kind = StateKind::Replace;
    info.shape = std::move(shape);
    program.states.push_back(info);
  }
  void state(std::string name, int64_t window) {
    StateInfo info;
    info.name = std::move(name);
    info.heads = kHeads;
    info.keyDim = info.valueDim = kHeadDim;
    info.window = window;
    program.states.push_back(info);
  }
};

void fillModelInfo(const FakeOptions &options, ModelInfo &info) {
  info.name = "fake";
  info.family = "fake";
  info.task = options.task;
  info.vocabSize = kVocabulary;
  info.context = options.context;
  info.layers = options.layers;
  info.hiddenSize = kHidden;
  info.tokenTypes = 2;
  info.positionPadding = options.positionPadding;
  info.inputs = {"input_ids"};
}

Program makeProgram(const FakeOptions &options) {
  ProgramBuilder b;
  b.program.callVersion = PLX_CALL_VERSION;
  fillModelInfo(options, b.program.model);
  if (options.recurrent != Recurrent::All)
    b.state("kv", 0);
  if (options.window > 0)
    b.state("ring", options.window);
  if (options.recurrent != Recurrent::None)
    b.carry("h", {2, kHidden / 2});
  ValueType ids = rowsOf(Rows::Tokens, 0, DType::I32), hidden = rowsOf(Rows::Tokens, kHidden);
  b.segment("embed", ids, hidden, {"table"});
  if (options.recurrent != Recurrent::All)
    b.segment("attn", hidden, hidden, {"qkvo"}, {0});
  if (options.recurrent != Recurrent::None)
    b.segment("mix", hidden, hidden, {"qkvo"}, {b.program.findState("h")});
  if (options.window > 0)
    b.segment("attn_ring", hidden, hidden, {"qkvo"}, {1}, 1);
  b.segment("ffn", hidden, hidden, {"ffn"});
  b.segment("norm", hidden, hidden, {});
  b.segment("head", hidden, rowsOf(Rows::Outputs, kVocabulary), {"head"});
  b.segment("pool", hidden, rowsOf(Rows::Sequences, kHidden), {});
  b.weight("table", -1, {kVocabulary, kHidden});
  b.weight("head", -1, {kVocabulary, kHidden});
  b.schedule.name = "forward";
  b.schedule.inputs = {"input_ids"};
  b.schedule.values = {ids};
  int x = b.step("embed", -1, 0);
  for (int layer = 0; layer < options.layers; ++layer) {
    b.weight("qkvo", layer, {4 * kHidden, kHidden});
    b.weight("ffn", layer, {kHidden, kHidden});
    b.schedule.hidden.push_back(x);
    bool ring = options.window > 0 && layer % 2 == 1;
    x = ring ? b.step("attn_ring", layer, x, {static_cast<float>(options.window)})
             : b.step(options.isRecurrent(layer) ? "mix" : "attn", layer, x);
    x = b.step("ffn", layer, x);
  }
  x = b.step("norm", -1, x);
  b.schedule.hidden.push_back(x);
  b.schedule.outputs = {{"logits", b.step("head", -1, x)},
                        {"last_hidden_state", x},
                        {"pooled", b.step("pool", -1, x)}};
  b.program.schedules.push_back(b.schedule);
  return b.program;
}

} // namespace

std::shared_ptr<const ModelImage> makeFakeImage(const FakeOptions &options) {
  auto image = std::make_shared<ModelImage>();
  image->program = makeProgram(options);
  if (Status status = checkProgram(image->program); !status)
    return nullptr;
  image->code = std::make_shared<FakeCode>(options.task == "causal-lm");
  image->weights = std::make_shared<FakeWeights>(image->program);
  return image;
}

std::shared_ptr<const Model> makeFakeModel(const FakeOptions &options) {
  return *Model::create(makeFakeImage(options));
}

FakeTrace recompute(const FakeOptions &options, const std::vector<FakeToken> &tokens,
                    const FakeRun &run) {
  auto image = makeFakeImage(options);
  const Program &program = image->program;
  auto weights = [&](const char *name, int layer) {
    return static_cast<const float *>(
        image->weights->data(static_cast<size_t>(program.findWeight(name, layer))));
  };
  bool causal = options.task == "causal-lm";
  size_t n = tokens.size();
  FakeTrace trace;
  using Rows = std::vector<std::vector<float>>;
  Rows x(n, std::vector<float>(kHidden));
  for (size_t t = 0; t < n; ++t)
    embedRow(weights("table", -1), tokens[t].id, tokens[t].position, tokens[t].type, x[t].data());
  for (int layer = 0; layer < options.layers; ++layer) {
    trace.hidden.push_back(x);
    uint8_t skip = run.skip.empty() ? 0 : run.skip[layer];
    int window = layer % 2 == 1 ? options.window : 0;
    Rows q = x, k = x, v = x, projected = x;
    for (size_t t = 0; t < n; ++t) {
      project(x[t].data(), projection(weights("qkvo", layer), 0), q[t].data());
      project(x[t].data(), projection(weights("qkvo", layer), 1), k[t].data());
      project(x[t].data(), projection(weights("qkvo", layer), 2), v[t].data());
    }
    std::vector<float> h(kHidden);
    for (size_t t = 0; t < n; ++t) {
      if (options.isRecurrent(layer)) {
        mixRow(x[t].data(), weights("qkvo", layer), h.data(), projected[t].data());
        continue;
      }
      size_t end = causal ? t + 1 : n,
             begin = window > 0 && t + 1 > size_t(window) ? t + 1 - window : 0;
      float mixed[kHidden];
      for (int h = 0; h < kHeads; ++h)
        attend(
            q[t].data() + h * kHeadDim, static_cast<int64_t>(end - begin),
            [&](int64_t j, int d) { return k[begin + j][h * kHeadDim + d]; },
            [&](int64_t j, int d) { return v[begin + j][h * kHeadDim + d]; }, mixed + h * kHeadDim);
      project(mixed, projection(weights("qkvo", layer), 3), projected[t].data());
    }
    trace.attention.push_back(projected);
    for (size_t t = 0; t < n && !(skip & 1); ++t)
      for (int i = 0; i < kHidden; ++i)
        x[t][i] += projected[t][i];
    for (size_t t = 0; t < n && !(skip & 2); ++t) {
      std::vector<float> y(kHidden);
      ffnRow(x[t].data(), weights("ffn", layer), y.data());
      x[t] = y;
    }
  }
  trace.hidden.push_back(x);
  for (size_t t = 0; t < n; ++t) {
    trace.last.emplace_back(kHidden);
    normRow(x[t].data(), trace.last[t].data());
    trace.logits.emplace_back(kVocabulary);
    project(trace.last[t].data(), weights("head", -1), trace.logits[t].data(), kVocabulary);
  }
  return trace;
}

std::vector<FakeToken> chain(const std::vector<int32_t> &ids) {
  std::vector<FakeToken> tokens;
  for (int32_t id : ids)
    tokens.push_back({id, static_cast<int32_t>(tokens.size()), 0});
  return tokens;
}

int64_t callsOf(const std::string &segment) {
  static const std::map<std::string, Counter> counters = {
      {"embed", Embed}, {"attn", Attention}, {"mix", Mix},  {"ffn", Ffn},
      {"norm", Norm},   {"head", Head},      {"pool", Pool}};
  return calls[counters.at(segment)].load();
}

void resetCalls() {
  for (auto &counter : calls)
    counter = 0;
}

} // namespace plexus::test
