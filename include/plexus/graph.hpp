// C++ on top of the graph builder of family.h: write a model as its equations.
//
//   plexus::graph::Builder b(api, graph);
//   auto s = b.segment("ffn", {b.rows(1024)});
//   auto x = s.args[0], h = b.rmsNorm(x, b.param("norm.weight"), 1e-5f);
//   auto g = b.linear(h, b.param("gate.weight")), u = b.linear(h, b.param("up.weight"));
//   b.endSegment({b.add(x, b.linear(b.glu(g, u, "silu"), b.param("down.weight")))});
//
// Header-only, needs nothing but family.h, throws nothing. Errors are sticky (family.h): build to
// the end, then ask ok().
#pragma once

#include <plexus/family.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::graph {

/// A tensor, batch or state inside the segment or schedule that is being built.
struct Value {
  plx_value id = PLX_NO_VALUE;
  explicit operator bool() const { return id != PLX_NO_VALUE; }
};

/// How a weight is computed from tensors of the model's file.
struct Recipe {
  plx_recipe id = PLX_NO_VALUE;
};

/// A named attribute of an op.
struct Attr {
  Attr(const char *name, int value) : Attr(name, static_cast<int64_t>(value)) {}
  Attr(const char *name, int64_t value) { init(name, PLX_ATTR_INT).i = value; }
  Attr(const char *name, bool value) { init(name, PLX_ATTR_BOOL).i = value; }
  Attr(const char *name, float value) { init(name, PLX_ATTR_FLOAT).f = value; }
  Attr(const char *name, double value) { init(name, PLX_ATTR_FLOAT).f = value; }
  Attr(const char *name, const char *value) { init(name, PLX_ATTR_STRING).s = value; }
  Attr(const char *name, const std::string &value) : Attr(name, value.c_str()) {}
  Attr(const char *name, const std::vector<int64_t> &values) {
    init(name, PLX_ATTR_INTS).ints = values.data();
    c.count = values.size();
  }
  Attr(const char *name, const std::vector<float> &values) {
    init(name, PLX_ATTR_FLOATS).floats = values.data();
    c.count = values.size();
  }
  plx_attr c{};

private:
  plx_attr &init(const char *name, plx_attr_kind kind) {
    c.struct_size = sizeof c;
    c.name = name;
    c.kind = kind;
    return c;
  }
};

/// An argument of a segment or schedule: what runs along its rows, and the rest of its shape.
struct Arg {
  plx_rows rows = PLX_ROWS_TOKENS;
  std::vector<int64_t> shape;
  const char *dtype = "F32";
};

/// Rotary position embedding (Su et al., 2021): angle = position * inv_freq[i], both sin and cos
/// times attentionScaling.
struct Rope {
  int64_t dims = 0; ///< Rotated dimensions of each head, from the first.
  std::vector<float> invFreq;
  float attentionScaling = 1.0f;
  bool interleaved = false; ///< Pairs (2i, 2i+1) instead of (i, i + dims/2).
  /// > 0: frequencies depend on the sequence's length, by longInvFreq or ntkFactor.
  int64_t originalContext = 0;
  std::vector<float> longInvFreq; ///< Of sequences longer than originalContext; empty: none.
  float ntkFactor = 0;            ///< > 0: dynamic NTK scaling (docs/dialects/attn.md).
};

struct Attention {
  float scale = 1.0f;  ///< Multiplies the scores before softcap and softmax.
  bool causal = true;  ///< A token sees itself and what came before; otherwise its whole sequence.
  int64_t window = 0;  ///< > 0: only tokens less than `window` back (both ways where not causal).
  float softcap = 0.f; ///< > 0: scores become cap * tanh(score / cap).
};

class Builder {
public:
  Builder(const plx_graph_api *api, plx_graph *graph) : api(api), g(graph) {}

  bool ok() const { return api->ok(g) == 1; }
  /// Ends the build with an error; code is a plx status code (2 not found, 4 unsupported, ...).
  void fail(int32_t code, const std::string &message) { api->fail(g, code, message.c_str()); }

