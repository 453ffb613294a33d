// What a strategy's coroutine works with: the generation, its sequences, and rows of logits.
#pragma once

#include <plexus/plugin.hpp>
#include <plexus/strategy.h>
#include <plexus/task.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace plexus {

namespace sdk {
class StrategyInstance;
}
class Generation;
using Ids = std::span<const int32_t>;

/// What became of emitted ids; true while the output goes on.
struct Emitted {
  int64_t taken = 0;
  int32_t stop = PLX_STOP_NONE;
  explicit operator bool() const { return stop == PLX_STOP_NONE; }
};

/// One row of logits, valid until the next co_await on forwards unless its result is held. `path`:
/// the ids between the emitted output and this row (drafted tokens, a beam's); empty for a row
/// behind the last emitted token.
class Row {
public:
  Row() = default;
  Row(Generation *g, plx_row row, std::span<const float> logits)
      : g_(g), row_(row), logits_(logits) {}
  plx_row handle() const { return row_; }
  std::span<const float> logits() const { return logits_; }

  int32_t argmax(Ids path = {}) const;
  /// Different lanes draw independently at the same place.
  int32_t sample(Ids path = {}, uint32_t lane = 0) const;
  /// sample or argmax, as the generation was asked for.
  int32_t choose(Ids path = {}) const;
  /// The `ids.size()` first choices, best first; -1 where there are fewer.
  void best(std::span<int32_t> ids, Ids path = {}) const;

private:
  Generation *g_ = nullptr;
  plx_row row_ = 0;
  std::span<const float> logits_;
};

/// The rows of one want, in the order of the request's rows.
class Rows {
public:
  Rows() = default;
  Rows(Generation *g, const plx_output *output) : g_(g), output_(output) {}
  size_t size() const { return output_ ? static_cast<size_t>(output_->rows) : 0; }
  Row operator[](size_t i) const {
    const auto width = static_cast<size_t>(output_->width);
    return Row(g_, output_->first + i, {output_->values + i * width, width});
  }
  Row back() const { return (*this)[size() - 1]; }
  const plx_output &output() const { return *output_; }

private:
  Generation *g_ = nullptr;
  const plx_output *output_ = nullptr;
};

/// Values to ask for beside or instead of logits.
namespace want {
inline plx_want of(int32_t source, int32_t select) {
  plx_want w = {};
  w.struct_size = sizeof(w);
  w.source = source;
  w.layer = -1;
  w.select = select;
  w.reduce = PLX_REDUCE_FULL;
  return w;
}
inline plx_want logits(int32_t select = PLX_SELECT_LAST) { return of(PLX_SOURCE_LOGITS, select); }
inline plx_want topK(int32_t k, int32_t select = PLX_SELECT_LAST) {
  plx_want w = logits(select);
  w.reduce = PLX_REDUCE_TOP_K;
  w.k = k;
  return w;
}
/// `ids` must outlive the co_await.
inline plx_want logProbs(Ids ids, int32_t select = PLX_SELECT_LAST) {
  plx_want w = logits(select);
  w.reduce = PLX_REDUCE_LOG_PROBS;
  w.ids = ids.data();
  w.id_count = ids.size();
  return w;
}
inline plx_want hidden(int32_t layer, int32_t select = PLX_SELECT_LAST) {
  plx_want w = of(PLX_SOURCE_HIDDEN, select);
  w.layer = layer;
  return w;
}
inline plx_want tap(std::string_view name, int32_t layer, int32_t select = PLX_SELECT_LAST) {
  plx_want w = of(PLX_SOURCE_TAP, select);
  w.layer = layer;
  w.name = sdk::str(name);
  return w;
}
} // namespace want

