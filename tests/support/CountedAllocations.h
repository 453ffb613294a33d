// Counts the allocations of a test program, its libraries and plugins included: for one file of it.
// Sanitizers bring allocators of their own: under them PLEXUS_COUNTS_ALLOCATIONS is 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PLEXUS_COUNTS_ALLOCATIONS 0
#else
#define PLEXUS_COUNTS_ALLOCATIONS 1

static std::atomic<int64_t> allocations = 0;

void *operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void *memory = std::malloc(size ? size : 1))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
#endif