  // Weights and states.
  Recipe source(const std::string &name) { return {api->source(g, name.c_str())}; }
  Recipe concat(int64_t axis, const std::vector<Recipe> &parts) {
    std::vector<plx_recipe> ids;
    for (Recipe r : parts)
      ids.push_back(r.id);
    return {api->concat(g, axis, ids.data(), ids.size())};
  }
  Recipe slice(Recipe r, int64_t axis, int64_t begin, int64_t size) {
    return {api->slice(g, r.id, axis, begin, size)};
  }
  Recipe transpose(Recipe r, std::initializer_list<int64_t> perm) {
    return {api->transpose(g, r.id, perm.begin(), perm.size())};
  }
  Recipe reshape(Recipe r, std::initializer_list<int64_t> shape) {
    return {api->reshape(g, r.id, shape.begin(), shape.size())};
  }
  Recipe scaled(Recipe r, double factor) { return {api->scale(g, r.id, factor)}; }
  Recipe offset(Recipe r, double addend) { return {api->offset(g, r.id, addend)}; }
  /// Elementwise, of parts of one shape.
  Recipe sum(const std::vector<Recipe> &parts) { return recipe("sum", parts, {}); }
  /// Sum of products over named axes, in f64: "ofc,fk->ock".
  Recipe einsum(const std::string &axes, const std::vector<Recipe> &parts) {
    return recipe("einsum", parts, {{"axes", axes}});
  }
  /// Rows of axis 0 whose L2 norm is above `limit`, scaled down to it.
  Recipe renorm(Recipe r, double limit) { return recipe("renorm", {r}, {{"number", limit}}); }
  /// e^x of each element, as f32.
  Recipe exp(Recipe r) { return recipe("exp", {r}, {}); }
  /// 1 / sqrt(x + eps) of each element.
  Recipe rsqrt(Recipe r, double eps) { return recipe("rsqrt", {r}, {{"number", eps}}); }
  Recipe recipe(const char *kind, const std::vector<Recipe> &parts,
                const std::vector<Attr> &attrs) {
    if (api->struct_size <= offsetof(plx_graph_api, recipe)) {
      fail(4, std::string("this Plexus has no recipe ") + kind);
      return {};
    }
    std::vector<plx_recipe> ids;
    for (Recipe r : parts)
      ids.push_back(r.id);
    std::vector<const plx_attr *> cattrs;
    for (const Attr &a : attrs)
      cattrs.push_back(&a.c);
    return {api->recipe(g, kind, ids.data(), ids.size(), cattrs.data(), cattrs.size())};
  }
  Recipe constant(const std::vector<float> &data, std::initializer_list<int64_t> shape) {
    return {api->constant(g, data.data(), shape.begin(), shape.size())};
  }
  /// The value of a weight that is a tensor of the file as it is, under its own name.
  Value param(const std::string &name) { return param(name, source(name)); }
  /// The value of weight `name`, declared by `recipe` where it is not yet.
  Value param(const std::string &name, Recipe recipe) {
    api->weight(g, name.c_str(), recipe.id);
    return {api->param(g, name.c_str())};
  }
  /// Declares a key/value state: kept whole, or the last `window` tokens where window > 0.
  void kvState(const std::string &name, int64_t heads, int64_t keyDim, int64_t valueDim,
               int64_t window = 0) {
    plx_state_desc d{sizeof d, nullptr, window ? PLX_STATE_RING : PLX_STATE_KV,
                     heads,    keyDim,  valueDim,
                     window,   nullptr, 0,
                     nullptr,  nullptr};
    api->state(g, name.c_str(), &d);
  }
  /// Declares what a recurrence carries from token to token: one f32 tensor for each sequence and
  /// layer that uses it, zeros at first.
  /// `input`, `output`: names under which runs take the initial and give the final state,
  /// [layers, B, shape...].
  void carryState(const std::string &name, const std::vector<int64_t> &shape,
                  const char *input = nullptr, const char *output = nullptr) {
    plx_state_desc d{sizeof d, nullptr,      PLX_STATE_REPLACE, 0,     0,     0,
                     0,        shape.data(), shape.size(),      input, output};
    api->state(g, name.c_str(), &d);
  }
  Value state(const std::string &name) { return {api->get_state(g, name.c_str())}; }

