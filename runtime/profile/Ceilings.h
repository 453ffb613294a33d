// What this machine can do at most: how fast it reads memory and multiplies matrices.
#pragma once

#include "runtime/threads/ThreadPool.h"

#include <optional>

namespace plexus {

struct Ceilings {
  double readBytes = 0;                  ///< Bytes a second, read from memory by all threads.
  std::optional<double> f32, bf16, u8s8; ///< oneDNN's products (Peak.h), operations a second.
  /// The fastest known product of activations that are not quantized.
  double product() const;
};

/// Bytes a second of a loop that reads `bytes` (far more than the caches hold) and does nothing
/// else: the best of a few passes.
double readRate(ThreadPool &pool, size_t bytes = size_t(256) << 20);

/// Measures all of it, in about a second. Call on the thread that runs models.
Ceilings measureCeilings(ThreadPool &pool);

} // namespace plexus
