// The packer: turns source tensors into the weights of an artifact, streaming.
#pragma once

#include "compiler/pack/Fit.h"
#include "compiler/pack/Recipe.h"
#include "runtime/program/Program.h"

#include <functional>
#include <memory>
#include <vector>

namespace plexus::compiler {

/// One entry of the weight table and where its bytes come from.
struct PackJob {
  WeightInfo info;
  Recipe recipe; ///< Not bound: `info.layer` fills the holes.
};

/// Assigns offsets (multiples of 64, in order) and sizes. Unsupported names a weight whose form
/// does not exist.
Status layOutWeights(std::vector<PackJob> &jobs);

/// What is known of the inputs that the columns of a weight are multiplied with.
struct ColumnGuide {
  std::vector<float> importance; ///< [K] mean square of each input.
  /// [K][K] inverseFactor (Compensate.h): errors are made up for. Empty: values are rounded to the
  /// nearest.
  std::vector<float> factor;
};

/// The guide of a quantized weight, or null. Called by several threads, for each piece of a weight.
using FindGuide = std::function<Expected<std::shared_ptr<const ColumnGuide>>(const WeightInfo &)>;

/// What element k of a weight's last axis is multiplied with when it is packed
/// (calibrate/Scaling.h).
struct PackFactors {
  std::vector<float> factors;
  bool unitOffset = false; ///< One more than the element is what counts: (1 + x) f - 1 is stored.
};

/// The factors of a weight, or null. Weights whose blocks are kept are not asked for.
using FindFactors = std::function<const PackFactors *(const WeightInfo &)>;

/// Where packed bytes go, in order. `append` is called by one thread at a time.
class WeightSink {
public:
  virtual ~WeightSink() = default;
  virtual Status append(const void *bytes, size_t size) = 0;
};

struct PackOptions {
  int threads = 2;
  RangeRule ranges; ///< Of weights that are rounded.
  /// For rounding; weights whose blocks are kept are not asked for.
  FindGuide guide;
  FindFactors factors;
  /// (bytes written, bytes in all), after each piece; returns false to cancel.
  std::function<bool(uint64_t, uint64_t)> progress;
};

/// Evaluates the recipes, converts (rounding once) and writes all weights at their offsets, with
/// zeros between. Memory: some 30 MB a thread, whatever the sizes; the sources' pages are let go
/// behind it. Errors name the weight.
Status packWeights(const std::vector<PackJob> &jobs, const TensorSource &source, WeightSink &sink,
                   const PackOptions &options = {});

} // namespace plexus::compiler
