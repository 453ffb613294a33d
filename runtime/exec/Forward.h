// What a user of a model asks of one run, and what comes back: the engine-side form of a forward
// request of the strategy protocol.
#pragma once

#include "runtime/support/Status.h"

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace plexus {

/// A sequence of one Session. Ids of closed sequences are not used again, so that a stale one is
/// refused instead of meaning another sequence.
enum class SequenceId : uint64_t { None = 0 };
enum class SnapshotId : uint64_t { None = 0 };

/// What becomes of the rows that a request runs.
enum class RowMode : uint8_t {
  Append,  ///< Committed at once; refused while the sequence has pending rows.
  Draft,   ///< Left pending: visible to later requests through `parents`, until commit or truncate.
  Scratch, ///< No trace in any state; the rows see the committed and pending rows and each other.
};

/// Where a wanted value is read.
enum class Source : uint8_t {
  Logits, ///< The schedule's output "logits", [rows, vocabulary].
  Hidden, ///< Rows crossing a layer boundary: layer l in [0, L) is the input of layer l, L what the
          ///< final norm reads; -1 is "last_hidden_state", after the final norm. [rows, hidden].
  Tap,    ///< A tap `name` ("mlp.out") of layer `layer`.
  Output, ///< Any other output of the schedule by `name` ("pooler_output"); one row for a sequence
          ///< where the output has one.
};

/// Which of the request's rows.
enum class RowSet : uint8_t { Last, All, Listed };

/// How much of each row comes back.
enum class Reduce : uint8_t {
  Full,     ///< Wanted::data: the whole row.
  TopK,     ///< The k largest, descending, ties by lower id; with logSumExp of the whole row.
  LogProbs, ///< values[i] = row[ids[i]] - logSumExp(row).
};

struct Want {
  Source source = Source::Logits;
  int32_t layer = -1;    ///< Hidden and Tap only.
  std::string_view name; ///< Tap and Output only.
  RowSet rows = RowSet::Last;
  std::span<const int32_t> listed; ///< RowSet::Listed: row indices of the request, ascending.
  Reduce reduce = Reduce::Full;
  int32_t k = 0;                ///< Reduce::TopK; at most the row's width.
  std::span<const int32_t> ids; ///< Reduce::LogProbs.
};

/// Bits of ForwardRequest::skip, one byte for each layer.
enum SkipBits : uint8_t { SkipNone = 0, SkipAttention = 1, SkipFfn = 2, SkipBoth = 3 };

/// Bits of ForwardRequest::flags.
enum ForwardFlags : uint32_t {
  NoChunk = 1, ///< All rows in one run, however many they are.
};

/// Rows of one sequence to run. All spans are borrowed until forward() returns.
struct ForwardRequest {
  SequenceId sequence = SequenceId::None;
  /// [n] token ids, n >= 1. With `hidden`, empty.
  std::span<const int32_t> ids;
  /// Rows that enter at the boundary of layer `layerBegin` instead of tokens: n x hidden_size f32,
  /// as Source::Hidden gave them.
  std::span<const float> hidden;
  /// [n] or empty. -1: follows the last committed row; j: follows the j-th pending row, counted
  /// from the first pending row of the sequence, earlier requests' rows first, then this request's
  /// own (so row i of this request is number pending + i). A row sees its ancestors and all
  /// committed rows. Empty: a chain that begins at the newest row, pending ones included.
  std::span<const int32_t> parents;
  /// Every row of the request sees every other (encoders, infilling). Excludes `parents` and
  /// chunks.
  bool bidirectional = false;
  /// [n] or empty: positions for rope and learned positions. Default: committed rows + depth below
  /// them.
  std::span<const int32_t> positions;
  /// [n] or empty: token type ids, default 0.
  std::span<const int32_t> tokenTypes;
  RowMode mode = RowMode::Append;
  /// Layers [layerBegin, layerEnd); layerEnd -1 means all. [0, 0) embeds; [L, L) is final norm and
  /// head on `hidden`. layerBegin > 0 needs `hidden`; layerEnd < L gives no output behind it.
  int32_t layerBegin = 0;
  int32_t layerEnd = -1;
  /// [L] SkipBits or empty. A skipped part hands its residual on unchanged and writes no state.
  std::span<const uint8_t> skip;
  /// With `hidden` and layerBegin > 0: the pending rows (numbers as in `parents`) that enter again;
  /// they keep their position and parent, and only layers [layerBegin, layerEnd) are written.
  std::span<const int32_t> reenter;
  std::span<const Want> wants;
  uint32_t flags = 0;
};

/// The answer to one Want. Everything lives as long as the Result.
struct Wanted {
  int64_t rows = 0;
  int64_t width = 0;                ///< Elements of a row; k for TopK, ids.size() for LogProbs.
  const float *data = nullptr;      ///< Full: [rows, width].
  const int32_t *ids = nullptr;     ///< TopK: [rows, width].
  const float *values = nullptr;    ///< TopK and LogProbs: [rows, width].
  const float *logSumExp = nullptr; ///< TopK and LogProbs: [rows], natural logarithm.
  std::span<const float> row(int64_t r) const {
    return {data + r * width, static_cast<size_t>(width)};
  }
};

class ResultPool;

/// The answer to one request: one Wanted for each Want, in order. Counted references; the storage
/// goes back to the session's pool with the last one and is used again. References may be dropped
/// on any thread, also after the session is gone.
class Result {
public:
  const std::vector<Wanted> &wanted() const { return wanted_; }

private:
  friend class ResultPool;
  friend class ResultRef;
  friend class ResultWriter;
  std::atomic<uint32_t> references_{0};
  ResultPool *pool_ = nullptr;
  Result *nextFree_ = nullptr;
  std::vector<Wanted> wanted_;
  std::vector<float> floats_;
  std::vector<int32_t> ints_;
};

/// Shared ownership of a Result.
class ResultRef {
public:
  ResultRef() = default;
  explicit ResultRef(Result *result) : result_(result) { retain(); }
  ResultRef(const ResultRef &other) : result_(other.result_) { retain(); }
  ResultRef(ResultRef &&other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  ResultRef &operator=(ResultRef other) noexcept {
    std::swap(result_, other.result_);
    return *this;
  }
  ~ResultRef() { release(); }
  explicit operator bool() const { return result_ != nullptr; }
  const Wanted &operator[](size_t want) const { return result_->wanted_[want]; }
  size_t size() const { return result_ ? result_->wanted_.size() : 0; }

private:
  void retain() {
    if (result_)
      result_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  void release();
  Result *result_ = nullptr;
};

/// What became of one request. A failed request leaves its sequence as it was.
struct ForwardOutcome {
  Status status;
  ResultRef result;
};

} // namespace plexus
