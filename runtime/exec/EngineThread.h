// The one thread on which all compute runs: others hand it work.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>

namespace plexus {

/// Work for the engine thread, linked into its queue without allocation. The task lives until its
/// run() was entered; run() may destroy it.
class EngineTask {
public:
  virtual ~EngineTask() = default;
  virtual void run() = 0;

private:
  friend class EngineThread;
  EngineTask *next_ = nullptr;
};

/// A queue and the thread that empties it, first in first out. libgomp keeps one team for each
/// calling thread, so that a process should have one engine thread: shared() is the one that the
/// library uses; a test may make its own. Tasks throw nothing.
class EngineThread {
public:
  EngineThread();
  /// Runs what is queued, then stops. Not from the thread itself.
  ~EngineThread();
  EngineThread(const EngineThread &) = delete;
  EngineThread &operator=(const EngineThread &) = delete;

  static EngineThread &shared();

  bool onThread() const;
  /// Queues a task and returns; from any thread, the engine's included.
  void post(EngineTask &task);
  /// Queues fn and returns.
  void post(std::function<void()> fn);
  /// Runs fn on the thread and returns what it returned; at once when this is the thread.
  template <typename Fn>
  std::invoke_result_t<Fn &> run(Fn &&fn) {
    using Result = std::invoke_result_t<Fn &>;
    if constexpr (std::is_void_v<Result>) {
      runThere(fn);
    } else {
      std::optional<Result> result;
      runThere([&] { result.emplace(fn()); });
      return *std::move(result);
    }
  }
  /// True when nothing is queued: what a long task asks to see whether others wait.
  bool idle() const;

private:
  template <typename Fn>
  void runThere(Fn &&fn) {
    if (onThread())
      return fn();
    struct Waiting final : EngineTask {
      explicit Waiting(Fn &f) : fn(f) {}
      void run() override {
        fn();
        std::lock_guard lock(mutex);
        done = true;
        finished.notify_one();
      }
      Fn &fn;
      std::mutex mutex;
      std::condition_variable finished;
      bool done = false;
    } task(fn);
    post(task);
    std::unique_lock lock(task.mutex);
    task.finished.wait(lock, [&] { return task.done; });
  }
  void loop();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  EngineTask *first_ = nullptr;
  EngineTask *last_ = nullptr;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace plexus
