// Writes GGUF files for tests, byte by byte from the format's description.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace plexus::testing {

class GgufBytes {
public:
  enum Type : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

  uint32_t version = 3;
  uint64_t alignment = 32;

  template <typename T>
  GgufBytes &value(std::string_view key, Type type, T v) {
    keyed(key, type);
    put(metadata_, v);
    return *this;
  }
  GgufBytes &u32(std::string_view key, uint32_t v) { return value(key, U32, v); }
  GgufBytes &f32(std::string_view key, float v) { return value(key, F32, v); }
  GgufBytes &boolean(std::string_view key, bool v) { return value(key, Bool, uint8_t(v)); }
  GgufBytes &string(std::string_view key, std::string_view v) {
    keyed(key, String);
    put(metadata_, v);
    return *this;
  }
  template <typename T>
  GgufBytes &array(std::string_view key, Type type, const std::vector<T> &values) {
    keyed(key, Array);
    put(metadata_, uint32_t(type));
    put(metadata_, uint64_t(values.size()));
    for (const T &v : values)
      put(metadata_, v);
    return *this;
  }
  /// `dims` outermost first. `bytes` go to the next aligned offset, or to `offset` when given.
  GgufBytes &tensor(std::string_view name, std::vector<int64_t> dims, uint32_t ggmlType,
                    std::string_view bytes, int64_t offset = -1) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    put(tensors_, name);
    put(tensors_, uint32_t(dims.size()));
    for (size_t i = dims.size(); i-- > 0;)
      put(tensors_, uint64_t(dims[i]));
    put(tensors_, ggmlType);
    put(tensors_, offset < 0 ? uint64_t(data_.size()) : uint64_t(offset));
    data_ += bytes;
    ++tensorCount_;
    return *this;
  }
  GgufBytes &floats(std::string_view name, std::vector<int64_t> dims,
                    const std::vector<float> &values) {
    return tensor(name, std::move(dims), 0,
                  {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)});
  }
  std::string bytes() const {
    std::string out = "GGUF";
    put(out, version);
    put(out, tensorCount_);
    put(out, metadataCount_);
    out += metadata_ + tensors_;
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data_;
  }

private:
  template <typename T>
  static void put(std::string &out, T v) {
    out.append(reinterpret_cast<const char *>(&v), sizeof(v));
  }
  static void put(std::string &out, std::string_view v) {
    put(out, uint64_t(v.size()));
    out += v;
  }
  static void put(std::string &out, const std::string &v) { put(out, std::string_view(v)); }
  void keyed(std::string_view key, Type type) {
    put(metadata_, key);
    put(metadata_, uint32_t(type));
    ++metadataCount_;
  }
  std::string metadata_, tensors_, data_;
  uint64_t tensorCount_ = 0, metadataCount_ = 0;
};

} // namespace plexus::testing
