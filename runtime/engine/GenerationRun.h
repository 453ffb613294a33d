// One generation on the engine's thread: its strategy's instance and everything that the strategy's
// host functions work on.
#pragma once

#include "runtime/engine/Distribution.h"
#include "runtime/engine/GenerationTypes.h"
#include "runtime/engine/Output.h"
#include "runtime/engine/RequestReader.h"
#include "runtime/engine/ResultTable.h"

#include <atomic>
#include <chrono>
#include <optional>

namespace plexus {

/// Scratch of the engine's thread, shared by its generations.
struct ChoiceScratch {
  std::vector<int32_t> identity, ids;
  std::vector<float> scores;
};

class GenerationRun {
public:
  /// Finds the strategy and the samplers, sorts the options to those who understand them, and makes
  /// the instance. Errors name what was refused.
  static Expected<std::unique_ptr<GenerationRun>> create(PluginHost &host,
                                                         GenerationOptions options,
                                                         const EngineLimits &limits,
                                                         ChoiceScratch &scratch);
  ~GenerationRun();
  GenerationRun(const GenerationRun &) = delete;

  /// "strategy 'beam' of plugin 'strategy_beam'".
  const std::string &name() const { return name_; }

  // The engine's side, in this order: advance, then for each of requests() an answer.

  /// Resumes the strategy with the answers. True: requests() are to be run; false: it is over.
  bool advance();
  std::vector<ReadRequest> &requests() { return requests_; }
  size_t requestCount() const { return requestCount_; }
  /// The model that request `i` runs on; null when it was refused already.
  EngineModel *requestModel(size_t i) const { return requestModels_[i]; }
  void answer(size_t i, ForwardOutcome outcome) { outcomes_[i] = std::move(outcome); }
  /// Ends it with this error, whatever the strategy wants.
  void fail(Status status);
  /// What became of it; closes outputs and sequences.
  GenerationResult finish();

  std::atomic<bool> cancelled = false;

  // The strategy's side: host functions, as include/plexus/strategy.h describes them.

  Status seqOpen(int32_t model, plx_seq *out);
  Status seqClose(plx_seq seq);
  Status fork(plx_seq seq, plx_seq *out);
  Status truncate(plx_seq seq, int64_t length);
  Status snapshot(plx_seq seq, plx_snapshot *out);
  Status restore(plx_seq seq, plx_snapshot snapshot);
  Status snapshotDrop(plx_snapshot snapshot);
  Status commit(plx_seq seq, const int32_t *path, size_t count);
  Status seqLength(plx_seq seq, int64_t *committed, int64_t *pending);
  Status emit(int32_t output, const int32_t *ids, size_t count, plx_emitted *out);
  Status finishOutput(int32_t output, double score);
  Status testStop(const int32_t *ids, size_t count, plx_emitted *out);
  uint64_t random(uint32_t output, uint32_t position, uint32_t lane, uint32_t draw) const;
  Status argmax(plx_row row, const plx_place *place, int32_t *ids, size_t count);
  Status sample(plx_row row, const plx_place *place, int32_t *ids, size_t count);
  Status process(float *scores, size_t count, const plx_place *place, int32_t lastStage);
  Status distMake(plx_row row, const plx_place *place, plx_dist *out);
  Status distMix(plx_dist a, plx_dist b, double weight, plx_dist *out);
  Status distProb(plx_dist dist, int32_t id, double *out);
  Status distSample(plx_dist dist, const plx_place *place, int32_t *ids, size_t count);
  Status distResidual(plx_dist target, plx_dist draft, plx_dist *out);
  Status distDrop(plx_dist dist);
  Status tokenBytes(int32_t id, char *bytes, size_t capacity, size_t *size);
  Status encode(plx_str text, int32_t addSpecial, int32_t *ids, size_t capacity, size_t *size);
  Status decode(const int32_t *ids, size_t count, int32_t skipSpecial, char *text, size_t capacity,
                size_t *size);
  Status specialId(plx_str name, int32_t *out);
  Status modelInfo(int32_t model, plx_model_info *out);
  bool hasCapability(int32_t model, std::string_view id) const;
  Status optionSet(int32_t model, plx_str key, plx_str value);
  Status counterAdd(plx_str name, int64_t amount);
  Status resultHold(plx_result_id id) { return results_.hold(id); }
  Status resultDrop(plx_result_id id) { return results_.drop(id); }
  Status callFunction(plx_str function, const plx_chain *arguments);
  /// Host functions may be called: the strategy is being created or resumed.
  bool inStrategy() const { return inStrategy_; }

private:
  using Clock = std::chrono::steady_clock;
  struct SequenceSlot {
    plx_seq handle;
    EngineModel *model;
    SequenceId id;
  };
  struct SnapshotSlot {
    plx_snapshot handle;
    EngineModel *model;
    SnapshotId id;
  };
  struct Place {
    Output *output;
    NoisePlace noise;
    std::span<const int32_t> path;
  };

  GenerationRun(GenerationOptions options, const EngineLimits &limits, ChoiceScratch &scratch);
  Status checkInputs() const;
  Status setUp(PluginHost &host);
  Status makeSamplers(PluginHost &host, const Provision &strategy);
  Status makeStrategy(const Provider &provider);
  Status readStep(const plx_step &step);
  Status checkProgress();

  Expected<EngineModel *> model(int32_t index, std::string_view function) const;
  Expected<SequenceSlot *> sequence(plx_seq handle, std::string_view function);
  Expected<SnapshotSlot *> snapshotSlot(plx_snapshot handle, std::string_view function);
  Expected<Output *> output(int32_t index);
  Expected<Place> readPlace(const plx_place *place);
  Expected<Distribution *> dist(plx_dist handle, std::string_view function);
  Distribution &newDist(plx_dist &handle);
  Expected<const TextCodec *> codec(std::string_view function) const;
  plx_candidates loadCandidates(std::span<const float> scores, const Place &place);
  /// The processed scores of a row: candidates in the scratch.
  Expected<plx_candidates> candidates(plx_row row, const Place &place, int32_t lastStage,
                                      std::string_view function);
  Status noTokenLeft(const Place &place) const;
  void deliver(std::span<const int32_t> ids, std::string_view text);

  GenerationOptions options_;
  EngineLimits limits_;
  ChoiceScratch &scratch_;
  std::string name_;
  std::vector<EngineModel *> models_; ///< The target, then the drafts.
  StopRules rules_;
  SamplerChain chain_; ///< As behind the prompt; outputs start from copies.
  std::vector<std::unique_ptr<Output>> outputs_;
  std::string piece_;

  std::shared_ptr<LoadedPlugin> plugin_;
  plx_strategy strategy_ = {};
  std::vector<ReadRequest> requests_;
  std::vector<EngineModel *> requestModels_;
  std::vector<ForwardOutcome> outcomes_;
  size_t requestCount_ = 0;
  ResultTable results_;
  bool inStrategy_ = false;

  std::vector<SequenceSlot> sequences_;
  std::vector<SnapshotSlot> snapshots_;
  std::vector<std::pair<plx_dist, std::unique_ptr<Distribution>>> dists_;
  std::vector<std::unique_ptr<Distribution>> freeDists_;
  uint64_t nextHandle_ = 1;
  std::vector<std::pair<std::string, int64_t>> counters_;

  Status status_;
  Clock::time_point started_ = Clock::now(), firstToken_;
  bool hasFirstToken_ = false;
  int64_t steps_ = 0, stepsSinceEmit_ = 0;
};

/// The table of host functions; plx_generation is a GenerationRun.
const plx_generation_api &generationApi();

} // namespace plexus
