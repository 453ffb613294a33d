// The read loop, and oneDNN's peaks under the pool's number of threads.
#include "runtime/profile/Ceilings.h"

#include "runtime/onednn/Peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <immintrin.h>
#include <vector>

namespace plexus {
namespace {

constexpr int kPasses = 5;
/// What one body call reads: pages of its own, so that threads do not share the prefetchers'
/// streams.
constexpr int64_t kBlock = int64_t(1) << 20;

__attribute__((target("avx2"))) int64_t readBlock(const char *data, int64_t size) {
  __m256i sums[4] = {};
  for (int64_t i = 0; i < size; i += 128) {
    _mm_prefetch(data + i + 4096, _MM_HINT_T0);
    _mm_prefetch(data + i + 4096 + 64, _MM_HINT_T0);
    for (int j = 0; j < 4; ++j)
      sums[j] = _mm256_add_epi64(
          sums[j], _mm256_load_si256(reinterpret_cast<const __m256i *>(data + i) + j));
  }
  sums[0] =
      _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  return _mm256_extract_epi64(sums[0], 0);
}

struct alignas(128) Line {
  char bytes[128];
};

struct Reading {
  const char *data;
  volatile int64_t sum = 0; ///< Keeps the loop.
};

void readBlocks(void *context, int64_t begin, int64_t end) {
  auto *reading = static_cast<Reading *>(context);
  int64_t sum = 0;
  for (int64_t block = begin; block < end; ++block)
    sum += readBlock(reading->data + block * kBlock, kBlock);
  reading->sum = sum;
}

} // namespace

double Ceilings::product() const { return std::max({f32.value_or(0), bf16.value_or(0)}); }

double readRate(ThreadPool &pool, size_t bytes) {
  // Reads run past the end by the prefetch distance only, which touches nothing.
  std::vector<Line> buffer(bytes / sizeof(Line));
  std::memset(static_cast<void *>(buffer.data()), 1, buffer.size() * sizeof(Line));
  Reading reading{reinterpret_cast<const char *>(buffer.data())};
  const int64_t blocks = static_cast<int64_t>(bytes) / kBlock;
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    pool.parallelFor(readBlocks, &reading, blocks, 1);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(blocks * kBlock) / took.count());
  }
  return best;
}

Ceilings measureCeilings(ThreadPool &pool) {
  pool.applyToCallingThread();
  Ceilings out;
  out.readBytes = readRate(pool);
  out.f32 = matmulPeak(PeakType::F32);
  out.bf16 = matmulPeak(PeakType::Bf16);
  out.u8s8 = matmulPeak(PeakType::U8S8);
  return out;
}

} // namespace plexus
