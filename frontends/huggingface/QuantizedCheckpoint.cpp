// Integers are looked up where they lie; nothing is unpacked ahead.
#include "frontends/huggingface/QuantizedCheckpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>

namespace plexus::frontends {
namespace {

/// Groups that a packed form has; longer ones are repeated.
constexpr int64_t kMostGroup = 128;
/// Within a word of AWQ, column j of 8 lies in nibble kAwqPlace[j].
constexpr std::array<int, 8> kAwqPlace = {0, 4, 1, 5, 2, 6, 3, 7};

uint32_t wordAt(const TensorView &view, int64_t index) {
  uint32_t word;
  std::memcpy(&word, view.bytes + index * 4, sizeof(word));
  return word;
}

/// The parts of one quantized linear module.
struct Parts {
  const TensorView *weights = nullptr; ///< qweight
  const TensorView *scales = nullptr, *zeros = nullptr;
  const TensorView *groupOf = nullptr; ///< g_idx, or null.
  /// Column `order[i]` is the i-th when columns are sorted by group; empty: they are.
  std::vector<int32_t> order;
};

/// Columns sorted by the group that g_idx gives them, which is how GPTQ took them with desc_act.
std::vector<int32_t> sortedByGroup(const TensorView &groupOf) {
  std::vector<int32_t> order(static_cast<size_t>(groupOf.elements()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return wordAt(groupOf, a) < wordAt(groupOf, b); });
  return order;
}

class Matrix final : public QuantizedMatrix {
public:
  Matrix(const QuantizationConfig &config, Parts moduleParts, int64_t depth)
      : config(config), parts(std::move(moduleParts)), depth(depth),
        columns(parts.scales->shape[1]), group(config.group < 0 ? depth : config.group) {
    label = (config.layout == QuantizedLayout::Gptq ? "GPTQ int" : "AWQ int") +
            std::to_string(config.bits);
    bool symmetric = allCentered();
    packed.values = config.bits == 8 ? PackedValues::Q8 : PackedValues::Q4;
    packed.zeros = symmetric ? PackedZeros::None : PackedZeros::Point;
    packed.group = config.group < 0 ? 0 : static_cast<int32_t>(std::min(group, kMostGroup));
  }

  std::string_view name() const override { return label; }
  PackedForm form() const override { return packed; }

  void read(int64_t row, int64_t column, int64_t count, uint8_t *values, uint16_t *scales,
            uint16_t *zeros) const override {
    for (int64_t i = 0; i < count; ++i)
      values[i] = static_cast<uint8_t>(integerAt(row, column + i) + shift());
    int64_t step = packed.group ? packed.group : depth;
    for (int64_t i = 0; i * step < count; ++i) {
      int64_t index = (column + i * step) / group;
      scales[i] = scaleAt(index, row);
      float zero = static_cast<float>(zeroAt(index, row) + shift());
      if (packed.zeros == PackedZeros::Point)
        fromF32(DType::F16, &zero, 1, &zeros[i]);
    }
  }

  /// The indices of the columns in stored order; empty where that is their own.
  const std::vector<int32_t> &storedOrder() const { return parts.order; }

  /// Whether every scale is a number of f16: those that are stored as bf16 may not be.
  bool scalesAreHalf() const {
    if (parts.scales->dtype == DType::F16)
      return true;
    for (int64_t i = 0; i < parts.scales->elements(); ++i) {
      float value = storedScale(i), back;
      uint16_t half;
      fromF32(DType::F16, &value, 1, &half);
      toF32(DType::F16, &half, 1, &back);
      if (back != value)
        return false;
    }
    return true;
  }

private:
  uint32_t mask() const { return (1u << config.bits) - 1; }
  /// From unsigned integers to what the form stores: signed bytes, or integers around the form's
  /// center where there are no zeros.
  int shift() const {
    if (packed.values == PackedValues::Q8)
      return -128;
    return packed.zeros == PackedZeros::None ? packed.info().center - center() : 0;
  }
  int center() const { return 1 << (config.bits - 1); }

  /// Integer `index` of a stream of `bits` each, whose words are `stride` apart.
  uint32_t fromStream(const TensorView &view, int64_t index, int64_t first, int64_t stride) const {
    int64_t bit = index * config.bits, word = bit / 32, offset = bit % 32;
    uint64_t pair = wordAt(view, first + word * stride);
    if (offset + config.bits > 32)
      pair |= uint64_t(wordAt(view, first + (word + 1) * stride)) << 32;
    return static_cast<uint32_t>(pair >> offset) & mask();
  }
  uint32_t fromAwq(const TensorView &view, int64_t line, int64_t column) const {
    uint32_t word = wordAt(view, line * (columns / 8) + column / 8);
    return word >> (4 * kAwqPlace[column % 8]) & mask();
  }

