// Strided copies between callers' tensors and rows, and the checks ahead of them.
#include "runtime/exec/PortLayout.h"

#include "runtime/exec/NamedInputs.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace plexus {
namespace {

std::string numberText(const OptionInfo &option, double value) {
  if (option.integer)
    return std::to_string(static_cast<int64_t>(value));
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string knownText(const OptionInfo &option) {
  std::string text;
  for (double value : option.known)
    text += (text.empty() ? "" : ", ") + numberText(option, value);
  return text;
}

uint32_t bitsOf(DType dtype, double value) {
  return dtype == DType::I32 ? static_cast<uint32_t>(static_cast<int32_t>(value))
                             : std::bit_cast<uint32_t>(static_cast<float>(value));
}

/// A dense tensor of the rows' type. Integers are taken as I32 where they fit, floats as F32.
Expected<Tensor> convert(const Tensor &given, const ValueType &type, const std::string &name) {
  PLX_ASSIGN(Tensor dense, given.dense());
  if (dense.dtype == type.dtype)
    return dense;
  if (type.dtype == DType::F32 && isFloat(dense.dtype)) {
    PLX_ASSIGN(Tensor converted, Tensor::zeros(DType::F32, dense.shape));
    toF32(dense.dtype, dense.as<void>(), dense.count(), converted.as<float>());
    return converted;
  }
  if (type.dtype != DType::I32 || isFloat(dense.dtype))
    return error(Code::Mismatch) << "input \"" << name << "\" is " << dtypeName(dense.dtype)
                                 << ", expected " << dtypeName(type.dtype);
  PLX_ASSIGN(Tensor converted, Tensor::zeros(DType::I32, dense.shape));
  for (int64_t i = 0; i < dense.count(); ++i) {
    int64_t value = integerAt(dense, i);
    if (value < INT32_MIN || value > INT32_MAX)
      return error(Code::InvalidArgument) << "input \"" << name << "\" holds " << value;
    converted.as<int32_t>()[i] = static_cast<int32_t>(value);
  }
  return converted;
}

std::vector<int64_t> denseStrides(const std::vector<int64_t> &sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

} // namespace

Status checkKnown(const OptionInfo &option, double value) {
  if (option.known.empty() ||
      std::find(option.known.begin(), option.known.end(), value) != option.known.end())
    return Status::ok();
  return error(Code::InvalidArgument)
         << option.name << " " << numberText(option, value)
         << " is not known to the model; known are " << knownText(option);
}

OptionValues::OptionValues(const ModelInfo &info) : info_(info), set_(info.options.size()) {}

Status OptionValues::set(const std::vector<std::pair<std::string, std::string>> &settings) {
  for (const auto &[key, text] : settings) {
    const OptionInfo *option = info_.findOption(key);
    if (!option) {
      std::string names;
      for (const OptionInfo &o : info_.options)
        names += (names.empty() ? "" : ", ") + o.name;
      return error(Code::NotFound) << "model " << info_.name << " has no option \"" << key
                                   << "\"; it has " << (names.empty() ? "none" : names);
    }
    double value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool fits = failed == std::errc() && end == text.data() + text.size() && std::isfinite(value) &&
                (!option->integer || (value == std::trunc(value) && std::abs(value) < 0x1p31));
    if (!fits)
      return error(Code::InvalidArgument)
             << "option " << key << " is a " << (option->integer ? "whole number" : "number")
             << ", not \"" << text << "\"";
    PLX_RETURN_IF_ERROR(checkKnown(*option, value));
    set_[option - info_.options.data()] = value;
  }
  return Status::ok();
}

Status OptionValues::take(const OptionInfo &option, int64_t size, const std::string &input) {
  std::optional<double> &value = set_[&option - info_.options.data()];
  if (value && *value != static_cast<double>(size))
    return error(Code::Mismatch) << option.name << " is " << numberText(option, *value)
                                 << " so far, but the input \"" << input << "\" has " << size;
  value = static_cast<double>(size);
  return Status::ok();
}

std::optional<double> OptionValues::of(const OptionInfo &option) const {
  const std::optional<double> &value = set_[&option - info_.options.data()];
  return value ? value : option.value;
}

std::vector<std::string> OptionValues::assignments() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < set_.size(); ++i)
    if (auto value = of(info_.options[i]))
      out.push_back(info_.options[i].name + "=" + numberText(info_.options[i], *value));
  return out;
}

