#include "durable_write.h"

#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "seam.h"

namespace holdfast {
namespace {

// Set once a kernel (or a sandbox) refused the flag; fdatasync then does the same, only slower.
std::atomic<bool> dsync_flag_refused{false};

ssize_t WriteSome(const Write& write, uint32_t done, bool with_dsync) {
  uint32_t length = seam::ClampLength(write.length - done);
  off_t offset = static_cast<off_t>(write.offset + done);
  if (!with_dsync) return pwrite(write.fd, write.data + done, length, offset);
  iovec part = {write.data + done, length};
  return pwritev2(write.fd, &part, 1, offset, RWF_DSYNC);
}

}  // namespace

int WriteDurably(const Write& write) {
  bool with_dsync =
      write.method != WriteMethod::kBufferedFdatasync && !dsync_flag_refused.load();
  uint32_t done = 0;
  while (done < write.length) {
    ssize_t taken = WriteSome(write, done, with_dsync);
    taken = seam::FilterResult(static_cast<int32_t>(taken < 0 ? -errno : taken));
    if (taken == -EINTR) continue;
    if (with_dsync && (taken == -EOPNOTSUPP || taken == -ENOSYS)) {
      dsync_flag_refused.store(true);
      with_dsync = false;
      continue;
    }
    if (taken < 0) return static_cast<int>(taken);
    uint32_t reached = Progress(write, done, static_cast<uint32_t>(taken));
    if (reached == done) return -EIO;
    done = reached;
  }
  if (with_dsync) return 0;
  // Not repeated on any error: after a failed sync nobody knows what is on the disk.
  return seam::FilterResult(fdatasync(write.fd) != 0 ? -errno : 0);
}

}  // namespace holdfast
