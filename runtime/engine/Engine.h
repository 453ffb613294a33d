// The generation engine: steps many strategies at once on the engine thread, merging what they ask
// for into one ragged batch for each model.
#pragma once

#include "runtime/engine/GenerationRun.h"
#include "runtime/engine/Watchdog.h"
#include "runtime/exec/EngineThread.h"

#include <condition_variable>
#include <mutex>
#include <optional>

namespace plexus {

/// A generation as its caller sees it. All functions may be called from any thread but the
/// engine's.
class GenerationHandle {
public:
  /// Asks it to end; what was emitted stays. Takes effect when the running batch is done.
  void cancel() { cancelled_ = true; }
  /// Waits until it is over. The result is handed out once.
  GenerationResult wait();
  /// Waits at most so long; true when it is over.
  bool waitFor(std::chrono::milliseconds time);

private:
  friend class Engine;
  /// Stores the result, if there is none yet, and wakes whoever waits.
  void complete(GenerationResult result);

  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable over_;
  bool isOver_ = false;
  GenerationResult result_;
  std::mutex callback_; ///< Held while the caller's onPiece runs.
  GenerationOptions options_;
};

struct EngineOptions {
  EngineLimits limits;
  /// Receives what a person should know: a strategy that blocks. Empty: stderr. Any thread.
  std::function<void(std::string_view message)> report;
};

/// All functions may be called from any thread but the engine's.
class Engine {
public:
  /// Host and thread must outlive the engine.
  Engine(PluginHost &host, EngineThread &thread, EngineOptions options = {});
  /// Cancels what runs and waits for it.
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  /// Queues a generation; what is wrong with it comes with its result.
  std::shared_ptr<GenerationHandle> start(GenerationOptions options);
  /// start and wait.
  GenerationResult generate(GenerationOptions options) { return start(std::move(options))->wait(); }

private:
  struct Active {
    std::shared_ptr<GenerationHandle> handle;
    std::unique_ptr<GenerationRun> run;
    size_t done = 0;         ///< Rows of a long request that were run already.
    int64_t startLength = 0; ///< Its sequence's length before them.
    bool waiting = false;    ///< In the middle of a long request.
    std::function<void(double)> onBlocked;
  };
  struct Pump final : EngineTask {
    explicit Pump(Engine &e) : engine(e) {}
    void run() override;
    Engine &engine;
  };

  void pump();
  void admit();
  void step();
  bool advance(Active &active);
  void gather(Active &active);
  ForwardRequest nextSlice(Active &active, const ForwardRequest &whole);
  void runBatches();
  void answer(Active &active, size_t request, ForwardOutcome outcome);
  void blocked(const std::shared_ptr<GenerationHandle> &handle, const std::string &name,
               double seconds);

  PluginHost &host_;
  EngineThread &thread_;
  EngineOptions options_;
  Watchdog watchdog_;
  Pump pump_{*this};
  ChoiceScratch scratch_;

  std::mutex mutex_; ///< Guards inbox_, scheduled_ and closing_.
  std::vector<std::shared_ptr<GenerationHandle>> inbox_;
  bool scheduled_ = false; ///< pump_ is in the thread's queue.
  std::atomic<bool> closing_ = false;

  std::vector<std::unique_ptr<Active>> active_; ///< The engine thread's.
  std::vector<EngineModel *> batches_;          ///< Models with requests in this step.
};

} // namespace plexus