PortLayout PortLayout::of(const ModelInfo &model, const Schedule &schedule, std::string_view name,
                          const ValueType &type, bool isInput) {
  PortLayout layout;
  layout.type = &type;
  bool tokens = type.rows == Rows::Tokens || type.rows == Rows::Outputs;
  layout.flat = model.task != "sequence" && schedule.frames.size == 0;
  if (isInput && tokens)
    layout.frames = schedule.frames;
  const PortInfo *port = schedule.findPort(name);
  std::vector<std::string> axes = port ? port->axes : std::vector<std::string>();
  if (axes.empty()) {
    if (type.rows != Rows::None)
      axes.push_back("b");
    size_t framed = layout.frames.size > 0 ? 1 : 0;
    // A graph's row that is a window has the samples last.
    bool last = framed && model.task != "sequence";
    if (tokens && !layout.flat && !last)
      axes.push_back("s");
    axes.resize(axes.size() + type.shape.size() - std::min(framed, type.shape.size()));
    if (last)
      axes.push_back("s");
  }
  int dim = 0;
  for (const std::string &axis : axes) {
    if (axis == "b") {
      layout.axes.push_back({Kind::Batch});
    } else if (axis == "s" || axis == "s-1") {
      layout.withoutLast = axis == "s-1";
      layout.axes.push_back({Kind::Sequence, layout.frames.size > 0 ? dim++ : -1});
    } else {
      const OptionInfo *option = axis.empty() ? nullptr : model.findOption(axis);
      layout.axes.push_back({Kind::Row, dim++, option && option->integer ? option : nullptr});
    }
  }
  return layout;
}

bool PortLayout::has(Kind kind) const {
  return std::any_of(axes.begin(), axes.end(), [&](const Axis &a) { return a.kind == kind; });
}

BoundInput::BoundInput(std::string name, PortLayout layout)
    : name_(std::move(name)), layout_(std::move(layout)) {}

/// The sizes of the axes, leading ones of a graph folded into one.
Status BoundInput::checkRank(const Tensor &given, RunSizes &sizes) {
  size_t axes = layout_.axes.size();
  bool fold = layout_.flat && axes > 0 && layout_.axes[0].kind == PortLayout::Kind::Batch &&
              layout_.type->rows != Rows::None;
  bool fits = fold ? given.shape.size() + 1 >= axes : given.shape.size() == axes;
  if (!fits)
    return error(Code::Mismatch) << "input \"" << name_ << "\" has shape " << shapeText(given.shape)
                                 << ", expected " << (fold ? "rows of " : "")
                                 << axes - (fold ? 1 : 0)
                                 << " dimensions: " << toString(*layout_.type);
  sizes_ = given.shape;
  if (!fold)
    return Status::ok();
  auto end = given.shape.end() - static_cast<int64_t>(axes - 1);
  std::vector<int64_t> leading(given.shape.begin(), end);
  int64_t rows = 1;
  for (int64_t size : leading)
    rows *= size;
  sizes_.assign(end, given.shape.end());
  sizes_.insert(sizes_.begin(), rows);
  if (sizes.batch < 0)
    sizes.leading = leading;
  return Status::ok();
}

Status BoundInput::checkAxis(size_t axis, RunSizes &sizes, OptionValues &options) {
  const PortLayout::Axis &a = layout_.axes[axis];
  int64_t size = sizes_[axis];
  if (a.kind != PortLayout::Kind::Row) {
    bool batch = a.kind == PortLayout::Kind::Batch;
    int64_t &agreed = batch ? sizes.batch : sizes.samples;
    if (size < 1)
      return error(Code::InvalidArgument)
             << "input \"" << name_ << "\" has no " << (batch ? "rows" : "samples");
    if (agreed >= 0 && agreed != size)
      return error(Code::Mismatch)
             << "input \"" << name_ << "\" has " << size << (batch ? " rows" : " samples")
             << ", another input has " << agreed;
    agreed = size;
    return Status::ok();
  }
  int64_t declared = layout_.type->shape[a.dim];
  if (a.option && size >= 1 && size <= declared)
    return options.take(*a.option, size, name_);
  if (size != declared)
    return error(Code::Mismatch) << "input \"" << name_ << "\" has " << size << " "
                                 << (a.option ? a.option->name : "elements") << " in dimension "
                                 << axis << ", expected " << (a.option ? "1 to " : "") << declared
                                 << ": " << toString(*layout_.type);
  return Status::ok();
}

