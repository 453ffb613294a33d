// Pages of one size with counted references, mapped in slabs and used again.
#pragma once

#include "runtime/support/Status.h"

#include <cstdint>

namespace plexus {

/// What the state pools of a session may take together.
struct StateBudget {
  int64_t limit = 0; ///< Bytes, 0: none.
  int64_t used = 0;
};

/// Hands out pages. Memory comes from the kernel in slabs and stays with the pool, so that
/// taking and returning pages never touches the heap. Not for several threads at once.
class PagePool {
public:
  /// Pages of `pageBytes` >= 1. The budget outlives the pool.
  PagePool(int64_t pageBytes, StateBudget &budget);
  ~PagePool();
  PagePool(const PagePool &) = delete;
  PagePool &operator=(const PagePool &) = delete;

  /// A page with one reference, 64-byte aligned; zeroed, or holding anything where `clear` is
  /// false. ResourceExhausted past the budget or the memory.
  Expected<uint8_t *> take(bool clear = true);
  static void retain(uint8_t *page) { ++header(page)->references; }
  void release(uint8_t *page);
  /// Whether others hold the page too, so that it must not be written.
  static bool isShared(const uint8_t *page) {
    return header(const_cast<uint8_t *>(page))->references > 1;
  }
  int64_t pageBytes() const { return pageBytes_; }
  int64_t pagesInUse() const { return inUse_; }
  /// Pages mapped so far.
  int64_t pagesMapped() const { return mapped_; }

private:
  /// Lies in the 64 bytes before each page.
  struct Header {
    Header *nextFree;
    int64_t references;
    bool dirty;
  };
  struct Slab {
    Slab *next;
    int64_t bytes;
  };
  static constexpr int64_t kHeaderBytes = 64;
  static Header *header(uint8_t *page) { return reinterpret_cast<Header *>(page - kHeaderBytes); }
  Status grow();

  int64_t pageBytes_;
  int64_t stride_;
  StateBudget &budget_;
  Slab *slabs_ = nullptr;
  Header *free_ = nullptr;
  int64_t inUse_ = 0;
  int64_t mapped_ = 0;
};

} // namespace plexus
