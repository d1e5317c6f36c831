#include "verified_write.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>

#include "direct_buffer.h"
#include "durable_write.h"
#include "job.h"
#include "napi_util.h"

namespace holdfast {
namespace {

class VerifiedWriteJob final : public Job {
 public:
  // The reference keeps `data` where it is until the job is done.
  VerifiedWriteJob(int fd, uint64_t offset, const char* data, uint32_t length, napi_ref bytes)
      : fd_(fd), offset_(offset), data_(data), length_(length), bytes_(bytes) {}
  void Run() override { result_ = WriteAndCompare(); }
  napi_value Result(napi_env env) override {
    napi_delete_reference(env, bytes_);
    return Int32(env, result_);
  }

 private:
  int WriteAndCompare();
  int ReadBack(char* buffer);

  int fd_;
  uint64_t offset_;
  const char* data_;
  uint32_t length_;
  napi_ref bytes_;
  int result_ = 0;
};

int VerifiedWriteJob::ReadBack(char* buffer) {
  // Nothing that the device did not give may look like what was written.
  memset(buffer, 0, length_);
  for (uint32_t done = 0; done < length_;) {
    ssize_t got = pread(fd_, buffer + done, length_ - done, static_cast<off_t>(offset_ + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    // It was written, and is not there.
    if (got == 0) return 1;
    done += static_cast<uint32_t>(got);
  }
  return memcmp(buffer, data_, length_) == 0 ? 0 : 1;
}

int VerifiedWriteJob::WriteAndCompare() {
  if (length_ == 0) return 0;
  char* buffer = MapDirectBuffer(length_);
  if (buffer == nullptr) return -ENOMEM;
  memcpy(buffer, data_, length_);
  Write write;
  write.fd = fd_;
  write.method = WriteMethod::kDirectDsync;
  write.alignment = kDirectAlignment;
  write.data = buffer;
  write.length = length_;
  write.offset = offset_;
  int result = WriteDurably(write);
  if (result == 0) result = ReadBack(buffer);
  munmap(buffer, length_);
  return result;
}

// writeVerified(fd, offset, bytes)
napi_value WriteVerified(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int32_t fd;
  uint64_t offset;
  void* data = nullptr;
  size_t length = 0;
  if (!GetArgs(env, info, args) || !GetInt32(env, args[0], &fd) ||
      !GetOffset(env, args[1], &offset)) {
    return nullptr;
  }
  if (napi_get_buffer_info(env, args[2], &data, &length) != napi_ok) {
    ThrowMisuse(env, "expected a Uint8Array");
    return nullptr;
  }
  if (length > INT32_MAX) {
    ThrowRange(env, "too many bytes for one write");
    return nullptr;
  }
  napi_ref bytes = nullptr;
  if (napi_create_reference(env, args[2], 1, &bytes) != napi_ok) return nullptr;
  return StartJob(env, new (std::nothrow)
                           VerifiedWriteJob(fd, offset, static_cast<const char*>(data),
                                            static_cast<uint32_t>(length), bytes));
}

}  // namespace

void ExportVerifiedWrite(napi_env env, napi_value exports) {
  SetFunction(env, exports, "writeVerified", WriteVerified);
}

}  // namespace holdfast
