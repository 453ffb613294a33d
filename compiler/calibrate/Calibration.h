// Calibration: a model in full precision, run on samples, says what its products' inputs are like
// and how far a quantized copy is from it.
#pragma once

#include "compiler/calibrate/Moments.h"
#include "compiler/calibrate/Ranges.h"
#include "compiler/calibrate/Samples.h"
#include "compiler/calibrate/Scaling.h"
#include "compiler/pack/Packer.h"
#include "runtime/api/CompilerService.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>

namespace plexus {
class Model;
}

namespace plexus::compiler {

struct ModelSource;

/// How quantized weights are rounded with what calibration found.
enum class Rounding {
  Nearest,        ///< Calibration measures, and changes nothing.
  Importance,     ///< Scales weigh the errors of columns by their inputs' mean squares.
  Scale,          ///< That, and columns with large inputs are stored larger (AWQ).
  Compensate,     ///< Importance, and what a column loses is made up for by later ones (GPTQ).
  ScaleCompensate ///< Both.
};

/// A tap on what the product of a weight reads: the output that shows it.
struct Probe {
  std::string weight, want;
  int layer;
  int64_t depth; ///< Elements of a row.
};

struct CalibrationOptions {
  std::string path;      ///< See readSamples.
  int64_t tokens = 4096; ///< Of a text, at most.
  Rounding rounding = Rounding::Compensate;
  int threads = 2;
};

class Calibration {
public:
  /// Compiles `source` in memory, in f32 with probes, and reads the samples.
  static Expected<std::shared_ptr<Calibration>> open(const ModelSource &source,
                                                     const CalibrationOptions &options);

  /// Runs the samples and keeps moments of the inputs of `weights`, by name with their K, those
  /// that are there already excepted. ResourceExhausted where the moments would take more than
  /// kMostMomentBytes.
  Status measure(const std::map<std::string, int64_t> &weights);
  static constexpr int64_t kMostMomentBytes = int64_t(16) << 30;

  /// Runs the samples and gives what every probed product and convolution reads a fixed range: the
  /// tensors [scale, zero], and in `weights` those whose inputs it fits. Where the relative error
  /// is above `mostError` in some layer (outliers, as before the last product of feed-forward
  /// halves), one scale for all rows would cost too much.
  Expected<std::shared_ptr<const TensorSource>>
  measureRanges(const RangeRule &rule, double mostError, std::vector<std::string> &weights);

  /// Mean square of each input of the weight's product, [K]; empty where nothing was measured.
  /// `name` and `layer` as in the program's weights.
  std::vector<float> importance(const std::string &name, int layer) const;

  /// Whether columns are to be scaled.
  bool scales() const {
    return options_.rounding == Rounding::Scale || options_.rounding == Rounding::ScaleCompensate;
  }
  /// Guides are for weights that are scaled by `factors` from now on.
  void setFactors(FactorMap factors) { factors_ = std::move(factors); }
  const PackFactors *factors(const WeightInfo &weight) const;

  /// For the packer; null for a weight whose input was not seen.
  Expected<std::shared_ptr<const ColumnGuide>> guide(const WeightInfo &weight);

  /// Runs both models on the samples.
  Expected<QuantizationQuality> compare(const std::shared_ptr<const Model> &quantized) const;

  /// Names what the packed weights depend on, for keys.
  std::string key() const;

private:
  Calibration() = default;
  /// Calls `see` with the outputs of each probe, sample by sample, a few probes at a time.
  Status visit(std::span<const Probe> probes,
               const std::function<void(const Probe &, const Tensor &)> &see) const;
  struct Guide {
    std::pair<std::string, int> key;
    std::once_flag once;
    Expected<std::shared_ptr<const ColumnGuide>> made = std::shared_ptr<const ColumnGuide>();
  };
  Expected<std::shared_ptr<const ColumnGuide>> make(const Moments &moments,
                                                    const PackFactors *scaling) const;
  const Moments *find(const std::string &name, int layer) const;

  CalibrationOptions options_;
  std::string digest_;
  std::shared_ptr<const Model> base_;
  std::vector<Sample> samples_;
  std::vector<InputRange> inputs_;
  std::map<std::pair<std::string, int>, Moments> moments_; ///< By weight and layer.
  FactorMap factors_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Guide>> guides_; ///< The newest ones.
};

} // namespace plexus::compiler
