// Fixed ranges of what products read: histograms of samples, and the 8-bit grids that fit them.
#pragma once

#include "compiler/pack/Fit.h"
#include "runtime/io/TensorSource.h"

#include <map>
#include <string>
#include <vector>

namespace plexus::compiler {

/// x = scale (q - zero) for integers q in [-127, 127].
struct ByteRange {
  float scale = 1, zero = 0;
};

/// Counts of values between -limit and limit, which doubles as larger ones come.
class Histogram {
public:
  void add(const float *x, int64_t count);
  void add(const Histogram &other);

  /// The grid whose range `rule` finds (of percentiles and square errors to within a bin, a 4096th
  /// of the range). Symmetric ones have the zero point 0; the others have 0 among their values.
  ByteRange fit(const RangeRule &rule, bool isSymmetric) const;
  /// Mean square of the difference to the grid, over the mean square of the values.
  double relativeError(const ByteRange &range) const;
  bool isEmpty() const { return total_ == 0; }

private:
  static constexpr int64_t kBins = 4096;
  void grow();
  double centerOf(int64_t bin) const {
    return (static_cast<double>(bin) + 0.5 - kBins / 2) * (2.0 * limit_ / kBins);
  }
  double squareError(const ByteRange &range) const;
  float percentile(double percent) const;

  std::vector<uint64_t> bins_ = std::vector<uint64_t>(kBins, 0);
  float limit_ = 0x1p-20f;
  float least_ = 0, most_ = 0;
  uint64_t total_ = 0;
};

/// Ranges as tensors [scale, zero], called as passes/quantize/RangeNames.h says.
class RangeTensors : public TensorSource {
public:
  /// For each weight and layer (-1: its run has none) what it read.
  RangeTensors(const std::map<std::pair<std::string, int>, Histogram> &seen, const RangeRule &rule);

  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override;
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return {}; }

private:
  void add(const std::string &weight, const std::string &layer, const Histogram &histogram,
           const RangeRule &rule);

  std::string path_ = "calibration";
  std::vector<std::string> names_;
  std::map<std::string, ByteRange, std::less<>> ranges_;
  std::map<std::string, TensorView, std::less<>> views_;
};

} // namespace plexus::compiler