/// Rows of one sequence to run. Spans must outlive the co_await.
struct Request {
  plx_seq sequence = 0;
  Ids tokens = {};
  int32_t mode = PLX_MODE_APPEND;
  Ids parents = {};                     ///< As in plx_forward; empty: a chain.
  std::span<const plx_want> wants = {}; ///< Empty: logits, of the rows that `select` says.
  int32_t select = PLX_SELECT_LAST;     ///< 0: of none.
  int32_t layerBegin = 0;
  int32_t layerEnd = -1;
  std::span<const uint8_t> skip = {};
  uint32_t flags = 0;
  std::span<const float> rows = {}; ///< [n, hidden] instead of tokens; sets hiddenSize.
  int64_t hiddenSize = 0;
  Ids reenter = {};
};

/// The results of one co_await, in the order of its requests.
class Results {
public:
  Results(Generation *g, const plx_result *const *results, size_t count)
      : g_(g), results_(results), count_(count) {}
  size_t size() const { return count_; }
  const plx_result &raw(size_t request) const { return *results_[request]; }
  Rows rows(size_t request, size_t want = 0) const {
    return Rows(g_, results_[request]->outputs[want]);
  }

private:
  Generation *g_;
  const plx_result *const *results_;
  size_t count_;
};

/// Awaited: hands the requests to the engine and gives Results, or throws the first refusal.
class Forward {
public:
  Forward(Generation *g, std::span<const Request> requests) : g_(g), requests_(requests) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const;
  Results await_resume() const;

private:
  Generation *g_;
  std::span<const Request> requests_;
};

/// Awaited: one request; gives its Rows, or its last Row.
template <typename Answer>
class ForwardOne {
public:
  ForwardOne(Generation *g, const Request &request) : g_(g), request_(request) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    Forward(g_, {&request_, 1}).await_suspend(waiting);
  }
  Answer await_resume() const {
    const Rows rows = Forward(g_, {&request_, 1}).await_resume().rows(0);
    if constexpr (std::is_same_v<Answer, Row>)
      return rows.back();
    else
      return rows;
  }

private:
  Generation *g_;
  Request request_;
};

