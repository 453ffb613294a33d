// Slabs from mmap, a free list through the page headers.
#include "runtime/state/PagePool.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace plexus {
namespace {

constexpr int64_t kSlabBytes = int64_t(16) << 20;
constexpr int64_t kFewestPages = 4;
constexpr int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

} // namespace

PagePool::PagePool(int64_t pageBytes, StateBudget &budget)
    : pageBytes_(pageBytes), stride_(kHeaderBytes + roundUp(pageBytes, 64)), budget_(budget) {
  static_assert(sizeof(Header) <= kHeaderBytes && sizeof(Slab) <= kHeaderBytes);
}

PagePool::~PagePool() {
  budget_.used -= inUse_ * pageBytes_;
  while (slabs_) {
    Slab *slab = slabs_;
    slabs_ = slab->next;
    munmap(slab, static_cast<size_t>(slab->bytes));
  }
}

Status PagePool::grow() {
  int64_t pages = std::max(kFewestPages, kSlabBytes / stride_);
  int64_t bytes = kHeaderBytes + pages * stride_;
  // The kernel gives memory to touched pages only, so that a slab costs what is used of it.
  void *memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return error(Code::ResourceExhausted)
           << "no memory for state pages (" << bytes << " bytes, " << inUse_ << " pages of "
           << pageBytes_ << " bytes in use)";
  // A head's part of a page is a few KB: of large pages, most are found without a walk. A wish
  // only.
  madvise(memory, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  slabs_ = new (memory) Slab{slabs_, bytes};
  auto *base = static_cast<uint8_t *>(memory) + kHeaderBytes;
  for (int64_t i = pages - 1; i >= 0; --i)
    free_ = new (base + i * stride_) Header{free_, 0, false};
  mapped_ += pages;
  return Status::ok();
}

Expected<uint8_t *> PagePool::take(bool clear) {
  if (budget_.limit > 0 && budget_.used + pageBytes_ > budget_.limit)
    return error(Code::ResourceExhausted)
           << "the limit of " << budget_.limit << " bytes for states is reached; close sequences "
           << "or raise SessionOptions::maxStateBytes";
  if (!free_)
    PLX_RETURN_IF_ERROR(grow());
  Header *taken = free_;
  free_ = taken->nextFree;
  auto *page = reinterpret_cast<uint8_t *>(taken) + kHeaderBytes;
  // Masked slots are multiplied by zero: what an earlier owner left must not be NaN.
  if (taken->dirty && clear)
    std::memset(page, 0, static_cast<size_t>(pageBytes_));
  taken->dirty = true;
  taken->references = 1;
  ++inUse_;
  budget_.used += pageBytes_;
  return page;
}

void PagePool::release(uint8_t *page) {
  Header *h = header(page);
  if (--h->references > 0)
    return;
  h->nextFree = free_;
  free_ = h;
  --inUse_;
  budget_.used -= pageBytes_;
}

} // namespace plexus
