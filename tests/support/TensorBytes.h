// Named tensors in memory with given bytes.
#pragma once

#include "runtime/io/TensorSource.h"

#include <cstring>
#include <map>

namespace plexus::testing {

class TensorBytes : public TensorSource {
public:
  template <typename T>
  void add(const std::string &name, DType dtype, std::vector<int64_t> shape,
           const std::vector<T> &elements) {
    std::vector<uint8_t> &bytes = bytes_[name];
    bytes.resize(elements.size() * sizeof(T));
    std::memcpy(bytes.data(), elements.data(), bytes.size());
    TensorView view;
    view.dtype = dtype;
    view.shape = std::move(shape);
    view.bytes = bytes.data();
    view.size = bytes.size();
    views_[name] = view;
    names_.clear();
    for (const auto &entry : views_)
      names_.push_back(entry.first);
  }
  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override {
    auto found = views_.find(name);
    return found == views_.end() ? nullptr : &found->second;
  }
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return {}; }

private:
  std::string path_ = "memory";
  std::vector<std::string> names_;
  std::map<std::string, std::vector<uint8_t>> bytes_;
  std::map<std::string, TensorView, std::less<>> views_;
};

} // namespace plexus::testing