/// A sequence of one model; closed when destroyed, pending rows dropped.
class Sequence {
public:
  Sequence() = default;
  Sequence(Generation *g, plx_seq id) : g_(g), id_(id) {}
  Sequence(Sequence &&other) noexcept
      : g_(std::exchange(other.g_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  Sequence &operator=(Sequence other) noexcept {
    std::swap(g_, other.g_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~Sequence();

  plx_seq id() const { return id_; }
  /// Commits the tokens; gives the last row.
  ForwardOne<Row> append(Ids tokens) const { return {g_, {.sequence = id_, .tokens = tokens}}; }
  /// Leaves the tokens pending; gives all rows.
  ForwardOne<Rows> draft(Ids tokens, Ids parents = {}) const {
    return {g_,
            {.sequence = id_,
             .tokens = tokens,
             .mode = PLX_MODE_DRAFT,
             .parents = parents,
             .select = PLX_SELECT_ALL}};
  }
  /// Runs the tokens without a trace; gives all rows.
  ForwardOne<Rows> scratch(Ids tokens, Ids parents = {}) const {
    return {g_,
            {.sequence = id_,
             .tokens = tokens,
             .mode = PLX_MODE_SCRATCH,
             .parents = parents,
             .select = PLX_SELECT_ALL}};
  }
  void commit(Ids path);
  void truncate(int64_t length);
  Sequence fork();
  int64_t length() const;  ///< Committed rows.
  int64_t pending() const; ///< Drafted rows.

private:
  Generation *g_ = nullptr;
  plx_seq id_ = 0;
};

/// One generation as its strategy sees it. Lives as long as the coroutine.
class Generation {
public:
  Generation(const plx_generation_params &params, const plx_generation_api *api, plx_generation *g)
      : api_(api), g_(g), prompt_(params.prompt, params.prompt_count),
        stopTokens_(params.stop_tokens, params.stop_token_count), maxTokens_(params.max_tokens),
        seed_(params.seed), models_(params.models), sampling_(params.sampling != 0) {
    for (size_t i = 0; i < params.option_count; ++i)
      options_.emplace_back(sdk::view(params.options[i]->key), sdk::view(params.options[i]->value));
  }
  Generation(const Generation &) = delete;
  Generation &operator=(const Generation &) = delete;

  Ids prompt() const { return prompt_; }
  Ids stopTokens() const { return stopTokens_; }
  int64_t maxTokens() const { return maxTokens_; }
  uint64_t seed() const { return seed_; }
  int32_t models() const { return models_; }
  bool sampling() const { return sampling_; }

  /// The option's value, or `fallback`. Numbers and booleans that do not parse are an Error.
  std::string option(std::string_view key, const char *fallback) const {
    const std::string *value = find(key);
    return value ? *value : fallback;
  }
  int64_t option(std::string_view key, int64_t fallback, int64_t least, int64_t most) const;
  double option(std::string_view key, double fallback) const;

  /// A new sequence of a model (0: the target).
  Sequence open(int32_t model = 0) {
    plx_seq id = 0;
    call(api_->seq_open, model, &id);
    return Sequence(this, id);
  }
  /// The target's first sequence, opened when first used.
  Sequence &main() {
    if (!main_.id())
      main_ = open();
    return main_;
  }
  /// Appends to main(); gives the last row.
  ForwardOne<Row> forward(Ids tokens) { return main().append(tokens); }
  /// Appends to main(), asking for nothing.
  Forward prefill(Ids tokens) {
    prefill_ = {.sequence = main().id(), .tokens = tokens, .select = 0};
    return run({&prefill_, 1});
  }
  /// Runs several requests together.
  Forward run(std::span<const Request> requests) { return Forward(this, requests); }

  /// Adds ids to an output (0 unless said); ids behind a stop are dropped.
  Emitted emit(int32_t id) { return emit(Ids(&id, 1)); }
  Emitted emit(Ids ids, int32_t output = 0) {
    plx_emitted emitted = {sizeof(emitted), nullptr, 0, 0, 0};
    call(api_->emit, output, ids.data(), ids.size(), &emitted);
    if (output == 0 && emitted.taken > 0) {
      last_ = ids[static_cast<size_t>(emitted.taken) - 1];
      emitted_ += emitted.taken;
    }
    return {emitted.taken, emitted.stop};
  }
  /// How many more ids output 0 can take, by max_tokens and the target's context.
  int64_t room() {
    const int64_t context = info().context;
    const int64_t fits = context > 0 ? context - static_cast<int64_t>(prompt_.size()) + 1
                                     : std::numeric_limits<int64_t>::max();
    return std::min(maxTokens_, fits) - emitted_;
  }
  /// The last id emitted to output 0, as a span of one.
  Ids lastToken() const { return {&last_, 1}; }
  void finish(int32_t output = 0, double score = std::numeric_limits<double>::quiet_NaN()) {
    call(api_->finish, output, score);
  }
  /// Whether an output of exactly these ids would stop, and after how many.
  Emitted stopTest(Ids ids) {
    plx_emitted emitted = {sizeof(emitted), nullptr, 0, 0, 0};
    call(api_->stop_test, ids.data(), ids.size(), &emitted);
    return {emitted.taken, emitted.stop};
  }

  /// A uniform number in [0, 1).
  double random(uint32_t output, uint32_t position, uint32_t lane, uint32_t draw) {
    return static_cast<double>(api_->rng(g_, output, position, lane, draw) >> 11) * 0x1p-53;
  }
  /// The samplers on scores of one's own, in place.
  void process(std::span<float> scores, Ids path, int32_t lastStage, int32_t output = 0) {
    const plx_place at = place(path, output);
    call(api_->process, scores.data(), scores.size(), &at, lastStage);
  }
  void count(std::string_view name, int64_t amount) {
    call(api_->counter_add, sdk::str(name), amount);
  }
  plx_model_info info(int32_t model = 0) {
    plx_model_info info = {};
    info.struct_size = sizeof(info);
    call(api_->model_info, model, &info);
    return info;
  }
  bool can(std::string_view capability, int32_t model = 0) {
    return api_->has_capability(g_, model, sdk::str(capability)) != 0;
  }
  static plx_place place(Ids path, int32_t output = 0, uint32_t lane = 0) {
    return {sizeof(plx_place), nullptr, output, lane, path.data(), path.size()};
  }

  /// Any host function, its failure thrown: g.call(g.api().fork, sequence, &copy).
  template <typename... Parameters, typename... Arguments>
  void call(plx_status (*function)(plx_generation *, Parameters...), Arguments &&...arguments) {
    sdk::ErrorSink sink;
    sink.check(function(g_, std::forward<Arguments>(arguments)..., sink));
  }
  const plx_generation_api &api() const { return *api_; }

private:
  friend class Forward;
  friend class Sequence;
  friend class sdk::StrategyInstance;

  /// The C structs of one request; kept and filled again.
  struct Wire {
    plx_forward forward;
    plx_input input;
    const plx_input *inputs;
    plx_view data;
    int64_t shape[2];
    plx_want logits;
    std::vector<const plx_want *> wants;
  };
  void submit(std::span<const Request> requests, std::coroutine_handle<> waiting);
  static void fill(Wire &wire, const Request &request);
  const std::string *find(std::string_view key) const {
    for (const auto &[name, value] : options_)
      if (name == key)
        return &value;
    return nullptr;
  }

  const plx_generation_api *api_;
  plx_generation *g_;
  Ids prompt_, stopTokens_;
  int64_t maxTokens_;
  uint64_t seed_;
  int32_t models_;
  bool sampling_;
  bool alive_ = true; ///< False while being destroyed: host functions may not be called then.
  int32_t last_ = -1;
  int64_t emitted_ = 0;
  std::vector<std::pair<std::string, std::string>> options_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<const plx_forward *> forwards_;
  std::coroutine_handle<> waiting_;
  const plx_result *const *results_ = nullptr;
  size_t resultCount_ = 0;
  Sequence main_;
  Request prefill_;
};

inline int32_t Row::argmax(Ids path) const {
  int32_t id = -1;
  const plx_place at = Generation::place(path);
  g_->call(g_->api().argmax, row_, &at, &id, size_t(1));
  return id;
}
inline int32_t Row::sample(Ids path, uint32_t lane) const {
  int32_t id = -1;
  const plx_place at = Generation::place(path, 0, lane);
  g_->call(g_->api().sample, row_, &at, &id, size_t(1));
  return id;
}
inline int32_t Row::choose(Ids path) const { return g_->sampling() ? sample(path) : argmax(path); }
inline void Row::best(std::span<int32_t> ids, Ids path) const {
  const plx_place at = Generation::place(path);
  g_->call(g_->sampling() ? g_->api().sample : g_->api().argmax, row_, &at, ids.data(), ids.size());
}

inline void Forward::await_suspend(std::coroutine_handle<> waiting) const {
  g_->submit(requests_, waiting);
}
inline Results Forward::await_resume() const {
  for (size_t i = 0; i < g_->resultCount_; ++i)
    if (const plx_result *result = g_->results_[i]; result->status != PLX_OK)
      throw sdk::Error(result->status, std::string(sdk::view(result->message)));
  return Results(g_, g_->results_, g_->resultCount_);
}

inline Sequence::~Sequence() {
  if (!g_ || !id_ || !g_->alive_)
    return;
  (void)g_->api_->commit(g_->g_, id_, nullptr, 0, nullptr);
  (void)g_->api_->seq_close(g_->g_, id_, nullptr);
}
inline void Sequence::commit(Ids path) {
  g_->call(g_->api().commit, id_, path.data(), path.size());
}
inline void Sequence::truncate(int64_t length) { g_->call(g_->api().truncate, id_, length); }
inline Sequence Sequence::fork() {
  plx_seq copy = 0;
  g_->call(g_->api().fork, id_, &copy);
  return Sequence(g_, copy);
}
inline int64_t Sequence::length() const {
  int64_t committed = 0;
  g_->call(g_->api().seq_length, id_, &committed, nullptr);
  return committed;
}

inline int64_t Sequence::pending() const {
  int64_t pending = 0;
  g_->call(g_->api().seq_length, id_, nullptr, &pending);
  return pending;
}

inline int64_t Generation::option(std::string_view key, int64_t fallback, int64_t least,
                                  int64_t most) const {
  const std::string *value = find(key);
  if (!value)
    return fallback;
  int64_t number = 0;
  const auto [end, failed] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (failed != std::errc() || end != value->data() + value->size() || number < least ||
      number > most)
    throw sdk::Error(PLX_INVALID_ARGUMENT, "option '" + std::string(key) + "' is '" + *value +
                                               "': expected a whole number from " +
                                               std::to_string(least) + " to " +
                                               std::to_string(most));
  return number;
}
inline double Generation::option(std::string_view key, double fallback) const {
  const std::string *value = find(key);
  if (!value)
    return fallback;
  double number = 0;
  const auto [end, failed] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (failed != std::errc() || end != value->data() + value->size() || !std::isfinite(number))
    throw sdk::Error(PLX_INVALID_ARGUMENT,
                     "option '" + std::string(key) + "' is '" + *value + "': expected a number");
  return number;
}

inline void Generation::fill(Wire &wire, const Request &request) {
  const bool rows = !request.rows.empty();
  wire.shape[0] = rows ? static_cast<int64_t>(request.rows.size()) /
                             (request.hiddenSize > 0 ? request.hiddenSize : 1)
                       : static_cast<int64_t>(request.tokens.size());
  wire.shape[1] = request.hiddenSize;
  wire.data = {};
  wire.data.struct_size = sizeof(plx_view);
  wire.data.data = rows ? static_cast<void *>(const_cast<float *>(request.rows.data()))
                        : static_cast<void *>(const_cast<int32_t *>(request.tokens.data()));
  wire.data.dtype = rows ? PLX_DTYPE_F32 : PLX_DTYPE_I32;
  wire.data.device = PLX_DEVICE_CPU;
  wire.data.ndim = rows ? 2 : 1;
  wire.data.shape = wire.shape;
  wire.input = {
      sizeof(plx_input), nullptr, {nullptr, 0}, rows ? PLX_INPUT_ROWS : PLX_INPUT_TOKENS, 0,
      &wire.data};
  wire.inputs = &wire.input;
  wire.wants.clear();
  if (request.wants.empty() && request.select != 0) {
    wire.logits = want::logits(request.select);
    wire.wants.push_back(&wire.logits);
  }
  for (const plx_want &want : request.wants)
    wire.wants.push_back(&want);
  plx_forward &f = wire.forward;
  f = {};
  f.struct_size = sizeof(f);
  f.sequence = request.sequence;
  f.inputs = &wire.inputs;
  f.input_count = 1;
  f.parents = request.parents.empty() ? nullptr : request.parents.data();
  f.mode = request.mode;
  f.flags = request.flags;
  f.layer_begin = request.layerBegin;
  f.layer_end = request.layerEnd;
  f.skip = request.skip.empty() ? nullptr : request.skip.data();
  f.skip_count = request.skip.size();
  f.reenter = request.reenter.empty() ? nullptr : request.reenter.data();
  f.wants = wire.wants.data();
  f.want_count = wire.wants.size();
  const size_t count = static_cast<size_t>(wire.shape[0]);
  if ((f.parents && request.parents.size() != count) ||
      (f.reenter && request.reenter.size() != count))
    throw sdk::Error(PLX_INVALID_ARGUMENT,
                     "parents and reenter must have one entry for each of the " +
                         std::to_string(count) + " rows");
}

inline void Generation::submit(std::span<const Request> requests, std::coroutine_handle<> waiting) {
  while (wires_.size() < requests.size())
    wires_.push_back(std::make_unique<Wire>());
  forwards_.clear();
  for (size_t i = 0; i < requests.size(); ++i) {
    fill(*wires_[i], requests[i]);
    forwards_.push_back(&wires_[i]->forward);
  }
  waiting_ = waiting;
}

} // namespace plexus
