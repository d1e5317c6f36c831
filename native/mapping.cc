#include "mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "guarded_copy.h"
#include "job.h"
#include "napi_util.h"

namespace holdfast {
namespace {

struct Mapping : Handle {
  static constexpr uint32_t kKind = 0x4d415050;
  Mapping() : Handle(kKind) {}
  ~Mapping() { Close(); }
  void Close() {
    if (data != nullptr) munmap(const_cast<char*>(data), length);
    data = nullptr;
    closed = true;
  }

  const char* data = nullptr;  // null for an empty file, too
  size_t length = 0;
  bool closed = false;
};

class MapJob final : public Job {
 public:
  explicit MapJob(char* path) : path_(path) {}
  ~MapJob() override {
    delete mapping_;
    std::free(path_);
  }
  void Run() override {
    int fd = open(path_, O_RDONLY | O_CLOEXEC);
    error_ = fd < 0 ? -errno : Map(fd);
    if (fd >= 0) close(fd);
  }
  napi_value Result(napi_env env) override;

 private:
  int Map(int fd);

  char* path_;
  Mapping* mapping_ = nullptr;
  int error_ = 0;
};

int MapJob::Map(int fd) {
  if (int error = InstallFaultHandler()) return error;
  struct stat status;
  if (fstat(fd, &status) != 0) return -errno;
  if (!S_ISREG(status.st_mode)) return -EINVAL;
  mapping_ = new (std::nothrow) Mapping();
  if (mapping_ == nullptr) return -ENOMEM;
  if (status.st_size == 0) return 0;
  size_t length = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return -errno;
  mapping_->data = static_cast<const char*>(data);
  mapping_->length = length;
  return 0;
}

// [handle, length], or a negative errno.
napi_value MapJob::Result(napi_env env) {
  if (error_ != 0) return Int32(env, error_);
  napi_value handle = nullptr, pair = nullptr;
  auto drop = [](napi_env, void* data, void*) {
    delete static_cast<Mapping*>(static_cast<Handle*>(data));
  };
  if (napi_create_external(env, static_cast<Handle*>(mapping_), drop, nullptr, &handle) !=
      napi_ok) {
    return nullptr;
  }
  napi_create_array_with_length(env, 2, &pair);
  napi_set_element(env, pair, 0, handle);
  napi_set_element(env, pair, 1, Number(env, static_cast<double>(mapping_->length)));
  mapping_ = nullptr;
  return pair;
}

napi_value MapFile(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  char* path = GetPath(env, args[0]);
  if (path == nullptr) return nullptr;
  return StartJob(env, new (std::nothrow) MapJob(path));
}

// copy(handle, offset, length, target, targetStart): 0 or a negative errno.
napi_value Copy(napi_env env, napi_callback_info info) {
  napi_value args[5];
  uint64_t offset, length, start;
  if (!GetArgs(env, info, args)) return nullptr;
  Mapping* mapping = GetHandle<Mapping>(env, args[0]);
  if (mapping == nullptr || !GetOffset(env, args[1], &offset) ||
      !GetOffset(env, args[2], &length) || !GetOffset(env, args[4], &start)) {
    return nullptr;
  }
  Bytes target;
  if (!GetBytes(env, args[3], &target)) return nullptr;
  if (mapping->closed) return Int32(env, -EBADF);
  if (length > mapping->length || offset > mapping->length - length) {
    ThrowRange(env, "the range is outside the mapped file");
    return nullptr;
  }
  if (length > target.length || start > target.length - length) {
    ThrowRange(env, "the range is outside the target");
    return nullptr;
  }
  if (length == 0) return Int32(env, 0);
  char* to = reinterpret_cast<char*>(target.data) + start;
  bool good = GuardedCopy(to, mapping->data + offset, static_cast<size_t>(length));
  return Int32(env, good ? 0 : -EIO);
}

napi_value Unmap(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  Mapping* mapping = GetHandle<Mapping>(env, args[0]);
  if (mapping != nullptr) mapping->Close();
  return Undefined(env);
}

}  // namespace

void ExportMapping(napi_env env, napi_value exports) {
  SetFunction(env, exports, "map", MapFile);
  SetFunction(env, exports, "copy", Copy);
  SetFunction(env, exports, "unmap", Unmap);
}

}  // namespace holdfast
