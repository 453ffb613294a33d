// The one way in which Plexus uses several cores: parallelFor over a range, on libgomp's threads.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>
#include <memory>
#include <vector>

namespace plexus {

/// Splits ranges over libgomp's team of the calling thread, which oneDNN uses as well; under the
/// thread sanitizer, which does not understand libgomp's synchronisation, over std::threads.
class ThreadPool {
public:
  using Body = void (*)(void *ctx, int64_t begin, int64_t end);

  /// 0 threads: PLEXUS_NUM_THREADS, else OMP_NUM_THREADS, else one for each physical core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// The pool that sessions use unless told otherwise.
  static ThreadPool &shared();

  int threads() const { return threads_.load(std::memory_order_relaxed); }
  /// 1 .. 1024, or 0 for the default. Takes effect with the next parallelFor.
  void setThreads(int threads);

  /// Calls body(ctx, begin, end) over disjoint ranges that cover [0, n), at most one for each
  /// thread and, where n allows it, each of at least `grain` items; returns when all are done.
  /// Inline when n <= grain. Bodies do not call parallelFor.
  void parallelFor(Body body, void *ctx, int64_t n, int64_t grain);

  /// Tells libgomp's other users on the calling thread (oneDNN) this pool's thread count, or `most`
  /// where that is less.
  void applyToCallingThread(int most = INT_MAX) const;
  /// Binds the calling thread to the first core, if the pool binds its threads: it does when it
  /// has a thread for every core and OMP_PROC_BIND leaves the choice to us.
  void pinCallingThread() const;

private:
  struct Job;
  static void runPart(void *job);
  void runParts(Job &job);
  bool pins() const;
  void pin(int worker) const;

  std::atomic<int> threads_{1};
  std::vector<int> cores_;
  bool mayPin_ = false;
  struct Workers; ///< std::thread build only.
  std::unique_ptr<Workers> workers_;
};

} // namespace plexus
