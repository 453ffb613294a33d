// Source tensors and packed bytes in memory, for the packer's tests.
#pragma once

#include "compiler/pack/Packer.h"
#include "runtime/io/TensorSource.h"

#include <map>
#include <random>
#include <string>
#include <vector>

namespace plexus::test {

class MemoryTensors : public TensorSource {
public:
  /// Random normal values, as `dtype`.
  void add(const std::string &name, std::vector<int64_t> shape, DType dtype = DType::F32) {
    int64_t elements = 1;
    for (int64_t size : shape)
      elements *= size;
    std::vector<float> values(static_cast<size_t>(elements));
    std::normal_distribution<float> normal;
    for (float &value : values)
      value = normal(random_);
    add(name, std::move(shape), values, dtype);
  }
  /// These values, as `dtype`.
  void add(const std::string &name, std::vector<int64_t> shape, const std::vector<float> &values,
           DType dtype = DType::F32) {
    TensorView view;
    view.dtype = dtype;
    view.shape = std::move(shape);
    std::vector<uint8_t> &bytes = bytes_[name];
    bytes.resize(values.size() * dtypeSize(dtype));
    fromF32(dtype, values.data(), static_cast<int64_t>(values.size()), bytes.data());
    view.bytes = bytes.data();
    view.size = bytes.size();
    views_[name] = view;
    names_.clear();
    for (const auto &entry : views_)
      names_.push_back(entry.first);
  }
  /// Random blocks of a quantized format, with scales that are finite.
  void addBlocks(const std::string &name, std::vector<int64_t> shape, std::string_view format,
                 int64_t interleavedRows = 0) {
    TensorView view;
    view.shape = std::move(shape);
    view.block = findBlockFormat(format);
    view.interleavedRows = interleavedRows;
    std::vector<uint8_t> &bytes = bytes_[name];
    bytes.resize(static_cast<size_t>(view.elements() / view.block->elements) * view.block->bytes);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random_());
    for (size_t at = 0; at < bytes.size(); at += view.block->bytes) {
      auto putHalf = [&](size_t offset) { bytes[at + offset + 1] = 0x2c | (random_() & 0x83); };
      putHalf(format == "Q6_K" ? 208 : 0);
      putHalf(format == "Q6_K" ? 208 : 2);
    }
    view.bytes = bytes.data();
    view.size = bytes.size();
    views_[name] = view;
    names_.push_back(name);
  }
  std::vector<float> values(const std::string &name) const {
    const TensorView &view = views_.at(name);
    std::vector<float> out(static_cast<size_t>(view.elements()));
    (void)decodeElements(view, 0, view.elements(), out.data());
    return out;
  }
  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override {
    auto found = views_.find(name);
    return found == views_.end() ? nullptr : &found->second;
  }
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return {}; }

private:
  std::mt19937 random_{3};
  std::string path_ = "memory";
  std::vector<std::string> names_;
  std::map<std::string, std::vector<uint8_t>> bytes_;
  std::map<std::string, TensorView, std::less<>> views_;
};

struct BytesSink : compiler::WeightSink {
  std::vector<uint8_t> bytes;
  Status append(const void *data, size_t size) override {
    const auto *begin = static_cast<const uint8_t *>(data);
    bytes.insert(bytes.end(), begin, begin + size);
    return Status::ok();
  }
};

// Recipes, as short as the attributes.
using compiler::Recipe;
inline Recipe source(std::string name, std::vector<int64_t> dims = {}) {
  Recipe r;
  r.name = std::move(name);
  r.dims = std::move(dims);
  return r;
}
inline Recipe node(Recipe::Kind kind, std::vector<Recipe> parts) {
  Recipe r;
  r.kind = kind;
  r.parts = std::move(parts);
  return r;
}
inline Recipe concat(int64_t axis, std::vector<Recipe> parts) {
  Recipe r = node(Recipe::Kind::Concat, std::move(parts));
  r.axis = axis;
  return r;
}
inline Recipe interleave(int64_t axis, int64_t block, std::vector<Recipe> parts) {
  Recipe r = node(Recipe::Kind::Interleave, std::move(parts));
  r.axis = axis;
  r.block = block;
  return r;
}
inline Recipe slice(int64_t axis, int64_t begin, int64_t size, Recipe part) {
  Recipe r = node(Recipe::Kind::Slice, {std::move(part)});
  r.axis = axis;
  r.begin = begin;
  r.size = size;
  return r;
}
inline Recipe transpose(std::vector<int64_t> dims, Recipe part) {
  Recipe r = node(Recipe::Kind::Transpose, {std::move(part)});
  r.dims = std::move(dims);
  return r;
}
inline Recipe reshape(std::vector<int64_t> dims, Recipe part) {
  Recipe r = node(Recipe::Kind::Reshape, {std::move(part)});
  r.dims = std::move(dims);
  return r;
}
/// One of the kinds that change each element for itself.
inline Recipe change(Recipe::Kind kind, float number, Recipe part) {
  Recipe r = node(kind, {std::move(part)});
  r.number = number;
  return r;
}
inline Recipe scale(float number, Recipe part) {
  return change(Recipe::Kind::Scale, number, std::move(part));
}
inline Recipe offset(float number, Recipe part) {
  return change(Recipe::Kind::Offset, number, std::move(part));
}

} // namespace plexus::test
