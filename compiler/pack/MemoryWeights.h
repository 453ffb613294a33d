// Packed weights in anonymous memory, for models that are compiled and run in one process.
#pragma once

#include "compiler/pack/Packer.h"

#include <memory>

namespace plexus::compiler {

class MemoryWeights : public WeightStore, public WeightSink {
public:
  /// Memory for the weights at the table's offsets; ResourceExhausted if there is none.
  static Expected<std::shared_ptr<MemoryWeights>> create(const std::vector<WeightInfo> &table);
  ~MemoryWeights() override;
  MemoryWeights(const MemoryWeights &) = delete;
  const void *data(size_t index) const override { return base_ + offsets_[index]; }
  Status append(const void *bytes, size_t size) override;

private:
  MemoryWeights() = default;
  std::vector<uint64_t> offsets_;
  uint8_t *base_ = nullptr;
  uint64_t size_ = 0, filled_ = 0;
};

} // namespace plexus::compiler
