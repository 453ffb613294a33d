// parallelFor on libgomp through the entry points that compilers call for `#pragma omp parallel`.
//
// Calling them directly instead of using the pragma keeps the choice of runtime out of the hands of
// the compiler: clang would emit calls into libomp, and two OpenMP runtimes in one process fight
// over the cores (oneDNN's build is bound to libgomp).
#include "runtime/threads/ThreadPool.h"

#include "runtime/threads/CpuTopology.h"

#include <algorithm>
#include <cstdlib>
#include <sched.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PLEXUS_STD_THREADS 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(PLEXUS_TSAN)
#define PLEXUS_STD_THREADS 1
#endif

#ifdef PLEXUS_STD_THREADS
#include <condition_variable>
#include <mutex>
#include <thread>
#endif

extern "C" {
void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num();
int omp_get_num_threads();
void omp_set_num_threads(int);
}

namespace plexus {

struct ThreadPool::Job {
  const ThreadPool *pool;
  Body body;
  void *ctx;
  int64_t n;
  int64_t parts;
  /// Part `part` of the `parts` that there are in fact; sizes differ by one at most.
  void run(int64_t part, int64_t count) const {
    int64_t begin = n / count * part + std::min<int64_t>(part, n % count);
    int64_t size = n / count + (part < n % count ? 1 : 0);
    if (size > 0)
      body(ctx, begin, begin + size);
  }
};

namespace {

constexpr int kMaxThreads = 1024;

/// A positive number in the environment variable, or 0. OMP_NUM_THREADS may be a list: the first.
int threadsFrom(const char *variable) {
  const char *text = std::getenv(variable);
  if (!text)
    return 0;
  long n = std::strtol(text, nullptr, 10);
  return n > 0 ? static_cast<int>(std::min<long>(n, kMaxThreads)) : 0;
}

} // namespace

void ThreadPool::setThreads(int threads) {
  if (threads <= 0)
    threads = threadsFrom("PLEXUS_NUM_THREADS");
  if (threads <= 0)
    threads = threadsFrom("OMP_NUM_THREADS");
  if (threads <= 0)
    threads = static_cast<int>(cores_.size());
  threads_.store(std::clamp(threads, 1, kMaxThreads), std::memory_order_relaxed);
}

ThreadPool &ThreadPool::shared() {
  static ThreadPool pool;
  return pool;
}

bool ThreadPool::pins() const {
  return mayPin_ && cores_.size() > 1 && threads() == static_cast<int>(cores_.size());
}

void ThreadPool::pin(int worker) const {
  thread_local int pinnedTo = -1;
  int core = cores_[worker % cores_.size()];
  if (pinnedTo == core)
    return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof(set), &set); // Binding only helps speed: a refusal changes nothing.
  pinnedTo = core;
}

void ThreadPool::pinCallingThread() const {
  if (pins())
    pin(0);
}

void ThreadPool::parallelFor(Body body, void *ctx, int64_t n, int64_t grain) {
  if (n <= 0)
    return;
  int64_t parts = std::min<int64_t>(threads(), n / std::max<int64_t>(grain, 1));
  if (parts <= 1)
    return body(ctx, 0, n);
  Job job{this, body, ctx, n, parts};
#ifdef PLEXUS_STD_THREADS
  runParts(job);
#else
  GOMP_parallel(runPart, &job, static_cast<unsigned>(parts), 0);
#endif
}

void ThreadPool::runPart(void *data) {
  const Job &job = *static_cast<Job *>(data);
  int part = omp_get_thread_num();
  if (part > 0 && job.pool->pins())
    job.pool->pin(part);
  job.run(part, omp_get_num_threads());
}

#ifndef PLEXUS_STD_THREADS

struct ThreadPool::Workers {};

ThreadPool::ThreadPool(int threads) : cores_(physicalCores()) {
  mayPin_ = std::getenv("OMP_PROC_BIND") == nullptr;
  setThreads(threads);
}
ThreadPool::~ThreadPool() = default;

void ThreadPool::applyToCallingThread(int most) const {
  omp_set_num_threads(std::min(threads(), most));
}

#else

/// Threads that wait for the next job; a job is known by its number.
struct ThreadPool::Workers {
  std::mutex calls; ///< One parallelFor at a time.
  std::mutex mutex;
  std::condition_variable start, done;
  std::vector<std::thread> threads;
  const Job *job = nullptr;
  uint64_t number = 0;
  int64_t parts = 0, left = 0;
  bool stopping = false;

  void loop(int64_t part) {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      start.wait(lock, [&] { return stopping || (number != seen && part < parts); });
      if (stopping)
        return;
      seen = number;
      const Job *current = job;
      int64_t count = parts;
      lock.unlock();
      current->run(part, count);
      lock.lock();
      if (--left == 0)
        done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : cores_(physicalCores()), workers_(std::make_unique<Workers>()) {
  setThreads(threads);
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(workers_->mutex);
    workers_->stopping = true;
  }
  workers_->start.notify_all();
  for (std::thread &thread : workers_->threads)
    thread.join();
}

void ThreadPool::runParts(Job &job) {
  Workers &w = *workers_;
  std::lock_guard call(w.calls);
  int64_t parts = job.parts;
  {
    std::lock_guard lock(w.mutex);
    while (static_cast<int64_t>(w.threads.size()) < parts - 1) {
      int64_t part = static_cast<int64_t>(w.threads.size()) + 1;
      w.threads.emplace_back([&w, part] { w.loop(part); });
    }
    w.job = &job;
    w.parts = parts;
    w.left = parts - 1;
    ++w.number;
  }
  w.start.notify_all();
  job.run(0, parts);
  std::unique_lock lock(w.mutex);
  w.done.wait(lock, [&] { return w.left == 0; });
}

void ThreadPool::applyToCallingThread(int) const { omp_set_num_threads(1); }

#endif

} // namespace plexus