  // Structure.
  struct Segment {
    std::vector<Value> args;
    Value batch;
  };
  static Arg rows(std::initializer_list<int64_t> shape, const char *dtype = "F32") {
    return {PLX_ROWS_TOKENS, shape, dtype};
  }
  /// One row for each sequence.
  static Arg perSequence(std::initializer_list<int64_t> shape, const char *dtype = "F32") {
    return {PLX_ROWS_SEQUENCES, shape, dtype};
  }
  /// A tensor whose shape is whole.
  static Arg whole(std::initializer_list<int64_t> shape, const char *dtype = "F32") {
    return {PLX_ROWS_NONE, shape, dtype};
  }
  static Arg ids() { return {PLX_ROWS_TOKENS, {}, "I32"}; }
  Segment segment(const std::string &name, const std::vector<Arg> &args) {
    CArgs c(args);
    std::vector<plx_value> values(args.size(), PLX_NO_VALUE);
    Segment s;
    api->segment_begin(g, name.c_str(), c.pointers.data(), args.size(), values.data(), &s.batch.id);
    for (plx_value v : values)
      s.args.push_back({v});
    return s;
  }
  void endSegment(std::initializer_list<Value> results) {
    auto ids = raw(results);
    api->segment_end(g, ids.data(), ids.size());
  }
  std::vector<Value> schedule(const std::string &name, const std::vector<const char *> &inputNames,
                              const std::vector<Arg> &args) {
    CArgs c(args);
    std::vector<plx_value> values(args.size(), PLX_NO_VALUE);
    api->schedule_begin(g, name.c_str(), inputNames.data(), c.pointers.data(), args.size(),
                        values.data());
    std::vector<Value> out;
    for (plx_value v : values)
      out.push_back({v});
    return out;
  }
  /// Runs a segment with one result. layer = -1: a segment without layers.
  Value run(const std::string &segment, int64_t layer, std::initializer_list<Value> operands,
            std::initializer_list<float> scalars = {}) {
    auto ids = raw(operands);
    Value out;
    api->run(g, segment.c_str(), layer, ids.data(), ids.size(), scalars.begin(), scalars.size(),
             &out.id, 1);
    return out;
  }
  /// Runs a segment with several results.
  std::vector<Value> runs(const std::string &segment, int64_t layer,
                          std::initializer_list<Value> operands, size_t results) {
    auto ids = raw(operands);
    std::vector<plx_value> made(results, PLX_NO_VALUE);
    api->run(g, segment.c_str(), layer, ids.data(), ids.size(), nullptr, 0, made.data(), results);
    std::vector<Value> out;
    for (plx_value v : made)
      out.push_back({v});
    return out;
  }
  void hidden(const std::vector<Value> &values) {
    std::vector<plx_value> ids;
    for (Value v : values)
      ids.push_back(v.id);
    api->hidden(g, ids.data(), ids.size());
  }
  struct Output {
    const char *name;
    Value value;
  };
  void endSchedule(const std::vector<Output> &outputs) {
    std::vector<const char *> names;
    std::vector<plx_value> ids;
    for (const Output &o : outputs) {
      names.push_back(o.name);
      ids.push_back(o.value.id);
    }
    api->schedule_end(g, names.data(), ids.data(), ids.size());
  }
  // What callers of a run see, between schedule and endSchedule.
  /// Layout of an input or output as callers give or get it: names of its axes with spaces between.
  /// "b" is the batch, "s" the sequence, every other name a dimension of the row, in order: "b s f"
  /// (what it is without a port), "b c s" for channels first, "s f" for one sequence alone, "s-1 f"
  /// (outputs) without the last row. An axis named like an integer option may be smaller than the
  /// row's dimension: the option takes the size given, the rest is zeros, and outputs are cut to
  /// it.
  void port(const char *name, const std::string &axes) { describe("port", name, {{"axes", axes}}); }
  /// An input that holds `fill` where it is not given.
  void optionalInput(const char *name, double fill) { describe("port", name, {{"fill", fill}}); }
  /// The schedule sees whole sequences of this input, of `samples` samples at least: shorter ones
  /// are refused, and pieces of them (2 and more).
  void leastSamples(const char *name, int64_t samples) {
    describe("port", name, {{"least", samples}});
  }
  /// The sequence axis is cut into frames of `size` samples, one each `hop`; each is one row, whose
  /// shape holds `size` at the place of "s". `pad` zeros stand at both ends; `whole`: so many more
  /// at the end that the last samples fill a frame.
  void frames(int64_t size, int64_t hop, int64_t pad = 0, bool whole = false) {
    describe("frames", "", {{"size", size}, {"hop", hop}, {"pad", pad}, {"whole", whole}});
  }
  /// A number that a run may set (`plexus run --set name=value`). A schedule's input of that name
  /// is filled with it where no tensor is given.
  void option(const char *name, double value) { describe("option", name, {{"default", value}}); }
  /// The same for whole numbers; `known`: the values that there are, empty: any.
  void intOption(const char *name, int64_t value, const std::vector<float> &known = {}) {
    describe("option", name,
             {{"integer", true}, {"default", static_cast<double>(value)}, {"known", known}});
  }
  /// One that has no default.
  void requiredInt(const char *name, const std::vector<float> &known = {}) {
    describe("option", name, {{"integer", true}, {"known", known}});
  }

