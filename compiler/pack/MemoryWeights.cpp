// Anonymous memory for packed weights.
#include "compiler/pack/MemoryWeights.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace plexus::compiler {

Expected<std::shared_ptr<MemoryWeights>>
MemoryWeights::create(const std::vector<WeightInfo> &table) {
  std::shared_ptr<MemoryWeights> weights(new MemoryWeights);
  for (const WeightInfo &info : table) {
    weights->offsets_.push_back(info.offset);
    weights->size_ = std::max(weights->size_, info.offset + info.bytes);
  }
  if (weights->size_ == 0)
    return weights;
  void *memory =
      mmap(nullptr, weights->size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return error(Code::ResourceExhausted)
           << "no memory for " << weights->size_ << " bytes of weights";
  madvise(memory, weights->size_, MADV_HUGEPAGE); // streamed through once a token
  weights->base_ = static_cast<uint8_t *>(memory);
  return weights;
}

MemoryWeights::~MemoryWeights() {
  if (base_)
    munmap(base_, size_);
}

Status MemoryWeights::append(const void *bytes, size_t size) {
  if (size > size_ - filled_)
    return error(Code::Internal) << "more weights than the table has";
  std::memcpy(base_ + filled_, bytes, size);
  filled_ += size;
  return Status::ok();
}

} // namespace plexus::compiler
