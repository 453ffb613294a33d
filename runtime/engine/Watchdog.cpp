#include "runtime/engine/Watchdog.h"

namespace plexus {

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void Watchdog::begin(const std::function<void(double)> &onBlocked) {
  std::lock_guard lock(mutex_);
  if (!thread_.joinable())
    thread_ = std::thread([this] { loop(); });
  onBlocked_ = &onBlocked;
  since_ = Clock::now();
}

void Watchdog::end() {
  std::lock_guard lock(mutex_);
  onBlocked_ = nullptr;
}

void Watchdog::loop() {
  std::unique_lock lock(mutex_);
  // It wakes a few times per limit instead of being woken by each call: a step costs two locks, not
  // a system call.
  while (!wake_.wait_for(lock, limit_ / 4, [this] { return stopping_; })) {
    if (!onBlocked_ || Clock::now() - since_ < limit_)
      continue;
    (*onBlocked_)(std::chrono::duration<double>(Clock::now() - since_).count());
    onBlocked_ = nullptr;
  }
}

} // namespace plexus
