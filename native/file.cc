#include "file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <new>

#include "direct_buffer.h"
#include "job.h"
#include "napi_util.h"

namespace holdfast {
namespace {

/** Small enough that a commit which comes in between does not wait long behind one. */
constexpr size_t kZeroChunk = 128 << 10;

class ZeroFillJob final : public Job {
 public:
  ZeroFillJob(int fd, uint64_t offset, uint64_t length)
      : fd_(fd), offset_(offset), end_(offset + length) {}
  void Run() override { error_ = Fill(); }
  napi_value Result(napi_env env) override { return Int32(env, error_); }

 private:
  int Fill();
  int Reserve();

  int fd_;
  uint64_t offset_;
  uint64_t end_;
  int error_ = 0;
};

int ZeroFillJob::Reserve() {
  while (fallocate(fd_, 0, static_cast<off_t>(offset_), static_cast<off_t>(end_ - offset_)) != 0) {
    if (errno == EINTR) continue;
    // Not every file system reserves; the zeros themselves then take the space.
    return errno == EOPNOTSUPP ? 0 : -errno;
  }
  return 0;
}

int ZeroFillJob::Fill() {
  if (offset_ == end_) return 0;
  if (int error = Reserve()) return error;
  void* zeros = mmap(nullptr, kZeroChunk, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (zeros == MAP_FAILED) return -ENOMEM;
  int error = 0;
  while (offset_ < end_ && error == 0) {
    size_t length = std::min<uint64_t>(kZeroChunk, end_ - offset_);
    ssize_t taken = pwrite(fd_, zeros, length, static_cast<off_t>(offset_));
    if (taken > 0) {
      offset_ += static_cast<uint64_t>(taken);
    } else if (taken == 0) {
      error = -EIO;
    } else if (errno != EINTR) {
      error = -errno;
    }
  }
  munmap(zeros, kZeroChunk);
  return error;
}

// Reads whole aligned blocks around the range wanted, and hands JavaScript the range in them.
class ReadJob final : public Job {
 public:
  ReadJob(int fd, uint64_t offset, uint64_t length)
      : fd_(fd), start_(offset / kDirectAlignment * kDirectAlignment), skip_(offset - start_),
        length_(length) {}
  ~ReadJob() override {
    if (data_ != nullptr) munmap(data_, capacity_);
  }
  void Run() override { error_ = Read(); }
  napi_value Result(napi_env env) override;

 private:
  int Read();

  int fd_;
  uint64_t start_;
  uint64_t skip_;
  uint64_t length_;
  char* data_ = nullptr;
  size_t capacity_ = 0;
  size_t done_ = 0;
  int error_ = 0;
};

int ReadJob::Read() {
  // One page at least: a mapping cannot be empty.
  size_t blocks = (skip_ + length_ + kDirectAlignment - 1) / kDirectAlignment;
  capacity_ = std::max<size_t>(1, blocks) * kDirectAlignment;
  data_ = MapDirectBuffer(capacity_);
  if (data_ == nullptr) return -ENOMEM;
  while (done_ < capacity_ && length_ > 0) {
    ssize_t got = pread(fd_, data_ + done_, capacity_ - done_, static_cast<off_t>(start_ + done_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    done_ += static_cast<size_t>(got);
    // The end of the file; from an unaligned spot a direct read could not go on anyway.
    if (got == 0 || done_ % kDirectAlignment != 0) break;
  }
  return 0;
}

napi_value ReadJob::Result(napi_env env) {
  if (error_ != 0) return Int32(env, error_);
  size_t there = done_ > skip_ ? std::min<size_t>(done_ - skip_, length_) : 0;
  napi_value buffer = nullptr, bytes = nullptr;
  auto drop = [](napi_env, void* data, void* bytes) {
    munmap(data, reinterpret_cast<uintptr_t>(bytes));
  };
  void* bytes_hint = reinterpret_cast<void*>(static_cast<uintptr_t>(capacity_));
  if (napi_create_external_arraybuffer(env, data_, capacity_, drop, bytes_hint, &buffer) !=
      napi_ok) {
    return Int32(env, -ENOMEM);
  }
  data_ = nullptr;
  if (napi_create_typedarray(env, napi_uint8_array, there, buffer, skip_, &bytes) != napi_ok) {
    return nullptr;
  }
  return bytes;
}

// Reads into memory that JavaScript gives, and that is held until then: for whoever reads on and on and
// keeps nothing. Everything must be aligned; what is not shows as EINVAL.
class ReadIntoJob final : public Job {
 public:
  ReadIntoJob(int fd, uint64_t offset, char* data, size_t length, napi_ref held)
      : fd_(fd), offset_(offset), data_(data), length_(length), held_(held) {}
  void Run() override;
  napi_value Result(napi_env env) override {
    napi_delete_reference(env, held_);
    return error_ != 0 ? Int32(env, error_) : Int32(env, static_cast<int32_t>(done_));
  }

 private:
  int fd_;
  uint64_t offset_;
  char* data_;
  size_t length_;
  napi_ref held_;
  size_t done_ = 0;
  int error_ = 0;
};

void ReadIntoJob::Run() {
  while (done_ < length_) {
    ssize_t got = pread(fd_, data_ + done_, length_ - done_, static_cast<off_t>(offset_ + done_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error_ = -errno;
    if (got <= 0) return;
    done_ += static_cast<size_t>(got);
    if (done_ % kDirectAlignment != 0) return;  // the end of the file
  }
}

napi_value StartReadInto(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int32_t fd;
  uint64_t offset;
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (!GetArgs(env, info, args) || !GetInt32(env, args[0], &fd) ||
      !GetOffset(env, args[1], &offset)) {
    return nullptr;
  }
  if (napi_get_typedarray_info(env, args[2], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || length > INT32_MAX) {
    napi_throw_type_error(env, nullptr, "readInto takes a Uint8Array of less than 2 GiB");
    return nullptr;
  }
  napi_ref held = nullptr;
  if (napi_create_reference(env, args[2], 1, &held) != napi_ok) return nullptr;
  return StartJob(env, new (std::nothrow)
                           ReadIntoJob(fd, offset, static_cast<char*>(data), length, held));
}

template <typename T>
napi_value Start(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int32_t fd;
  uint64_t offset, length;
  if (!GetArgs(env, info, args) || !GetInt32(env, args[0], &fd) ||
      !GetOffset(env, args[1], &offset) || !GetOffset(env, args[2], &length)) {
    return nullptr;
  }
  return StartJob(env, new (std::nothrow) T(fd, offset, length));
}

}  // namespace

void ExportFile(napi_env env, napi_value exports) {
  SetFunction(env, exports, "zeroFill", Start<ZeroFillJob>);
  SetFunction(env, exports, "read", Start<ReadJob>);
  SetFunction(env, exports, "readInto", StartReadInto);
}

}  // namespace holdfast