  /// Integer of row n and stored column `place`.
  int integerAt(int64_t n, int64_t place) const {
    int64_t k = parts.order.empty() ? place : parts.order[place];
    if (config.layout == QuantizedLayout::Awq)
      return static_cast<int>(fromAwq(*parts.weights, k, n));
    return static_cast<int>(fromStream(*parts.weights, k, n, columns));
  }

  int zeroAt(int64_t index, int64_t n) const {
    if (!parts.zeros)
      return center();
    if (config.layout == QuantizedLayout::Awq)
      return static_cast<int>(fromAwq(*parts.zeros, index, n));
    int64_t words = parts.zeros->shape[1];
    uint32_t zero = fromStream(*parts.zeros, n, index * words, 1);
    return static_cast<int>((zero + (config.zerosLessOne ? 1 : 0)) & mask());
  }

  float storedScale(int64_t index) const {
    float value;
    size_t size = dtypeSize(parts.scales->dtype);
    toF32(parts.scales->dtype, parts.scales->bytes + static_cast<size_t>(index) * size, 1, &value);
    return value;
  }
  uint16_t scaleAt(int64_t index, int64_t n) const {
    float value = storedScale(index * columns + n);
    uint16_t half;
    fromF32(DType::F16, &value, 1, &half);
    return half;
  }

  bool allCentered() const {
    int64_t groups = parts.scales->shape[0];
    for (int64_t index = 0; index < groups; ++index)
      for (int64_t n = 0; n < columns; ++n)
        if (zeroAt(index, n) != center())
          return false;
    return true;
  }

  QuantizationConfig config;
  Parts parts;
  int64_t depth, columns, group;
  std::string label;
  PackedForm packed;
};

/// A matrix as it is meant, whose stored columns are in another order.
class OrderedMatrix final : public QuantizedMatrix {
public:
  explicit OrderedMatrix(const Matrix &stored) : stored(stored) {}
  std::string_view name() const override { return stored.name(); }
  PackedForm form() const override { return stored.form(); }
  void read(int64_t row, int64_t column, int64_t count, uint8_t *values, uint16_t *scales,
            uint16_t *zeros) const override {
    stored.read(row, column, count, values, scales, zeros);
  }
  const int32_t *order() const override { return stored.storedOrder().data(); }

private:
  const Matrix &stored;
};

class Checkpoint final : public TensorSource {
public:
  Checkpoint(std::shared_ptr<const TensorSource> files, const QuantizationConfig &config)
      : files_(std::move(files)), config_(config) {}

  /// Finds the modules and checks their parts.
  Status open() {
    findOrders();
    for (const std::string &name : files_->names()) {
      size_t dot = name.rfind('.');
      std::string module = name.substr(0, dot == std::string::npos ? 0 : dot);
      std::string_view part = std::string_view(name).substr(dot == std::string::npos ? 0 : dot + 1);
      if (part == "qweight")
        PLX_RETURN_IF_ERROR(addModule(module).at(files_->path() + ": '" + module + "'"));
      bool belongs = part == "qweight" || part == "qzeros" || part == "scales" || part == "g_idx";
      if (!belongs || !files_->find(module + ".qweight"))
        names_.push_back(name);
    }
    for (const auto &[name, view] : views_)
      if (!isPart(name))
        names_.push_back(name);
    std::sort(names_.begin(), names_.end());
    if (views_.empty())
      return error(Code::Mismatch) << files_->path()
                                   << ": the config has a quantization_config, but no tensor is "
                                      "called *.qweight";
    return Status::ok();
  }

  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override {
    auto it = views_.find(name);
    return it != views_.end() ? &it->second : files_->find(name);
  }
  const std::string &path() const override { return files_->path(); }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return files_->files(); }

private:
  /// Whether `name` is a part of a matrix that find() gives beside it.
  bool isPart(std::string_view name) const {
    for (std::string_view suffix : {kStoredSuffix, kOrderSuffix})
      if (name.ends_with(suffix) && views_.contains(name.substr(0, name.size() - suffix.size())))
        return true;
    return false;
  }

  /// Where one module has its columns in the order of activations, all that have a g_idx count as
  /// such: layers of a model must be alike.
  void findOrders() {
    for (const std::string &name : files_->names()) {
      const TensorView *groupOf = files_->find(name);
      if (!name.ends_with(".g_idx") || groupOf->dtype != DType::I32 || !groupOf->isPlain())
        continue;
      for (int64_t k = 1; k < groupOf->elements() && !ordered_; ++k)
        ordered_ = wordAt(*groupOf, k) < wordAt(*groupOf, k - 1);
    }
  }

  static Status expect(const char *name, const TensorView *view, std::vector<int64_t> shape,
                       std::initializer_list<DType> types) {
    if (!view)
      return error(Code::NotFound) << "no " << name << " beside its qweight";
    if (view->shape != shape || !view->isPlain() ||
        std::find(types.begin(), types.end(), view->dtype) == types.end())
      return error(Code::Mismatch)
             << name << " is " << view->encodingName() << " " << shapeToString(view->shape)
             << ", expected " << dtypeName(*types.begin()) << " " << shapeToString(shape);
    return Status::ok();
  }