  void info(const char *key, const char *value) { api->info_string(g, key, value); }
  void info(const char *key, int64_t value) { api->info_int(g, key, value); }

  // Ops. Shapes: x [..., K] unless said otherwise.
  Value op(const char *name, std::initializer_list<Value> operands,
           const std::vector<Attr> &attrs = {}) {
    std::vector<plx_value> ids;
    for (Value v : operands)
      if (v)
        ids.push_back(v.id);
    std::vector<const plx_attr *> cattrs;
    for (const Attr &a : attrs)
      cattrs.push_back(&a.c);
    Value out;
    api->op(g, name, ids.data(), ids.size(), cattrs.data(), cattrs.size(), &out.id, 1);
    return out;
  }
  /// An op with several results, or with optional operands, whose places empty Values hold.
  std::vector<Value> ops(const char *name, std::initializer_list<Value> operands, size_t results,
                         const std::vector<Attr> &attrs = {}) {
    auto ids = raw(operands);
    std::vector<const plx_attr *> cattrs;
    for (const Attr &a : attrs)
      cattrs.push_back(&a.c);
    std::vector<plx_value> made(results, PLX_NO_VALUE);
    api->op(g, name, ids.data(), ids.size(), cattrs.data(), cattrs.size(), made.data(), results);
    std::vector<Value> out;
    for (plx_value v : made)
      out.push_back({v});
    return out;
  }
  std::vector<int64_t> shape(Value v) {
    std::array<int64_t, 8> dims{};
    int32_t rank = api->shape(g, v.id, dims.data(), dims.size());
    return {dims.begin(), dims.begin() + (rank > 0 ? rank : 0)};
  }

