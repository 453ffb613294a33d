// Pieces of weights are claimed in order, converted in parallel, and written in order.
#include "compiler/pack/Packer.h"

#include "compiler/pack/Compensate.h"
#include "compiler/pack/KeptBlocks.h"
#include "compiler/pack/Layout.h"
#include "compiler/pack/Quantize.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace plexus::compiler {
namespace {

constexpr int64_t kPieceElements = 1 << 20; ///< f32 elements converted at a time: 4 MiB.
constexpr uint64_t kAlignment = 64;

/// A part of a weight whose bytes are contiguous. Dense: elements [first, first + count).
/// Packed: columns [column, column + columns) of rows [first, first + count), where `columns` is
/// less than all of them for one block of rows only.
struct Piece {
  size_t job;
  int64_t first, count;
  int64_t column, columns;
};

/// Cuts the jobs into pieces, in order.
class Pieces {
public:
  /// `wholeRows`: quantized weights are cut between rows alone.
  Pieces(const std::vector<PackJob> &jobs, bool wholeRows) : jobs_(jobs), wholeRows_(wholeRows) {}

  std::optional<Piece> next() {
    while (job_ < jobs_.size()) {
      const WeightInfo &w = jobs_[job_].info;
      auto piece = w.encoding == WeightEncoding::Packed ? nextPacked(w) : nextDense(w);
      if (piece)
        return piece;
      ++job_;
      first_ = column_ = 0;
    }
    return std::nullopt;
  }

private:
  std::optional<Piece> nextDense(const WeightInfo &w) {
    int64_t total = static_cast<int64_t>(w.bytes / dtypeSize(w.dtype));
    if (first_ >= total)
      return std::nullopt;
    Piece piece{job_, first_, std::min(kPieceElements, total - first_), 0, 0};
    first_ += piece.count;
    return piece;
  }

  std::optional<Piece> nextPacked(const WeightInfo &w) {
    int64_t rows = w.shape[0], depth = w.shape[1];
    if (first_ >= rows)
      return std::nullopt;
    int64_t blocks = std::max<int64_t>(1, kPieceElements / (kBlockRows * depth));
    // A multiple of any blockDepth and superblock. A scale for all columns needs all of them.
    bool whole = w.quantized && (w.quantized->group == 0 || wholeRows_);
    int64_t most = whole ? depth : std::max<int64_t>(kPieceElements / kBlockRows, 1);
    Piece piece{job_, first_, std::min(blocks * kBlockRows, rows - first_), column_,
                std::min(most, depth - column_)};
    column_ += piece.columns;
    if (column_ >= depth) {
      column_ = 0;
      first_ += piece.count;
    }
    return piece;
  }

  const std::vector<PackJob> &jobs_;
  const bool wholeRows_;
  size_t job_ = 0;
  int64_t first_ = 0, column_ = 0;
};

std::string describe(const WeightInfo &info) {
  std::string layer = info.layer < 0 ? "" : " of layer " + std::to_string(info.layer);
  return "weight '" + info.name + "'" + layer;
}

class Packer {
public:
  Packer(const std::vector<PackJob> &jobs, std::vector<Recipe> bound, WeightSink &sink,
         const PackOptions &options)
      : jobs_(jobs), bound_(std::move(bound)), pieces_(jobs, bool(options.guide)), sink_(sink),
        options_(options) {
    if (!jobs.empty())
      total_ = jobs.back().info.offset + jobs.back().info.bytes;
  }

