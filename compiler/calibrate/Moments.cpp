// Blocks of rows of the sums stay in the cache while the samples stream by.
#include "compiler/calibrate/Moments.h"

#include <algorithm>
#include <thread>

namespace plexus::compiler {

constexpr int64_t kBlock = 8; ///< Rows of the sums that one thread takes at a time.

/// sums[i][j] += sum over four rows of x: each sum is loaded and stored once for them.
static void addFour(float *to, const float *x, int64_t depth, int64_t i) {
  const float *a = x, *b = x + depth, *c = x + 2 * depth, *d = x + 3 * depth;
  float fa = a[i], fb = b[i], fc = c[i], fd = d[i];
  for (int64_t j = i; j < depth; ++j)
    to[j] += (fa * a[j] + fb * b[j]) + (fc * c[j] + fd * d[j]);
}

/// sums[i][j] += x[t][i] x[t][j] for i of one block, j >= i.
static void addBlock(float *sums, const float *x, int64_t rows, int64_t depth, int64_t begin) {
  int64_t end = std::min(begin + kBlock, depth), t = 0;
  for (; t + 4 <= rows; t += 4)
    for (int64_t i = begin; i < end; ++i)
      addFour(sums + i * depth, x + t * depth, depth, i);
  for (; t < rows; ++t) {
    const float *row = x + t * depth;
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = i; j < depth; ++j)
        sums[i * depth + j] += row[i] * row[j];
  }
}

void Moments::add(const float *x, int64_t rows, int threads) {
  auto work = [&](int64_t first) {
    for (int64_t begin = first * kBlock; begin < depth_; begin += threads * kBlock)
      addBlock(sums_.data(), x, rows, depth_, begin);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i)
    others.emplace_back(work, i);
  work(0);
  for (std::thread &thread : others)
    thread.join();
  rows_ += rows;
}

std::vector<float> Moments::meanSquares() const {
  std::vector<float> out(static_cast<size_t>(depth_));
  for (int64_t k = 0; k < depth_; ++k)
    out[k] = sums_[k * depth_ + k] / static_cast<float>(std::max<int64_t>(rows_, 1));
  return out;
}

std::vector<float> Moments::mean() const {
  std::vector<float> out(sums_.size());
  float scale = 1 / static_cast<float>(std::max<int64_t>(rows_, 1));
  for (int64_t i = 0; i < depth_; ++i)
    for (int64_t j = 0; j < depth_; ++j)
      out[i * depth_ + j] = sums_[std::min(i, j) * depth_ + std::max(i, j)] * scale;
  return out;
}

} // namespace plexus::compiler