  /// rows of table [V, D] at ids [T]: [T, D].
  Value embedding(Value ids, Value table) { return op("embedding", {ids, table}); }
  /// x w^T + bias; w is [out, in].
  Value linear(Value x, Value w, Value bias = {}) { return op("linear", {x, w, bias}); }
  /// x / sqrt(mean(x^2) + eps) * g, over the last axis (Zhang & Sennrich, 2019).
  Value rmsNorm(Value x, Value gain, double eps) {
    return op("rms_norm", {x, gain}, {{"eps", eps}});
  }
  /// (x - mean) / sqrt(var + eps) * g + bias (Ba et al., 2016).
  Value layerNorm(Value x, Value gain, Value bias, double eps) {
    return op("layer_norm", {x, gain, bias}, {{"eps", eps}});
  }
  Value activation(Value x, const std::string &kind) {
    return op("activation", {x}, {{"kind", kind}});
  }
  /// act(gate) * up (Shazeer, 2020).
  Value glu(Value gate, Value up, const std::string &kind) {
    return op("glu", {gate, up}, {{"kind", kind}});
  }
  Value add(Value a, Value b) { return op("add", {a, b}); }
  Value mul(Value a, Value b) { return op("mul", {a, b}); }
  Value scale(Value x, double factor) { return op("scale", {x}, {{"factor", factor}}); }
  /// x times a scalar of the run.
  Value scale(Value x, Value scalar) { return op("scale", {x, scalar}); }
  /// The run's scalar number `index`.
  Value scalar(int64_t index) { return op("scalar", {}, {{"index", index}}); }
  /// The row axis stays; the rest becomes `shape`.
  Value reshape(Value x, const std::vector<int64_t> &shape) {
    return op("reshape", {x}, {{"shape", shape}});
  }
  /// [begin, begin + size) of the last axis.
  Value slice(Value x, int64_t begin, int64_t size) {
    return op("slice", {x}, {{"begin", begin}, {"size", size}});
  }
  /// Side by side along the last axis.
  Value concat(const std::vector<Value> &parts) {
    std::vector<plx_value> ids;
    for (Value v : parts)
      ids.push_back(v.id);
    Value out;
    api->op(g, "concat", ids.data(), ids.size(), nullptr, 0, &out.id, 1);
    return out;
  }
  Value tap(Value x, const char *name) { return op("tap", {x}, {{"name", name}}); }
  Value positions(Value batch, int64_t offset = 0) {
    return op("positions", {batch}, {{"offset", offset}});
  }
  Value tokenTypes(Value batch) { return op("token_types", {batch}); }
  /// The rows whose outputs are wanted: [T, ...] to [R, ...].
  Value selectRows(Value x, Value batch) { return op("select_rows", {x, batch}); }
  /// "mean", "cls", "max" or "last" over each sequence: [T, D] to [S, D].
  Value pool(Value x, Value batch, const std::string &mode) {
    return op("pool", {x, batch}, {{"mode", mode}});
  }
  /// Weights of the `topK` experts that each row of logits [T, E] goes to, 0 for all others. score:
  /// "softmax" or "sigmoid"; `normalize`: they sum to 1 (before `factor`).
  Value route(Value logits, const std::string &score, int64_t topK, bool normalize,
              double factor = 1.0) {
    return op("route", {logits},
              {{"score", score}, {"top_k", topK}, {"normalize", normalize}, {"scale", factor}});
  }
  /// Gated experts of `hidden` units: sum over e of routes[:, e] D_e (act(G_e x) * (U_e x)). The
  /// experts' matrices lie below each other, each padded to a multiple of 64 rows: gateUp [E
  /// pad(2 hidden), D] (G, then U), down [E pad(D), hidden].
  Value moe(Value x, Value routes, Value gateUp, Value down, const std::string &kind, int64_t topK,
            int64_t hidden) {
    return op("moe", {x, routes, gateUp, down},
              {{"kind", kind}, {"top_k", topK}, {"hidden", hidden}});
  }
  /// x [T, H, headDim].
  Value rope(Value x, Value batch, const Rope &r) {
    std::vector<Attr> list{{"dims", r.dims},
                           {"inv_freq", r.invFreq},
                           {"attention_scaling", r.attentionScaling},
                           {"interleaved", r.interleaved}};
    if (r.originalContext > 0)
      list.emplace_back("original_context", r.originalContext);
    if (!r.longInvFreq.empty())
      list.emplace_back("long_inv_freq", r.longInvFreq);
    if (r.ntkFactor > 0)
      list.emplace_back("ntk_factor", r.ntkFactor);
    return op("rope", {x, batch}, list);
  }
  /// Appends k [T, kvHeads, keyDim] and v [T, kvHeads, valueDim] at the batch's slots.
  void kvWrite(Value k, Value v, Value state, Value batch) {
    std::array<plx_value, 4> ids{k.id, v.id, state.id, batch.id};
    api->op(g, "kv_write", ids.data(), ids.size(), nullptr, 0, nullptr, 0);
  }
  /// q [T, heads, keyDim] against a state: [T, heads, valueDim].
  Value attention(Value q, Value state, Value batch, const Attention &a) {
    return op("attention", {q, state, batch}, attrs(a));
  }
  /// The same against k and v of this batch (encoders).
  Value attention(Value q, Value k, Value v, Value batch, const Attention &a) {
    return op("attention", {q, k, v, batch}, attrs(a));
  }

  const plx_graph_api *api;
  plx_graph *g;

private:
  void describe(const char *what, const char *name, const std::vector<Attr> &attrs) {
    std::vector<const plx_attr *> cattrs;
    for (const Attr &a : attrs)
      cattrs.push_back(&a.c);
    if (api->struct_size > offsetof(plx_graph_api, describe))
      api->describe(g, what, name, cattrs.data(), cattrs.size());
    else
      api->fail(g, 4, "this Plexus knows no ports: it is older than the family");
  }
  struct CArgs {
    explicit CArgs(const std::vector<Arg> &args) {
      for (const Arg &a : args)
        descs.push_back({sizeof(plx_arg_desc), a.rows, a.shape.data(), a.shape.size(), a.dtype});
      for (const plx_arg_desc &d : descs)
        pointers.push_back(&d);
    }
    std::vector<plx_arg_desc> descs;
    std::vector<const plx_arg_desc *> pointers;
  };
  static std::vector<Attr> attrs(const Attention &a) {
    return {{"scale", a.scale}, {"causal", a.causal}, {"window", a.window}, {"softcap", a.softcap}};
  }
  static std::vector<plx_value> raw(std::initializer_list<Value> values) {
    std::vector<plx_value> ids;
    for (Value v : values)
      ids.push_back(v.id);
    return ids;
  }
};

} // namespace plexus::graph
