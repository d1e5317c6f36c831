// Opening a file for durable writes, and whether direct I/O on a file is what it says.
#pragma once

#include <unistd.h>

#include <cstdint>

#include "durable_write.h"

namespace holdfast {

struct OpenedLog {
  OpenedLog() = default;
  OpenedLog(OpenedLog&& other) noexcept
      : fd(other.fd), error(other.error), alignment(other.alignment) {
    other.fd = -1;
  }
  OpenedLog& operator=(OpenedLog&& other) noexcept {
    if (fd >= 0 && fd != other.fd) close(fd);
    fd = other.fd;
    error = other.error;
    alignment = other.alignment;
    other.fd = -1;
    return *this;
  }
  ~OpenedLog() {
    if (fd >= 0) close(fd);
  }

  int fd = -1;
  int error = 0;  // 0 or a negative errno
  uint32_t alignment = 1;
};

// The file must exist. -EINVAL where direct I/O is refused or not reported by the file system: some
// take the flag and use the page cache all the same.
OpenedLog OpenLogFile(const char* path, WriteMethod method);

// The alignment of offset, length and memory of direct I/O on an open file; 0 where the kernel
// reports none.
uint32_t DirectAlignment(int fd);

}  // namespace holdfast