Status BoundInput::bind(const Tensor &given, RunSizes &sizes, OptionValues &options) {
  PLX_RETURN_IF_ERROR(checkRank(given, sizes));
  for (size_t axis = 0; axis < sizes_.size(); ++axis)
    PLX_RETURN_IF_ERROR(checkAxis(axis, sizes, options));
  PLX_ASSIGN(tensor_, convert(given, *layout_.type, name_));
  const OptionInfo *option = options.info().findOption(name_);
  for (int64_t i = 0; option && i < tensor_->count(); ++i)
    PLX_RETURN_IF_ERROR(checkKnown(*option, layout_.type->dtype == DType::I32
                                                ? tensor_->as<int32_t>()[i]
                                                : tensor_->as<float>()[i]));
  strides_ = denseStrides(sizes_);
  rowSizes_.assign(layout_.type->shape.size(), 1);
  rowStrides_.assign(layout_.type->shape.size(), 0);
  for (size_t axis = 0; axis < sizes_.size(); ++axis) {
    const PortLayout::Axis &a = layout_.axes[axis];
    if (a.kind == PortLayout::Kind::Batch)
      batchStride_ = strides_[axis];
    if (a.kind == PortLayout::Kind::Sequence) {
      sampleStride_ = strides_[axis];
      frameDim_ = a.dim;
    }
    if (a.dim >= 0) {
      rowSizes_[a.dim] = sizes_[axis];
      rowStrides_[a.dim] = strides_[axis];
    }
  }
  return Status::ok();
}

void BoundInput::fill(double value) { filling_ = bitsOf(layout_.type->dtype, value); }

int64_t BoundInput::firstNan() const {
  if (!tensor_ || tensor_->dtype != DType::F32)
    return -1;
  const float *begin = tensor_->as<float>(), *end = begin + tensor_->count();
  const float *found = std::find_if(begin, end, [](float v) { return std::isnan(v); });
  return found == end ? -1 : found - begin;
}

const void *BoundInput::wholeRow() const {
  bool whole = tensor_ && frameDim_ < 0 && sizes_ == layout_.type->shape &&
               rowStrides_ == denseStrides(layout_.type->shape);
  return whole ? tensor_->data.get() : nullptr;
}

/// Copies dimensions dim.. of a row; what the tensor has not is zeros.
uint32_t *BoundInput::copy(const uint32_t *from, size_t dim, const Gathering &g,
                           uint32_t *to) const {
  const std::vector<int64_t> &shape = layout_.type->shape;
  if (dim == shape.size()) {
    *to = *from;
    return to + 1;
  }
  int64_t begin = 0, end = rowSizes_[dim], first = 0;
  if (static_cast<int>(dim) == frameDim_) { // Positions of the frame that lie in the sequence.
    first = g.index * layout_.frames.hop - layout_.frames.pad;
    begin = std::clamp<int64_t>(-first, 0, shape[dim]);
    end = std::clamp<int64_t>(g.samples - first, begin, shape[dim]);
  }
  int64_t inner = 1;
  for (size_t d = dim + 1; d < shape.size(); ++d)
    inner *= shape[d];
  to = g.pad(to, begin * inner);
  if (dim + 1 == shape.size() && rowStrides_[dim] == 1)
    to = std::copy_n(from + first + begin, end - begin, to);
  else
    for (int64_t i = begin; i < end; ++i)
      to = copy(from + (first + i) * rowStrides_[dim], dim + 1, g, to);
  return g.pad(to, (shape[dim] - end) * inner);
}

