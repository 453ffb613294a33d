// A strategy in plain C structs that hands over one malformed request, named by its option "case",
// and reports what the host answered as its own error.
#include <plexus/plugin.hpp>
#include <plexus/strategy.h>

#include <map>
#include <memory>
#include <string>

namespace {

using namespace plexus::sdk;

/// A request that is fine until a case breaks it.
struct Strategy {
  std::string broken;
  int32_t token = 1;
  int64_t shape[2] = {1, 1};
  int64_t strides[2] = {1, 1};
  plx_chain extension = {sizeof(plx_chain), nullptr, 77};
  plx_view view = {sizeof(plx_view), nullptr, &token, PLX_DTYPE_I32, PLX_DEVICE_CPU, 1, 0, shape,
                   nullptr};
  plx_input input = {sizeof(plx_input), nullptr, {nullptr, 0}, PLX_INPUT_TOKENS, 0, &view};
  const plx_input *inputs[2] = {&input, &input};
  plx_want want = {};
  const plx_want *wants[1] = {&want};
  struct Larger {
    plx_forward forward;
    uint64_t unknown;
  } request = {};
  const plx_forward *forwards[1] = {&request.forward};
};

using Break = void (*)(Strategy &);
const std::map<std::string, Break> &cases() {
  static const std::map<std::string, Break> table = {
      {"none", [](Strategy &) {}},
      {"null_request", [](Strategy &s) { s.forwards[0] = nullptr; }},
      {"small_struct", [](Strategy &s) { s.request.forward.struct_size = 8; }},
      {"unknown_field",
       [](Strategy &s) {
         s.request.forward.struct_size = sizeof(s.request);
         s.request.unknown = 1;
       }},
      {"extension", [](Strategy &s) { s.request.forward.next = &s.extension; }},
      {"sequence", [](Strategy &s) { s.request.forward.sequence = 12345; }},
      {"mode", [](Strategy &s) { s.request.forward.mode = 9; }},
      {"replace", [](Strategy &s) { s.request.forward.mode = PLX_MODE_REPLACE; }},
      {"flags", [](Strategy &s) { s.request.forward.flags = 64; }},
      {"visibility", [](Strategy &s) { s.request.forward.visibility = &s.view; }},
      {"options", [](Strategy &s) { s.request.forward.option_count = 1; }},
      {"no_input", [](Strategy &s) { s.request.forward.input_count = 0; }},
      {"two_inputs", [](Strategy &s) { s.request.forward.input_count = 2; }},
      {"port", [](Strategy &s) { s.input.port = str("pixels"); }},
      {"kind", [](Strategy &s) { s.input.kind = 17; }},
      {"refs", [](Strategy &s) { s.input.kind = PLX_INPUT_REFS; }},
      {"dtype", [](Strategy &s) { s.view.dtype = PLX_DTYPE_F16; }},
      {"device", [](Strategy &s) { s.view.device = 5; }},
      {"ndim", [](Strategy &s) { s.view.ndim = 2; }},
      {"empty", [](Strategy &s) { s.shape[0] = 0; }},
      {"huge", [](Strategy &s) { s.shape[0] = int64_t(1) << 40; }},
      {"strides",
       [](Strategy &s) {
         s.view.strides = s.strides;
         s.strides[0] = 3;
       }},
      {"null_data", [](Strategy &s) { s.view.data = nullptr; }},
      {"source", [](Strategy &s) { s.want.source = 40; }},
      {"head_at", [](Strategy &s) { s.want.source = PLX_SOURCE_HEAD_AT; }},
      {"statistics", [](Strategy &s) { s.want.reduce = PLX_REDUCE_STATISTICS; }},
      {"k",
       [](Strategy &s) {
         s.want.reduce = PLX_REDUCE_TOP_K;
         s.want.k = 0;
       }},
      {"place", [](Strategy &s) { s.want.place = 1; }},
      {"token", [](Strategy &s) { s.token = -3; }},
  };
  return table;
}

plx_status resume(void *self, const plx_result *const *results, size_t count, plx_step *step,
                  plx_error *error) {
  auto &s = *static_cast<Strategy *>(self);
  if (count == 1 && results[0]->status != PLX_OK)
    return report(error, results[0]->status, view(results[0]->message));
  if (count == 1)
    return PLX_OK;
  cases().at(s.broken)(s);
  step->forwards = s.forwards;
  step->forward_count = 1;
  return PLX_OK;
}

plx_status create(plx_str, const plx_generation_params *params, const plx_generation_api *api,
                  plx_generation *g, plx_strategy *out, plx_error *error) {
  return guard(error, [&] {
    auto s = std::make_unique<Strategy>();
    s->broken = params->option_count ? std::string(view(params->options[0]->value)) : "none";
    if (!cases().count(s->broken))
      throw Error(PLX_INVALID_ARGUMENT, "no such case");
    s->want.struct_size = sizeof(plx_want);
    s->want.source = PLX_SOURCE_LOGITS;
    s->want.select = PLX_SELECT_LAST;
    s->want.reduce = PLX_REDUCE_FULL;
    plx_forward &f = s->request.forward;
    f.struct_size = sizeof(f);
    f.inputs = s->inputs;
    f.input_count = 1;
    f.mode = PLX_MODE_APPEND;
    f.layer_end = -1;
    f.wants = s->wants;
    f.want_count = 1;
    ErrorSink sink;
    sink.check(api->seq_open(g, 0, &f.sequence, sink));
    out->self = s.release();
    out->resume = &resume;
    out->destroy = [](void *self) { delete static_cast<Strategy *>(self); };
  });
}

const plx_strategy_factory factory = {sizeof(factory), nullptr, &create};

} // namespace

PLX_PLUGIN("bad_requests", "1.0.0",
           R"([{"kind": "strategy", "id": "bad_requests", "options": ["case"]}])",
           {PLX_STRATEGY_FACTORY_ID, &factory});
