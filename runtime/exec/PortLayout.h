// Between the tensors that callers give or get and the rows that segments read and write.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/program/Program.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace plexus {

/// The options of a run: what was set, then the defaults.
class OptionValues {
public:
  explicit OptionValues(const ModelInfo &info);
  /// NotFound for a key that the model has not, InvalidArgument for a value that it does not know;
  /// both say what there is.
  Status set(const std::vector<std::pair<std::string, std::string>> &settings);
  /// For an axis of that name of `input`: Mismatch where it was set to something else.
  Status take(const OptionInfo &option, int64_t size, const std::string &input);
  std::optional<double> of(const OptionInfo &option) const;
  /// " subject=1" and the like for every option that was set, in the order of the options.
  std::vector<std::string> assignments() const;
  const ModelInfo &info() const { return info_; }

private:
  const ModelInfo &info_;
  std::vector<std::optional<double>> set_;
};

/// InvalidArgument, with the values that there are, for one that the option does not know.
Status checkKnown(const OptionInfo &option, double value);

/// The axes of a value's tensor, outermost first.
struct PortLayout {
  enum class Kind { Batch, Sequence, Row };
  struct Axis {
    Kind kind;
    int dim = -1;                       ///< Of the row; of a framed sequence too.
    const OptionInfo *option = nullptr; ///< Takes the size, or says it.
  };
  const ValueType *type = nullptr;
  std::vector<Axis> axes;
  Framing frames;           ///< Inputs over tokens; size 0: none.
  bool withoutLast = false; ///< "s-1".
  bool flat = false;        ///< Graphs: the batch axis is any number of leading ones.

  static PortLayout of(const ModelInfo &model, const Schedule &schedule, std::string_view name,
                       const ValueType &type, bool isInput);
  bool has(Kind kind) const;
};

/// Sizes that the inputs of a run agree on.
struct RunSizes {
  int64_t batch = -1, samples = -1;
  std::vector<int64_t> leading; ///< Of graphs: what the batch axis stands for.
};

/// An input with its tensor, or with what stands for it.
class BoundInput {
public:
  BoundInput(std::string name, PortLayout layout);
  /// Checks the tensor's type and sizes, and takes sizes and options from it.
  Status bind(const Tensor &given, RunSizes &sizes, OptionValues &options);
  /// Every element is `value`.
  void fill(double value);
  /// Copies the row of sample or frame `index` of sequence b, which has `samples`; outside of them,
  /// zeros. `zeroed`: they are there already.
  void gather(int64_t b, int64_t index, int64_t samples, void *row, bool zeroed = false) const;

  /// The tensor's own memory where it is one row of the declared shape, in its order; else null.
  const void *wholeRow() const;

  const std::string &name() const { return name_; }
  const PortLayout &layout() const { return layout_; }
  /// Index of the first element that is NaN, or -1.
  int64_t firstNan() const;

private:
  Status checkRank(const Tensor &given, RunSizes &sizes);
  Status checkAxis(size_t axis, RunSizes &sizes, OptionValues &options);
  /// Where a row comes from, and what stands around it.
  struct Gathering {
    int64_t index, samples;
    bool zeroed;
    uint32_t *pad(uint32_t *to, int64_t count) const {
      return zeroed ? to + count : std::fill_n(to, count, 0u);
    }
  };
  uint32_t *copy(const uint32_t *from, size_t dim, const Gathering &g, uint32_t *to) const;

  std::string name_;
  PortLayout layout_;
  std::optional<Tensor> tensor_;               ///< Dense, of the layout's type.
  uint32_t filling_ = 0;                       ///< Bits of every element where there is no tensor.
  std::vector<int64_t> sizes_, strides_;       ///< [axis]
  std::vector<int64_t> rowSizes_, rowStrides_; ///< [dim of the row] what the tensor has
  int64_t batchStride_ = 0, sampleStride_ = 0;
  int frameDim_ = -1;
};

/// An output's tensor, filled row by row.
class BoundOutput {
public:
  /// `samples`: rows of the longest sequence.
  static Expected<BoundOutput> make(std::string name, PortLayout layout, const RunSizes &sizes,
                                    int64_t samples, const OptionValues &options);
  void scatter(int64_t b, int64_t index, const void *row);
  /// Shares the memory that scatter writes.
  NamedTensor named() const { return {name_, tensor_}; }

private:
  BoundOutput() = default;
  const uint32_t *copy(const uint32_t *from, size_t dim, uint32_t *to) const;

  std::string name_;
  PortLayout layout_;
  Tensor tensor_;
  std::vector<int64_t> rowSizes_, rowStrides_; ///< [dim of the row] what the tensor takes
  int64_t batchStride_ = 0, sampleStride_ = 0, samples_ = 0;
  bool batched_ = false;
};

} // namespace plexus
