// The C table of host functions: each entry is a GenerationRun method behind a trampoline.
#include "runtime/engine/GenerationRun.h"
#include "runtime/plugins/Structs.h"

#include <exception>
#include <new>

namespace plexus {
namespace {

GenerationRun &run(plx_generation *g) { return *reinterpret_cast<GenerationRun *>(g); }

/// The C function of a method: R method(A...) becomes plx_status (g, A..., plx_error *).
template <auto Method>
struct Trampoline;
template <typename... A, Status (GenerationRun::*Method)(A...)>
struct Trampoline<Method> {
  static plx_status call(plx_generation *g, A... arguments, plx_error *error) noexcept {
    if (!g || !run(g).inStrategy())
      return giveStatus(
          {Code::InvalidArgument, "host functions may be called from create and resume only"},
          error);
    try {
      return giveStatus((run(g).*Method)(arguments...), error);
    } catch (const std::bad_alloc &) {
      return giveStatus({Code::ResourceExhausted, "out of memory"}, error);
    } catch (const std::exception &problem) {
      return giveStatus({Code::Internal, problem.what()}, error);
    }
  }
};

int32_t hasCapability(plx_generation *g, int32_t model, plx_str id) noexcept {
  return g && run(g).inStrategy() && run(g).hasCapability(model, fromStr(id));
}

uint64_t random(plx_generation *g, uint32_t output, uint32_t position, uint32_t lane,
                uint32_t draw) noexcept {
  return g ? run(g).random(output, position, lane, draw) : 0;
}

template <auto Method>
constexpr auto call = &Trampoline<Method>::call;

} // namespace

const plx_generation_api &generationApi() {
  using R = GenerationRun;
  static const plx_generation_api api = {
      .struct_size = sizeof(plx_generation_api),
      .next = nullptr,
      .seq_open = call<&R::seqOpen>,
      .seq_close = call<&R::seqClose>,
      .fork = call<&R::fork>,
      .truncate = call<&R::truncate>,
      .snapshot = call<&R::snapshot>,
      .restore = call<&R::restore>,
      .snapshot_drop = call<&R::snapshotDrop>,
      .commit = call<&R::commit>,
      .seq_length = call<&R::seqLength>,
      .emit = call<&R::emit>,
      .finish = call<&R::finishOutput>,
      .stop_test = call<&R::testStop>,
      .rng = &random,
      .argmax = call<&R::argmax>,
      .sample = call<&R::sample>,
      .process = call<&R::process>,
      .dist_make = call<&R::distMake>,
      .dist_mix = call<&R::distMix>,
      .dist_prob = call<&R::distProb>,
      .dist_sample = call<&R::distSample>,
      .dist_residual = call<&R::distResidual>,
      .dist_drop = call<&R::distDrop>,
      .token_bytes = call<&R::tokenBytes>,
      .encode = call<&R::encode>,
      .decode = call<&R::decode>,
      .special_id = call<&R::specialId>,
      .model_info = call<&R::modelInfo>,
      .has_capability = &hasCapability,
      .option_set = call<&R::optionSet>,
      .counter_add = call<&R::counterAdd>,
      .result_hold = call<&R::resultHold>,
      .result_drop = call<&R::resultDrop>,
      .call = call<&R::callFunction>,
  };
  return api;
}

} // namespace plexus
