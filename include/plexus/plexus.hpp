// Plexus for C++ programs: the C API of plexus.h with objects that release themselves and errors as
// values.
//
//   auto model = plexus::Model::open("m.plx");
//   if (!model)
//     return std::puts(model.error().message.c_str());
//   auto made = model->generate({.prompt = "In the beginning", .maxTokens = 64});
//   if (made)
//     std::puts(made->front().text.c_str());
//
// Header-only, throws nothing of its own. Objects are handles: copies share what they refer to.
#pragma once

#include <plexus/graph.hpp>
#include <plexus/plexus.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// Inside an inline namespace: the library has classes of these names of its own.
namespace plexus::inline v1 {

struct Error {
  plx_status code = PLX_OK; ///< PLX_NOT_FOUND, PLX_UNSUPPORTED, ...
  std::string message;      ///< Names what it is about: the file, tensor, option.
};

/// A T or the error that says why there is none.
template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : value_(std::move(error)) {}
  explicit operator bool() const { return std::holds_alternative<T>(value_); }
  T &operator*() { return std::get<T>(value_); }
  const T &operator*() const { return std::get<T>(value_); }
  T *operator->() { return &std::get<T>(value_); }
  const T *operator->() const { return &std::get<T>(value_); }
  const Error &error() const { return std::get<Error>(value_); }

private:
  std::variant<T, Error> value_;
};

namespace detail {

/// Receives a message, then makes a Result.
struct Call {
  Error error;
  plx_error receiver = {sizeof(plx_error), this, [](void *self, plx_str message) {
                          static_cast<Call *>(self)->error.message.assign(message.data,
                                                                          message.size);
                        }};
  Call() = default;
  Call(const Call &) = delete; // receiver points here.
  bool operator()(plx_status status) { return (error.code = status) == PLX_OK; }
};

inline plx_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(plx_str s) { return s.data ? std::string_view(s.data, s.size) : ""; }

/// Shares an object of the C API; the last copy releases it.
template <typename T>
std::shared_ptr<T> own(T *object, void (*release)(T *)) {
  return std::shared_ptr<T>(object, release);
}

template <typename T>
constexpr plx_dtype dtypeOf() {
  if constexpr (std::is_same_v<T, float>)
    return PLX_DTYPE_F32;
  else if constexpr (std::is_same_v<T, double>)
    return PLX_DTYPE_F64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return PLX_DTYPE_I32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return PLX_DTYPE_I64;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return PLX_DTYPE_U8;
  else
    static_assert(sizeof(T) == 0, "no plx_dtype for this type");
}

inline Result<std::string> bytes(Call &call, plx_status status, plx_buffer *&buffer) {
  if (!call(status))
    return call.error;
  std::string out(view(plx_buffer_bytes(buffer)));
  plx_buffer_release(buffer);
  return out;
}

} // namespace detail

/// A tensor for a run: a name, and numbers that stay the caller's until the run is over.
struct Input {
  template <typename T>
  Input(std::string name, std::span<const T> numbers, std::vector<int64_t> shape)
      : name(std::move(name)), data(numbers.data()), shape(std::move(shape)),
        dtype(detail::dtypeOf<T>()) {}
  template <typename T>
  Input(std::string name, const std::vector<T> &numbers, std::vector<int64_t> shape)
      : Input(std::move(name), std::span<const T>(numbers), std::move(shape)) {}
  std::string name;
  const void *data;
  std::vector<int64_t> shape;
  plx_dtype dtype;
};

