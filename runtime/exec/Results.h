// Where results live, and how rows are reduced to what was wanted of them.
#pragma once

#include "runtime/exec/Forward.h"
#include "runtime/program/Program.h"

#include <mutex>

namespace plexus {

/// Results of one session, used again. Lives until the session has closed it and the last Result
/// was dropped.
class ResultPool {
public:
  static ResultPool *create() { return new ResultPool(); }
  /// A Result without references whose storage may hold anything.
  Result *take();
  void giveBack(Result *result);
  /// The session is gone.
  void close();

private:
  ResultPool() = default;
  ~ResultPool();
  std::mutex mutex_;
  Result *free_ = nullptr;
  int64_t live_ = 0;
  bool closed_ = false;
};

/// Fills a Result row by row.
class ResultWriter {
public:
  /// Lays out room for `rows[i]` rows of wants[i], whose whole row has `widths[i]` elements.
  static void layOut(Result &result, std::span<const Want> wants, std::span<const int64_t> rows,
                     std::span<const int64_t> widths);
  /// Writes row `row` of the result's want from `elements` of `dtype`, `width` of them.
  static void write(Result &result, size_t index, const Want &want, int64_t row, DType dtype,
                    const void *elements, int64_t width);
};

} // namespace plexus
