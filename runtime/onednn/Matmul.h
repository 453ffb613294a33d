// Products with packed weights for many rows: the one place that knows oneDNN.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/support/Status.h"
#include "runtime/threads/ThreadPool.h"

#include <memory>
#include <string>

namespace plexus {

/// Runs plx_matmul. A run-time M sends oneDNN to its reference code, so that M is cut into buckets
/// of fixed sizes, the last one padded; primitives are cached by bucket, N, K, layout and compute
/// type. Where oneDNN has no fast code for the packed layout (below AVX-512), panels of columns are
/// unpacked to f32 and multiplied as plain matrices. Once the sizes of a model have been seen,
/// run() makes no heap allocation. Not for several threads at once.
class MatmulEngine {
public:
  /// `acceptReference`: take oneDNN's reference code for fast code, so that the direct path can be
  /// tested on every machine.
  explicit MatmulEngine(ThreadPool &pool, bool acceptReference = false);
  ~MatmulEngine();
  MatmulEngine(const MatmulEngine &) = delete;
  MatmulEngine &operator=(const MatmulEngine &) = delete;

  /// 0 or a plx status code; the reason is in lastError().
  int32_t run(const plx_matmul &args);
  const std::string &lastError() const { return lastError_; }

  /// How a product runs, for reports and tests: "oneDNN brg:avx512_core, packed weights", "oneDNN
  /// jit:gemm:jit over unpacked panels of 128 columns (no fast code for the packed layout)".
  Expected<std::string> describe(int64_t m, int64_t n, int64_t k, int32_t layout, int32_t compute);

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string lastError_;
};

/// Whether oneDNN multiplies bf16 on a matrix unit here (AMX).
bool hasMatrixUnit();

} // namespace plexus