void BoundInput::gather(int64_t b, int64_t index, int64_t samples, void *row, bool zeroed) const {
  auto *to = static_cast<uint32_t *>(row);
  if (!tensor_) {
    std::fill_n(to, layout_.type->rowElements(), filling_);
    return;
  }
  const uint32_t *from = tensor_->as<uint32_t>() + b * batchStride_;
  if (frameDim_ < 0)
    from += index * sampleStride_;
  copy(from, 0, {index, samples, zeroed}, to);
}

Expected<BoundOutput> BoundOutput::make(std::string name, PortLayout layout, const RunSizes &sizes,
                                        int64_t samples, const OptionValues &options) {
  BoundOutput out;
  out.name_ = std::move(name);
  out.layout_ = std::move(layout);
  const PortLayout &l = out.layout_;
  out.samples_ = std::max<int64_t>(samples - (l.withoutLast ? 1 : 0), 0);
  out.rowSizes_ = l.type->shape;
  out.rowStrides_.assign(l.type->shape.size(), 0);
  std::vector<int64_t> axisSizes;
  for (const PortLayout::Axis &a : l.axes) {
    if (a.kind == PortLayout::Kind::Row) {
      auto cut = a.option ? options.of(*a.option) : std::nullopt;
      int64_t &size = out.rowSizes_[a.dim];
      if (cut && (*cut < 1 || *cut > static_cast<double>(size)))
        return error(Code::InvalidArgument)
               << a.option->name << " is " << static_cast<int64_t>(*cut) << ", expected 1 to "
               << size << " for the output \"" << out.name_ << "\"";
      size = cut ? static_cast<int64_t>(*cut) : size;
      axisSizes.push_back(size);
    } else if (a.kind == PortLayout::Kind::Batch) {
      axisSizes.push_back(
          l.type->rows == Rows::Sequences && l.flat ? 1 : std::max<int64_t>(sizes.batch, 1));
    } else {
      axisSizes.push_back(out.samples_);
    }
  }
  std::vector<int64_t> strides = denseStrides(axisSizes), shape;
  for (size_t axis = 0; axis < l.axes.size(); ++axis) {
    const PortLayout::Axis &a = l.axes[axis];
    bool folded = a.kind == PortLayout::Kind::Batch && l.flat && l.type->rows != Rows::Sequences;
    if (a.kind == PortLayout::Kind::Batch)
      out.batchStride_ = strides[axis], out.batched_ = true;
    if (a.kind == PortLayout::Kind::Sequence)
      out.sampleStride_ = strides[axis];
    if (a.kind == PortLayout::Kind::Row)
      out.rowStrides_[a.dim] = strides[axis];
    if (folded)
      shape.insert(shape.end(), sizes.leading.begin(), sizes.leading.end());
    else
      shape.push_back(axisSizes[axis]);
  }
  PLX_ASSIGN(out.tensor_, Tensor::zeros(l.type->dtype, shape));
  return out;
}

const uint32_t *BoundOutput::copy(const uint32_t *from, size_t dim, uint32_t *to) const {
  const std::vector<int64_t> &shape = layout_.type->shape;
  if (dim == shape.size()) {
    *to = *from;
    return from + 1;
  }
  int64_t inner = 1;
  for (size_t d = dim + 1; d < shape.size(); ++d)
    inner *= shape[d];
  if (dim + 1 == shape.size() && rowStrides_[dim] == 1)
    std::copy_n(from, rowSizes_[dim], to);
  else
    for (int64_t i = 0; i < rowSizes_[dim]; ++i)
      copy(from + i * inner, dim + 1, to + i * rowStrides_[dim]);
  return from + shape[dim] * inner;
}

void BoundOutput::scatter(int64_t b, int64_t index, const void *row) {
  bool sequence = layout_.has(PortLayout::Kind::Sequence);
  if ((!batched_ && b > 0) || (sequence && index >= samples_))
    return;
  copy(static_cast<const uint32_t *>(row), 0,
       tensor_.as<uint32_t>() + b * batchStride_ + index * sampleStride_);
}

} // namespace plexus