/// What a run gave. The numbers live as long as any copy of it.
class Tensors {
public:
  explicit Tensors(plx_tensors *list) : list_(detail::own(list, plx_tensors_release)) {}
  size_t size() const { return plx_tensors_count(list_.get()); }
  std::string_view name(size_t index) const {
    return detail::view(plx_tensors_name(list_.get(), index));
  }
  std::vector<int64_t> shape(size_t index) const {
    plx_view v = {};
    v.struct_size = sizeof v;
    if (plx_tensors_view(list_.get(), index, &v, nullptr) != PLX_OK)
      return {};
    return {v.shape, v.shape + v.ndim};
  }
  /// The numbers of a dense F32 tensor; an error where the tensor is of another type.
  Result<std::span<const float>> floats(size_t index) const {
    return elements<float>(index, PLX_DTYPE_F32, "F32");
  }
  /// The same by name.
  Result<std::span<const float>> floats(std::string_view wanted) const {
    return elements<float>(wanted, PLX_DTYPE_F32, "F32");
  }
  /// Of outputs that are whole numbers: indices, labels, codes.
  Result<std::span<const int32_t>> integers(std::string_view wanted) const {
    return elements<int32_t>(wanted, PLX_DTYPE_I32, "I32");
  }
  const plx_tensors *handle() const { return list_.get(); }

private:
  template <typename T>
  Result<std::span<const T>> elements(size_t index, int32_t dtype, const char *type) const {
    detail::Call call;
    plx_view v = {};
    v.struct_size = sizeof v;
    if (!call(plx_tensors_view(list_.get(), index, &v, &call.receiver)))
      return call.error;
    if (v.dtype != dtype)
      return Error{PLX_MISMATCH, std::string(name(index)) + " is not " + type};
    size_t count = 1;
    for (int32_t d = 0; d < v.ndim; ++d)
      count *= static_cast<size_t>(v.shape[d]);
    return std::span<const T>(static_cast<const T *>(v.data), count);
  }
  template <typename T>
  Result<std::span<const T>> elements(std::string_view wanted, int32_t dtype,
                                      const char *type) const {
    for (size_t i = 0; i < size(); ++i)
      if (name(i) == wanted)
        return elements<T>(i, dtype, type);
    return Error{PLX_NOT_FOUND, "no output \"" + std::string(wanted) + "\""};
  }
  std::shared_ptr<plx_tensors> list_;
};

/// How a model is compiled; empty: the default (plx_compile_options).
struct CompileOptions {
  std::string weights = {}, compute = {}, products = {}, isas = {}, cache = {};
  bool inMemory = false;
  /// Phase, done, total; false cancels.
  std::function<bool(std::string_view, uint64_t, uint64_t)> progress = {};
};

struct RunOptions {
  std::string schedule = {};
  std::vector<std::string> wants = {};
  std::vector<int64_t> chunks = {};
  /// Options of the model: {{"subject", "1"}}.
  std::vector<std::pair<std::string, std::string>> set = {};
  bool refuseNan = false;
};

struct GenerateOptions;

/// One generated sequence.
struct GeneratedText {
  std::string text;
  std::vector<int32_t> ids;
  std::optional<double> score;
};

/// plx_stream_options.
struct StreamOptions {
  RunOptions run = {};
  int64_t window = 0, hop = 0;
};

namespace detail {

/// The arrays behind inputs; `inputs` must outlive them.
struct InputArrays {
  std::vector<plx_view> views;
  std::vector<plx_named_view> named;
  std::vector<const plx_named_view *> pointers;

  explicit InputArrays(const std::vector<Input> &inputs)
      : views(inputs.size()), named(inputs.size()) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Input &in = inputs[i];
      views[i] = {sizeof(plx_view),
                  nullptr,
                  const_cast<void *>(in.data),
                  in.dtype,
                  PLX_DEVICE_CPU,
                  static_cast<int32_t>(in.shape.size()),
                  0,
                  in.shape.data(),
                  nullptr};
      named[i] = {sizeof(plx_named_view), nullptr, str(in.name), &views[i]};
      pointers.push_back(&named[i]);
    }
  }
  InputArrays(const InputArrays &) = delete;
};

/// plx_run_options and what it points to; `o` must outlive it.
struct RunArrays {
  std::vector<plx_str> wants;
  std::vector<plx_option> options;
  std::vector<const plx_option *> optionPointers;
  plx_run_options c;

  explicit RunArrays(const RunOptions &o) {
    for (const std::string &want : o.wants)
      wants.push_back(str(want));
    for (auto &[key, value] : o.set)
      options.push_back({sizeof(plx_option), nullptr, str(key), str(value)});
    for (const plx_option &option : options)
      optionPointers.push_back(&option);
    c = {sizeof c,
         nullptr,
         str(o.schedule),
         wants.data(),
         wants.size(),
         o.chunks.data(),
         o.chunks.size(),
         optionPointers.data(),
         optionPointers.size(),
         o.refuseNan,
         0};
  }
  RunArrays(const RunArrays &) = delete;
};

