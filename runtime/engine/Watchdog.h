// Notices a strategy that does not come back, and says its name.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace plexus {

/// Watches one call at a time, from a thread of its own.
class Watchdog {
public:
  explicit Watchdog(double seconds) : limit_(seconds) {}
  ~Watchdog();

  /// A call begins; `onBlocked` is called from the watching thread, once, if it lasts longer than
  /// the limit. It must outlive the call.
  void begin(const std::function<void(double seconds)> &onBlocked);
  /// The call came back. Waits for an onBlocked that is running.
  void end();

private:
  using Clock = std::chrono::steady_clock;
  void loop();

  const std::chrono::duration<double> limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  const std::function<void(double)> *onBlocked_ = nullptr;
  Clock::time_point since_;
  bool stopping_ = false;
  std::thread thread_; ///< Started with the first call.
};

} // namespace plexus
