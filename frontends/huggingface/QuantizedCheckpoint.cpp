// Integers are looked up where they lie; nothing is unpacked ahead.
#include "frontends/huggingface/QuantizedCheckpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

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
};

class Matrix final : public QuantizedMatrix {
public:
  Matrix(const QuantizationConfig &config, const Parts &parts, int64_t depth)
      : config(config), parts(parts), depth(depth), columns(parts.scales->shape[1]),
        group(config.group < 0 ? depth : config.group) {
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

  int integerAt(int64_t n, int64_t k) const {
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

class Checkpoint final : public TensorSource {
public:
  Checkpoint(std::shared_ptr<const TensorSource> files, const QuantizationConfig &config)
      : files_(std::move(files)), config_(config) {}

  /// Finds the modules and checks their parts.
  Status open() {
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
    PLX_RETURN_IF_ERROR(checkOrder(parts, depth, group));
    auto matrix = std::make_unique<Matrix>(config_, parts, depth);
    if (!matrix->scalesAreHalf())
      return error(Code::Unsupported)
             << "scales hold numbers that f16, in which scales are kept, does not have";
    TensorView view;
    view.shape = {columns, depth};
    view.matrix = matrix.get();
    view.file = nullptr;
    matrices_.push_back(std::move(matrix));
    if (!views_.emplace(module + ".weight", view).second || files_->find(module + ".weight"))
      return error(Code::Mismatch) << "has a weight beside its qweight";
    return Status::ok();
  }

  static Status checkOrder(const Parts &parts, int64_t depth, int64_t group) {
    if (!parts.groupOf)
      return Status::ok();
    PLX_RETURN_IF_ERROR(expect("g_idx", parts.groupOf, {depth}, {DType::I32}));
    for (int64_t k = 0; k < depth; ++k)
      if (wordAt(*parts.groupOf, k) != static_cast<uint32_t>(k / group))
        return error(Code::Unsupported)
               << "g_idx says that column " << k << " belongs to group "
               << wordAt(*parts.groupOf, k)
               << ": columns in the order of activations (desc_act) are not read; quantize with "
                  "desc_act = false, which keeps groups of neighbours";
    return Status::ok();
  }

  std::shared_ptr<const TensorSource> files_;
  QuantizationConfig config_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView, std::less<>> views_;
  std::vector<std::unique_ptr<Matrix>> matrices_;
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