inline int32_t callProgress(void *user, plx_str phase, uint64_t done, uint64_t total) {
  return static_cast<const CompileOptions *>(user)->progress(view(phase), done, total);
}

/// `o` must outlive what is returned.
inline plx_compile_options toC(const CompileOptions &o) {
  plx_compile_options c = {};
  c.struct_size = sizeof c;
  c.weights = str(o.weights);
  c.compute = str(o.compute);
  c.products = str(o.products);
  c.isas = str(o.isas);
  c.cache = str(o.cache);
  c.in_memory = o.inMemory;
  if (o.progress) {
    c.progress = callProgress;
    c.user = const_cast<CompileOptions *>(&o);
  }
  return c;
}

} // namespace detail

/// A run bound once to its inputs' memory (plx_model_prepare): write new numbers there, run, and
/// read the outputs, which every run writes anew. One thread at a time.
class Prepared {
public:
  explicit Prepared(plx_prepared *prepared)
      : prepared_(detail::own(prepared, plx_prepared_release)) {}
  /// What went wrong, if anything did.
  std::optional<Error> run() {
    detail::Call call;
    if (!call(plx_prepared_run(prepared_.get(), &call.receiver)))
      return call.error;
    return std::nullopt;
  }
  Result<Tensors> outputs() const {
    detail::Call call;
    plx_tensors *out = nullptr;
    if (!call(plx_prepared_outputs(prepared_.get(), &out, &call.receiver)))
      return call.error;
    return Tensors(out);
  }

private:
  std::shared_ptr<plx_prepared> prepared_;
};

/// A schedule fed piece by piece; states and samples of unfinished frames stay from call to call.
/// One thread at a time.
class Stream {
public:
  explicit Stream(plx_stream *stream) : stream_(detail::own(stream, plx_stream_release)) {}
  /// The next samples of every input that has a sequence axis (others go with the first call), and
  /// the outputs of the rows that are complete with them.
  Result<Tensors> push(const std::vector<Input> &inputs) {
    const detail::InputArrays arrays(inputs);
    detail::Call call;
    plx_tensors *out = nullptr;
    if (!call(plx_stream_push(stream_.get(), arrays.pointers.data(), arrays.pointers.size(), &out,
                              &call.receiver)))
      return call.error;
    return Tensors(out);
  }
  /// Binds the memory of the next samples (plx_stream_prepare): each run pushes what lies there by
  /// then, without heap allocations. The stream must outlive it.
  Result<Prepared> prepare(const std::vector<Input> &inputs) {
    const detail::InputArrays arrays(inputs);
    detail::Call call;
    plx_prepared *out = nullptr;
    if (!call(plx_stream_prepare(stream_.get(), arrays.pointers.data(), arrays.pointers.size(),
                                 &out, &call.receiver)))
      return call.error;
    return Prepared(out);
  }
  /// Begins anew.
  void reset() { plx_stream_reset(stream_.get()); }

private:
  std::shared_ptr<plx_stream> stream_;
};

/// A compiled model. Any number of threads may use one.
class Model {
public:
  explicit Model(plx_model *model) : model_(detail::own(model, plx_model_release)) {}

  /// Opens an artifact, or compiles a model through the cache.
  static Result<Model> open(std::string_view path, const CompileOptions &options = {}) {
    detail::Call call;
    plx_model *model = nullptr;
    const plx_compile_options c = detail::toC(options);
    if (!call(plx_model_open(detail::str(path), &c, &model, &call.receiver)))
      return call.error;
    return Model(model);
  }

  Result<Tensors> run(const std::vector<Input> &inputs, const RunOptions &options = {}) const {
    const detail::InputArrays arrays(inputs);
    const detail::RunArrays run(options);
    detail::Call call;
    plx_tensors *out = nullptr;
    if (!call(plx_model_run(model_.get(), arrays.pointers.data(), arrays.pointers.size(), &run.c,
                            &out, &call.receiver)))
      return call.error;
    return Tensors(out);
  }

