#include "log_file.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace holdfast {
namespace {

// struct statx of the kernel from 6.1 on; headers may be older than the kernel. Unlike the field
// names, the layout is fixed.
constexpr uint32_t kStatxDioAlign = 0x2000;
constexpr size_t kStatxBytes = 256;
constexpr size_t kMaskAt = 0;
constexpr size_t kMemoryAlignAt = 0x98;
constexpr size_t kOffsetAlignAt = 0x9c;

uint32_t Field(const char* statx, size_t at) {
  uint32_t value;
  std::memcpy(&value, statx + at, sizeof value);
  return value;
}

}  // namespace

uint32_t DirectAlignment(int fd) {
  alignas(8) char statx[kStatxBytes] = {};
  if (syscall(__NR_statx, fd, "", AT_EMPTY_PATH, kStatxDioAlign, statx) != 0) return 0;
  if ((Field(statx, kMaskAt) & kStatxDioAlign) == 0) return 0;
  uint32_t offset_alignment = Field(statx, kOffsetAlignAt);
  // Zero: this file is not written directly, whatever open says.
  if (offset_alignment == 0) return 0;
  return std::max(offset_alignment, Field(statx, kMemoryAlignAt));
}

OpenedLog OpenLogFile(const char* path, WriteMethod method) {
  OpenedLog log;
  bool direct = method == WriteMethod::kDirectDsync;
  log.fd = open(path, O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
  if (log.fd < 0) {
    log.error = -errno;
  } else if (direct) {
    log.alignment = DirectAlignment(log.fd);
    if (log.alignment == 0) log.error = -EINVAL;
  }
  return log;
}

}  // namespace holdfast
