// One growing block of memory for everything that a run writes.
#pragma once

#include "runtime/support/Status.h"

#include <cstdint>
#include <sys/mman.h>

namespace plexus {

/// Grows by half or more and never shrinks, so that runs of known sizes find it large enough.
/// Growing forgets the contents. Memory comes from the kernel, page aligned.
class Arena {
public:
  Arena() = default;
  ~Arena() { unmap(); }
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;

  Status reserve(int64_t bytes) {
    if (bytes <= bytes_)
      return Status::ok();
    unmap();
    int64_t grown = bytes + bytes / 2;
    void *memory = mmap(nullptr, static_cast<size_t>(grown), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      return error(Code::ResourceExhausted) << "no memory for a run: " << grown << " bytes";
    data_ = static_cast<uint8_t *>(memory);
    bytes_ = grown;
    return Status::ok();
  }
  uint8_t *data() const { return data_; }
  int64_t bytes() const { return bytes_; }

private:
  void unmap() {
    if (data_)
      munmap(data_, static_cast<size_t>(bytes_));
    data_ = nullptr;
    bytes_ = 0;
  }
  uint8_t *data_ = nullptr;
  int64_t bytes_ = 0;
};

} // namespace plexus