  /// The same for runs that are made often; `inputs` borrows numbers as long as it lives.
  Result<Prepared> prepare(const std::vector<Input> &inputs, const RunOptions &options = {}) const {
    const detail::InputArrays arrays(inputs);
    const detail::RunArrays run(options);
    detail::Call call;
    plx_prepared *out = nullptr;
    if (!call(plx_model_prepare(model_.get(), arrays.pointers.data(), arrays.pointers.size(),
                                &run.c, &out, &call.receiver)))
      return call.error;
    return Prepared(out);
  }

  /// A stream over the model's states, or over windows: feed it piece by piece.
  Result<Stream> stream(const StreamOptions &options = {}) const;

  /// At least one sequence, the best first.
  Result<std::vector<GeneratedText>> generate(const GenerateOptions &options) const;

  Result<std::vector<int32_t>> tokenize(std::string_view text, bool addSpecial = true) const {
    detail::Call call;
    plx_buffer *buffer = nullptr;
    const plx_status status =
        plx_model_tokenize(model_.get(), detail::str(text), addSpecial, &buffer, &call.receiver);
    auto bytes = detail::bytes(call, status, buffer);
    if (!bytes)
      return bytes.error();
    std::vector<int32_t> ids(bytes->size() / sizeof(int32_t));
    std::memcpy(ids.data(), bytes->data(), ids.size() * sizeof(int32_t));
    return ids;
  }
  Result<std::string> decode(std::span<const int32_t> ids, bool skipSpecial = true) const {
    detail::Call call;
    plx_buffer *buffer = nullptr;
    const plx_status status = plx_model_decode(model_.get(), ids.data(), ids.size(), skipSpecial,
                                               &buffer, &call.receiver);
    return detail::bytes(call, status, buffer);
  }
  /// One tensor "embeddings" [texts, dimensions].
  Result<Tensors> embed(const std::vector<std::string> &texts) const {
    std::vector<plx_str> list;
    for (const std::string &text : texts)
      list.push_back(detail::str(text));
    detail::Call call;
    plx_tensors *out = nullptr;
    if (!call(plx_model_embed(model_.get(), list.data(), list.size(), &out, &call.receiver)))
      return call.error;
    return Tensors(out);
  }
  /// The manifest, JSON.
  Result<std::string> manifest() const {
    detail::Call call;
    plx_buffer *buffer = nullptr;
    const plx_status status = plx_model_manifest(model_.get(), &buffer, &call.receiver);
    return detail::bytes(call, status, buffer);
  }
  const plx_model *handle() const { return model_.get(); }

private:
  std::shared_ptr<plx_model> model_;
};

inline Result<Stream> Model::stream(const StreamOptions &options) const {
  const detail::RunArrays run(options.run);
  const plx_stream_options c = {sizeof c, nullptr, &run.c, options.window, options.hop};
  detail::Call call;
  plx_stream *made = nullptr;
  if (!call(plx_stream_open(model_.get(), &c, &made, &call.receiver)))
    return call.error;
  return Stream(made);
}

struct ChatMessage {
  std::string role, content;
};

/// plx_generate_options.
struct GenerateOptions {
  std::optional<std::string> prompt = {};
  std::vector<int32_t> promptIds = {};
  std::vector<ChatMessage> chat = {};
  std::string strategy = {};
  std::vector<std::pair<std::string, std::string>> options = {};
  std::vector<Model> drafts = {};
  int64_t maxTokens = 256;
  uint64_t seed = 0;
  std::vector<int32_t> eos = {};
  bool ignoreEos = false;
  std::vector<std::string> stops = {};
  /// Each piece of text with its ids, on the engine's thread; false cancels.
  std::function<bool(std::string_view text, std::span<const int32_t> ids)> onPiece = {};
};

namespace detail {

inline int32_t callPiece(void *user, const int32_t *ids, size_t count, plx_str text) {
  return static_cast<const GenerateOptions *>(user)->onPiece(view(text), {ids, count});
}

/// The arrays that plx_generate_options points to.
struct GenerateArrays {
  std::vector<plx_chat_message> chat;
  std::vector<const plx_chat_message *> chatPointers;
  std::vector<plx_option> options;
  std::vector<const plx_option *> optionPointers;
  std::vector<const plx_model *> drafts;
  std::vector<plx_str> stops;