  Status addModule(const std::string &module) {
    Parts parts;
    auto part = [&](const char *name) { return files_->find(module + "." + name); };
    parts.weights = part("qweight");
    parts.scales = part("scales");
    parts.zeros = part("qzeros");
    parts.groupOf = part("g_idx");
    bool awq = config_.layout == QuantizedLayout::Awq;
    const TensorView &w = *parts.weights;
    if (w.shape.size() != 2 || w.dtype != DType::I32 || !w.isPlain())
      return error(Code::Mismatch) << "qweight is " << w.encodingName() << " "
                                   << shapeToString(w.shape) << ", expected a matrix of I32";
    int64_t bits = config_.bits, depth = awq ? w.shape[0] : w.shape[0] * 32 / bits;
    int64_t columns = awq ? w.shape[1] * 8 : w.shape[1];
    if (depth == 0 || columns == 0 || (!awq && w.shape[0] * 32 % bits))
      return error(Code::Mismatch) << "qweight of shape " << shapeToString(w.shape)
                                   << " does not hold whole integers of " << bits << " bits";
    int64_t group = config_.group < 0 ? depth : config_.group, groups = (depth + group - 1) / group;
    PLX_RETURN_IF_ERROR(
        expect("scales", parts.scales, {groups, columns}, {DType::F16, DType::BF16, DType::F32}));
    if (parts.zeros || !awq)
      PLX_RETURN_IF_ERROR(expect("qzeros", parts.zeros,
                                 {groups, awq ? columns / 8 : (columns * bits + 31) / 32},
                                 {DType::I32}));
    if (parts.groupOf) {
      PLX_RETURN_IF_ERROR(expect("g_idx", parts.groupOf, {depth}, {DType::I32}));
      parts.order = sortedByGroup(*parts.groupOf);
      PLX_RETURN_IF_ERROR(checkGroups(parts, group));
      if (!ordered_)
        parts.order.clear();
    }
    auto matrix = std::make_unique<Matrix>(config_, std::move(parts), depth);
    if (!matrix->scalesAreHalf())
      return error(Code::Unsupported)
             << "scales hold numbers that f16, in which scales are kept, does not have";
    return addViews(module + ".weight", {columns, depth}, std::move(matrix));
  }

  /// The weight, and its parts where its columns are stored in another order.
  Status addViews(const std::string &name, std::vector<int64_t> shape,
                  std::unique_ptr<Matrix> matrix) {
    TensorView view;
    view.shape = std::move(shape);
    view.matrix = matrix.get();
    if (const std::vector<int32_t> &order = matrix->storedOrder(); !order.empty()) {
      views_.emplace(name + std::string(kStoredSuffix), view);
      TensorView indices;
      indices.dtype = DType::I32;
      indices.shape = {view.shape[1]};
      indices.bytes = reinterpret_cast<const uint8_t *>(order.data());
      indices.size = order.size() * sizeof(int32_t);
      views_.emplace(name + std::string(kOrderSuffix), indices);
      matrices_.push_back(std::make_unique<OrderedMatrix>(*matrix));
      view.matrix = matrices_.back().get();
    }
    matrices_.push_back(std::move(matrix));
    if (!views_.emplace(name, view).second || files_->find(name))
      return error(Code::Mismatch) << "has a weight beside its qweight";
    return Status::ok();
  }

  /// Sorted by g_idx, columns must fill group after group.
  static Status checkGroups(const Parts &parts, int64_t group) {
    for (size_t i = 0; i < parts.order.size(); ++i) {
      uint32_t found = wordAt(*parts.groupOf, parts.order[i]);
      if (found != static_cast<uint32_t>(i / group))
        return error(Code::Mismatch)
               << "g_idx says that column " << parts.order[i] << " belongs to group " << found
               << ", but groups of " << group << " columns would have it in group " << i / group;
    }
    return Status::ok();
  }

  std::shared_ptr<const TensorSource> files_;
  QuantizationConfig config_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView, std::less<>> views_;
  std::vector<std::unique_ptr<QuantizedMatrix>> matrices_;
  bool ordered_ = false; ///< Some module's columns are in the order of activations.
};

} // namespace

Expected<std::shared_ptr<const TensorSource>>
openQuantizedCheckpoint(std::shared_ptr<const TensorSource> files,
                        const QuantizationConfig &config) {
  auto checkpoint = std::make_shared<Checkpoint>(std::move(files), config);
  PLX_RETURN_IF_ERROR(checkpoint->open());
  return std::shared_ptr<const TensorSource>(std::move(checkpoint));
}

} // namespace plexus::frontends
