// The pool's free list; top-k by a heap of k; log-sum-exp in one pass after the maximum.
#include "runtime/exec/Results.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace plexus {

void ResultRef::release() {
  if (result_ && result_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
    result_->pool_->giveBack(result_);
  result_ = nullptr;
}

Result *ResultPool::take() {
  std::lock_guard lock(mutex_);
  ++live_;
  Result *result = free_;
  if (result)
    free_ = result->nextFree_;
  else
    result = new Result();
  result->pool_ = this;
  return result;
}

void ResultPool::giveBack(Result *result) {
  bool last;
  {
    std::lock_guard lock(mutex_);
    result->nextFree_ = free_;
    free_ = result;
    last = --live_ == 0 && closed_;
  }
  if (last)
    delete this;
}

void ResultPool::close() {
  bool last;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    last = live_ == 0;
  }
  if (last)
    delete this;
}

ResultPool::~ResultPool() {
  while (free_) {
    Result *result = free_;
    free_ = result->nextFree_;
    delete result;
  }
}

namespace {

int64_t resultWidth(const Want &want, int64_t width) {
  switch (want.reduce) {
  case Reduce::Full:
    return width;
  case Reduce::TopK:
    return want.k;
  case Reduce::LogProbs:
    return static_cast<int64_t>(want.ids.size());
  }
  return 0;
}

/// e^x for x <= 0 to 2 ulp, in operations that vectorise: 2^n times a polynomial in the rest
/// (Cephes' expf).
inline float expOfNegative(float x) {
  x = std::max(x, -87.0f);
  int32_t n = static_cast<int32_t>(x * 1.44269504f - 0.5f); // Rounds, for x is not positive.
  float rest = x - static_cast<float>(n) * 0.693359375f + static_cast<float>(n) * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  for (float c :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = p * rest + c;
  p = p * rest * rest + rest + 1.0f;
  return std::bit_cast<float>(std::bit_cast<int32_t>(p) + n * (1 << 23));
}

/// Lanes that are summed apart, so that a loop over them is one of vectors.
constexpr int64_t kLanes = 16;

float logSumExp(const float *row, int64_t width) {
  float most = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < width; ++i)
    most = std::max(most, row[i]);
  if (!std::isfinite(most))
    return most;
  double sum = 0;
  constexpr int64_t kBlock = 32 * kLanes; // Short enough for float sums.
  for (int64_t begin = 0; begin < width; begin += kBlock) {
    int64_t end = std::min(begin + kBlock, width), i = begin;
    float lanes[kLanes] = {};
    for (; i + kLanes <= end; i += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane)
        lanes[lane] += expOfNegative(row[i + lane] - most);
    for (; i < end; ++i)
      lanes[0] += expOfNegative(row[i] - most);
    for (float lane : lanes)
      sum += lane;
  }
  return most + static_cast<float>(std::log(sum));
}

/// ids and values [k] of the largest elements, descending, ties by lower id. NaN counts as lowest.
void topK(const float *row, int64_t width, int32_t k, int32_t *ids, float *values) {
  auto key = [&](int32_t id) {
    return std::isnan(row[id]) ? -std::numeric_limits<float>::infinity() : row[id];
  };
  auto better = [&](int32_t a, int32_t b) {
    float x = key(a), y = key(b);
    return x > y || (x == y && a < b);
  };
  for (int32_t i = 0; i < k; ++i)
    ids[i] = i;
  std::make_heap(ids, ids + k, better); // The worst of the k is in front.
  float worst = key(ids[0]);
  for (int32_t i = k; i < width; ++i) {
    if (!(row[i] > worst)) // Later ids lose ties.
      continue;
    std::pop_heap(ids, ids + k, better);
    ids[k - 1] = i;
    std::push_heap(ids, ids + k, better);
    worst = key(ids[0]);
  }
  std::sort_heap(ids, ids + k, better);
  for (int32_t i = 0; i < k; ++i)
    values[i] = row[ids[i]];
}

} // namespace

void ResultWriter::layOut(Result &result, std::span<const Want> wants,
                          std::span<const int64_t> rows, std::span<const int64_t> widths) {
  auto forEach = [&](auto place) {
    int64_t floats = 0, ints = 0;
    for (size_t i = 0; i < wants.size(); ++i) {
      bool reduced = wants[i].reduce != Reduce::Full;
      int64_t width = resultWidth(wants[i], widths[i]);
      place(i, width, reduced, floats, ints);
      floats += rows[i] * (width + (reduced ? 1 : 0));
      ints += wants[i].reduce == Reduce::TopK ? rows[i] * width : 0;
    }
    // Never shrunk: growing again would clear what is overwritten anyway.
    if (static_cast<int64_t>(result.floats_.size()) < floats)
      result.floats_.resize(static_cast<size_t>(floats));
    if (static_cast<int64_t>(result.ints_.size()) < ints)
      result.ints_.resize(static_cast<size_t>(ints));
  };
  forEach([](auto &&...) {});
  result.wanted_.assign(wants.size(), Wanted{});
  forEach([&](size_t i, int64_t width, bool reduced, int64_t floats, int64_t ints) {
    Wanted &wanted = result.wanted_[i];
    wanted.rows = rows[i];
    wanted.width = width;
    const float *base = result.floats_.data() + floats;
    wanted.data = reduced ? nullptr : base;
    wanted.values = reduced ? base : nullptr;
    wanted.logSumExp = reduced ? base + rows[i] * width : nullptr;
    wanted.ids = wants[i].reduce == Reduce::TopK ? result.ints_.data() + ints : nullptr;
  });
}

void ResultWriter::write(Result &result, size_t index, const Want &want, int64_t row, DType dtype,
                         const void *elements, int64_t width) {
  const Wanted &wanted = result.wanted_[index];
  // The views are const for readers; the storage behind them is this result's own.
  auto *data = const_cast<float *>(wanted.data);
  auto *values = const_cast<float *>(wanted.values);
  if (want.reduce == Reduce::Full) {
    toF32(dtype, elements, width, data + row * wanted.width);
    return;
  }
  const auto *logits = static_cast<const float *>(elements);
  float total = logSumExp(logits, width);
  const_cast<float *>(wanted.logSumExp)[row] = total;
  values += row * wanted.width;
  if (want.reduce == Reduce::TopK)
    return topK(logits, width, want.k, const_cast<int32_t *>(wanted.ids) + row * wanted.width,
                values);
  for (int64_t i = 0; i < wanted.width; ++i)
    values[i] = logits[want.ids[static_cast<size_t>(i)]] - total;
}

} // namespace plexus