  explicit GenerateArrays(const GenerateOptions &o) {
    for (const ChatMessage &m : o.chat)
      chat.push_back({sizeof(plx_chat_message), nullptr, str(m.role), str(m.content)});
    for (const plx_chat_message &m : chat)
      chatPointers.push_back(&m);
    for (auto &[key, value] : o.options)
      options.push_back({sizeof(plx_option), nullptr, str(key), str(value)});
    for (const plx_option &option : options)
      optionPointers.push_back(&option);
    for (const Model &draft : o.drafts)
      drafts.push_back(draft.handle());
    for (const std::string &stop : o.stops)
      stops.push_back(str(stop));
  }
};

inline plx_generate_options toC(const GenerateOptions &o, const GenerateArrays &arrays) {
  plx_generate_options c = {};
  c.struct_size = sizeof c;
  if (o.prompt)
    c.prompt = {o.prompt->c_str(), o.prompt->size()};
  c.prompt_ids = o.promptIds.data();
  c.prompt_id_count = o.promptIds.size();
  c.chat = arrays.chatPointers.data();
  c.chat_count = arrays.chatPointers.size();
  c.strategy = str(o.strategy);
  c.options = arrays.optionPointers.data();
  c.option_count = arrays.optionPointers.size();
  c.drafts = arrays.drafts.data();
  c.draft_count = arrays.drafts.size();
  c.max_tokens = o.maxTokens;
  c.seed = o.seed;
  c.eos = o.eos.data();
  c.eos_count = o.eos.size();
  c.ignore_eos = o.ignoreEos;
  c.stops = arrays.stops.data();
  c.stop_count = arrays.stops.size();
  if (o.onPiece) {
    c.on_piece = callPiece;
    c.user = const_cast<GenerateOptions *>(&o);
  }
  return c;
}

} // namespace detail

inline Result<std::vector<GeneratedText>> Model::generate(const GenerateOptions &options) const {
  const detail::GenerateArrays arrays(options);
  const plx_generate_options c = detail::toC(options, arrays);
  detail::Call call;
  plx_generated *raw = nullptr;
  if (!call(plx_generate(model_.get(), &c, &raw, &call.receiver)))
    return call.error;
  const auto made = detail::own(raw, plx_generated_release);
  std::vector<GeneratedText> out;
  for (size_t i = 0; i < plx_generated_count(made.get()); ++i) {
    size_t count = 0;
    const int32_t *ids = plx_generated_ids(made.get(), i, &count);
    double score = 0;
    const bool scored = plx_generated_score(made.get(), i, &score) == 1;
    out.push_back({std::string(detail::view(plx_generated_text(made.get(), i))),
                   {ids, ids + count},
                   scored ? std::optional(score) : std::nullopt});
  }
  return out;
}

/// A model that the program writes itself, compiled in memory.
class Graph {
public:
  /// `weights`: a .safetensors file that Builder::source refers to; empty: all are constants.
  static Result<Graph> create(std::string_view name, std::string_view weights = {}) {
    detail::Call call;
    plx_graph_build *build = nullptr;
    if (!call(plx_graph_build_new(detail::str(name), detail::str(weights), &build, &call.receiver)))
      return call.error;
    return Graph(build);
  }
  graph::Builder builder() const {
    return {plx_graph_build_api(build_.get()), plx_graph_build_graph(build_.get())};
  }
  /// Ends the building; the first error of the builder comes out here.
  Result<Model> compile(const CompileOptions &options = {}) const {
    detail::Call call;
    plx_model *model = nullptr;
    const plx_compile_options c = detail::toC(options);
    if (!call(plx_graph_build_compile(build_.get(), &c, &model, &call.receiver)))
      return call.error;
    return Model(model);
  }

private:
  explicit Graph(plx_graph_build *build) : build_(detail::own(build, plx_graph_build_release)) {}
  std::shared_ptr<plx_graph_build> build_;
};

} // namespace plexus::inline v1