  Status run() {
    std::vector<std::thread> others;
    for (int i = 1; i < options_.threads; ++i)
      others.emplace_back([this] { work(); });
    work();
    for (std::thread &thread : others)
      thread.join();
    return status_;
  }

private:
  void work() {
    std::vector<float> values;
    std::vector<uint8_t> bytes;
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!status_)
        return;
      auto piece = pieces_.next();
      if (!piece)
        return;
      uint64_t ticket = tickets_++;
      lock.unlock();
      Status status = convert(*piece, values, bytes);
      lock.lock();
      turn_.wait(lock, [&] { return written_ == ticket || !status_; });
      if (status_)
        status_ = status ? write(*piece, bytes) : status.at(describe(jobs_[piece->job].info));
      ++written_;
      turn_.notify_all();
    }
  }

  Status convert(const Piece &piece, std::vector<float> &values,
                 std::vector<uint8_t> &bytes) const {
    const WeightInfo &w = jobs_[piece.job].info;
    const Recipe &recipe = bound_[piece.job];
    if (w.encoding == WeightEncoding::Packed)
      return convertPacked(w, recipe, piece, values, bytes);
    values.resize(static_cast<size_t>(piece.count));
    bytes.resize(values.size() * dtypeSize(w.dtype));
    PLX_RETURN_IF_ERROR(evaluateRecipe(recipe, piece.first, piece.count, values.data()));
    scale(w, piece.first, 0, w.shape.empty() ? 1 : w.shape.back(), values);
    fromF32(w.dtype, values.data(), piece.count, bytes.data());
    return Status::ok();
  }

  /// Multiplies by the weight's factors: values are `width` columns from `column` on of each row,
  /// and values[0] is the `first` of them.
  void scale(const WeightInfo &w, int64_t first, int64_t column, int64_t width,
             std::vector<float> &values) const {
    const PackFactors *scaling = options_.factors ? options_.factors(w) : nullptr;
    if (!scaling)
      return;
    float offset = scaling->unitOffset ? 1 : 0;
    for (size_t i = 0; i < values.size(); ++i) {
      float factor = scaling->factors[column + (first + static_cast<int64_t>(i)) % width];
      values[i] = (values[i] + offset) * factor - offset;
    }
  }

  /// The piece as f32, [piece.count][piece.columns].
  static Status evaluatePiece(const Recipe &recipe, int64_t depth, const Piece &piece,
                              std::vector<float> &values) {
    values.resize(static_cast<size_t>(piece.count * piece.columns));
    if (piece.columns == depth)
      return evaluateRecipe(recipe, piece.first * depth, piece.count * depth, values.data());
    for (int64_t row = 0; row < piece.count; ++row)
      PLX_RETURN_IF_ERROR(evaluateRecipe(recipe, (piece.first + row) * depth + piece.column,
                                         piece.columns, values.data() + row * piece.columns));
    return Status::ok();
  }

  Status convertPacked(const WeightInfo &w, const Recipe &recipe, const Piece &piece,
                       std::vector<float> &values, std::vector<uint8_t> &bytes) const {
    bool kept = w.quantized && keepsBlocks(recipe, *w.quantized);
    if (!kept) {
      PLX_RETURN_IF_ERROR(evaluatePiece(recipe, w.shape[1], piece, values));
      scale(w, 0, piece.column, piece.columns, values);
    }
    if (w.quantized)
      return quantizePiece(w, piece, kept ? &recipe : nullptr, values, bytes);
    int64_t unit = blockDepth(w.dtype);
    int64_t blocks = (piece.count + kBlockRows - 1) / kBlockRows;
    size_t blockBytes = static_cast<size_t>((piece.columns + unit - 1) / unit * unit * kBlockRows) *
                        dtypeSize(w.dtype);
    bytes.resize(static_cast<size_t>(blocks) * blockBytes);
    for (int64_t b = 0; b < blocks; ++b)
      packBlock(w.dtype, values.data() + b * kBlockRows * piece.columns,
                std::min(kBlockRows, piece.count - b * kBlockRows), piece.columns, piece.columns,
                bytes.data() + static_cast<size_t>(b) * blockBytes);
    return Status::ok();
  }

  /// From `values`, or straight from the blocks of the sources of `kept`.
  Status quantizePiece(const WeightInfo &w, const Piece &piece, const Recipe *kept,
                       std::vector<float> &values, std::vector<uint8_t> &bytes) const {
    const PackedForm &form = *w.quantized;
    std::shared_ptr<const ColumnGuide> guide;
    if (options_.guide && !kept) {
      PLX_ASSIGN(guide, options_.guide(w));
    }
    auto blockBytes = static_cast<size_t>(PackedGeometry(form, piece.columns).blockBytes);
    int64_t blocks = (piece.count + kBlockRows - 1) / kBlockRows;
    bytes.resize(static_cast<size_t>(blocks) * blockBytes);
    for (int64_t b = 0; b < blocks; ++b) {
      QuantizedRows rows(form, piece.columns, options_.ranges);
      int64_t first = b * kBlockRows, count = std::min(kBlockRows, piece.count - first);
      if (kept)
        for (int64_t n = 0; n < count; ++n)
          keepRow(*kept, piece.first + first + n, piece.column, n, rows);
      else
        PLX_RETURN_IF_ERROR(
            quantizeRows(values.data() + first * piece.columns, count, guide.get(), rows));
      writeBlock(rows, bytes.data() + static_cast<size_t>(b) * blockBytes);
    }
    return Status::ok();
  }

  static Status quantizeRows(float *x, int64_t count, const ColumnGuide *guide,
                             QuantizedRows &rows) {
    const float *importance = guide ? guide->importance.data() : nullptr;
    if (guide && !guide->factor.empty())
      return quantizeCompensated(x, count, guide->factor.data(), importance, rows);
    for (int64_t n = 0; n < count; ++n)
      PLX_RETURN_IF_ERROR(quantizeRow(x + n * rows.depth, n, rows, importance));
    return Status::ok();
  }

  /// With the lock held, in order.
  Status write(const Piece &piece, const std::vector<uint8_t> &bytes) {
    static constexpr uint8_t kZeros[kAlignment] = {};
    bool begins = piece.first == 0 && piece.column == 0;
    if (begins && piece.job > 0)
      dropSources(bound_[piece.job - 1]);
    if (begins && offset_ < jobs_[piece.job].info.offset) {
      uint64_t gap = jobs_[piece.job].info.offset - offset_;
      PLX_RETURN_IF_ERROR(sink_.append(kZeros, gap));
      offset_ += gap;
    }
    PLX_RETURN_IF_ERROR(sink_.append(bytes.data(), bytes.size()));
    offset_ += bytes.size();
    if (options_.progress && !options_.progress(offset_, total_))
      return error(Code::Cancelled) << "packing was cancelled";
    return Status::ok();
  }

  const std::vector<PackJob> &jobs_;
  const std::vector<Recipe> bound_;
  Pieces pieces_;
  WeightSink &sink_;
  const PackOptions &options_;
  std::mutex mutex_;
  std::condition_variable turn_;
  Status status_;
  uint64_t tickets_ = 0, written_ = 0, offset_ = 0, total_ = 0;
};

} // namespace

