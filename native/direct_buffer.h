// Memory for I/O past the page cache.
#pragma once

#include <sys/mman.h>

#include <cstddef>

namespace holdfast {

// Enough for the direct I/O of every file system known; a larger demand shows as EINVAL.
constexpr size_t kDirectAlignment = 4096;

// Mapped rather than allocated: what one thread allocates and another frees stays with the heap of the
// first for good, and with a few threads that comes to tens of megabytes. Null if there is none.
inline char* MapDirectBuffer(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

}  // namespace holdfast
