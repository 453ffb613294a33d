// The queue of the engine thread.
#include "runtime/exec/EngineThread.h"

#include "runtime/threads/ThreadPool.h"

#include <memory>

namespace plexus {
namespace {

struct OwnedTask final : EngineTask {
  explicit OwnedTask(std::function<void()> f) : fn(std::move(f)) {}
  void run() override {
    std::unique_ptr<OwnedTask> self(this);
    fn();
  }
  std::function<void()> fn;
};

} // namespace

EngineThread::EngineThread() : thread_([this] { loop(); }) {}

EngineThread::~EngineThread() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

EngineThread &EngineThread::shared() {
  ThreadPool::shared(); // Made first, so that it outlives the thread's last task.
  static EngineThread thread;
  return thread;
}

bool EngineThread::onThread() const { return std::this_thread::get_id() == thread_.get_id(); }

bool EngineThread::idle() const {
  std::lock_guard lock(mutex_);
  return first_ == nullptr;
}

void EngineThread::post(EngineTask &task) {
  {
    std::lock_guard lock(mutex_);
    task.next_ = nullptr;
    (first_ ? last_->next_ : first_) = &task;
    last_ = &task;
  }
  wake_.notify_one();
}

void EngineThread::post(std::function<void()> fn) { post(*new OwnedTask(std::move(fn))); }

void EngineThread::loop() {
  ThreadPool::shared().pinCallingThread();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return first_ || stopping_; });
    if (!first_)
      return;
    EngineTask *task = first_;
    first_ = task->next_;
    lock.unlock();
    task->run();
    lock.lock();
  }
}

} // namespace plexus
