// What a durable write is, by each method, and how one is done on the calling thread.
#pragma once

#include <cstdint>

namespace holdfast {

// The values are part of the boundary: native.ts checks them at load.
enum class WriteMethod : uint32_t {
  kDirectDsync = 0,
  kBufferedDsync = 1,
  kBufferedFdatasync = 2,
};

struct Write {
  int fd = -1;
  WriteMethod method = WriteMethod::kDirectDsync;
  // Remainders of short writes begin at a multiple of this; 1 where the method does not care.
  uint32_t alignment = 1;
  char* data = nullptr;
  uint32_t length = 0;
  uint64_t offset = 0;
};

// How far a write is after the kernel took `taken` more bytes: never past an unaligned spot of a
// direct write, which could not be continued from there. The rest is written again, same bytes.
inline uint32_t Progress(const Write& write, uint32_t done, uint32_t taken) {
  uint32_t reached = done + taken;
  if (reached >= write.length) return write.length;
  return reached - reached % write.alignment;
}

// Writes all of it and returns when it is durable. 0 or a negative errno.
int WriteDurably(const Write& write);

}  // namespace holdfast