Status layOutWeights(std::vector<PackJob> &jobs) {
  uint64_t offset = 0;
  for (PackJob &job : jobs) {
    WeightInfo &info = job.info;
    auto bytes = weightBytes(info.shape, info.dtype, info.encoding, info.quantized);
    bool packs = info.dtype == DType::F32 || info.dtype == DType::BF16 || info.dtype == DType::F16;
    if (!bytes || !packs)
      return error(Code::Unsupported)
             << "weight '" << info.name << "' of shape " << shapeToString(info.shape)
             << " cannot be stored as "
             << (info.encoding == WeightEncoding::Packed ? "packed " : "")
             << (info.quantized ? info.quantized->spelling() : std::string(dtypeName(info.dtype)))
             << "; stored types are F32, BF16, F16 and quantized forms";
    info.offset = offset = (offset + kAlignment - 1) / kAlignment * kAlignment;
    info.bytes = *bytes;
    offset += *bytes;
  }
  return Status::ok();
}

Status packWeights(const std::vector<PackJob> &jobs, const TensorSource &source, WeightSink &sink,
                   const PackOptions &options) {
  std::vector<Recipe> bound;
  std::string missing;
  for (const PackJob &job : jobs) {
    auto recipe = bindRecipe(job.recipe, source, job.info.layer);
    if (!recipe && recipe.status().code() == Code::NotFound) {
      missing += "\n  " + recipe.status().at(describe(job.info)).message();
      continue;
    }
    if (!recipe)
      return recipe.status().at(describe(job.info));
    if (recipe->shape != job.info.shape)
      return error(Code::Mismatch)
             << describe(job.info) << ": its recipe has shape " << shapeToString(recipe->shape)
             << ", the model expects " << shapeToString(job.info.shape);
    bound.push_back(*std::move(recipe));
  }
  if (!missing.empty())
    return error(Code::NotFound) << "missing weights:" << missing;
  return Packer(jobs, std::move(bound), sink, options).run();
}

} // namespace plexus::compiler
