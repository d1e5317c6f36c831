#include "mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <new>
#include <vector>

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

// Several files at once: an opening maps some hundred of them.
class MapJob final : public Job {
 public:
  ~MapJob() override {
    for (File& file : files_) {
      delete file.mapping;
      std::free(file.path);
    }
  }
  // Takes the path over.
  void Add(char* path) { files_.push_back({path}); }
  void Run() override {
    for (File& file : files_) {
      int fd = open(file.path, O_RDONLY | O_CLOEXEC);
      file.error = fd < 0 ? -errno : Map(fd, &file.mapping);
      if (fd >= 0) close(fd);
    }
  }
  napi_value Result(napi_env env) override;

 private:
  struct File {
    char* path;
    Mapping* mapping = nullptr;
    int error = 0;
  };
  static int Map(int fd, Mapping** out);
  static napi_value ResultOf(napi_env env, File* file);

  std::vector<File> files_;
};

int MapJob::Map(int fd, Mapping** out) {
  if (int error = InstallFaultHandler()) return error;
  struct stat status;
  if (fstat(fd, &status) != 0) return -errno;
  if (!S_ISREG(status.st_mode)) return -EINVAL;
  Mapping* mapping = *out = new (std::nothrow) Mapping();
  if (mapping == nullptr) return -ENOMEM;
  if (status.st_size == 0) return 0;
  size_t length = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return -errno;
  mapping->data = static_cast<const char*>(data);
  mapping->length = length;
  return 0;
}

// [handle, length], or a negative errno.
napi_value MapJob::ResultOf(napi_env env, File* file) {
  if (file->error != 0) return Int32(env, file->error);
  napi_value handle = nullptr, pair = nullptr;
  auto drop = [](napi_env, void* data, void*) {
    delete static_cast<Mapping*>(static_cast<Handle*>(data));
  };
  if (napi_create_external(env, static_cast<Handle*>(file->mapping), drop, nullptr, &handle) !=
      napi_ok) {
    return nullptr;
  }
  napi_create_array_with_length(env, 2, &pair);
  napi_set_element(env, pair, 0, handle);
  napi_set_element(env, pair, 1, Number(env, static_cast<double>(file->mapping->length)));
  file->mapping = nullptr;
  return pair;
}

napi_value MapJob::Result(napi_env env) {
  napi_value results = nullptr;
  napi_create_array_with_length(env, files_.size(), &results);
  for (size_t i = 0; i < files_.size(); i++) {
    napi_value result = ResultOf(env, &files_[i]);
    if (result == nullptr) return nullptr;
    napi_set_element(env, results, static_cast<uint32_t>(i), result);
  }
  return results;
}

// map(paths): for each of them [handle, length], or a negative errno.
napi_value MapFiles(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t count = 0;
  if (!GetArgs(env, info, args)) return nullptr;
  if (napi_get_array_length(env, args[0], &count) != napi_ok) {
    ThrowMisuse(env, "expected an array of paths");
    return nullptr;
  }
  std::unique_ptr<MapJob> job(new (std::nothrow) MapJob());
  for (uint32_t i = 0; job != nullptr && i < count; i++) {
    napi_value value = nullptr;
    if (napi_get_element(env, args[0], i, &value) != napi_ok) return nullptr;
    char* path = GetPath(env, value);
    if (path == nullptr) return nullptr;
    job->Add(path);
  }
  return StartJob(env, job.release());
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
  SetFunction(env, exports, "map", MapFiles);
  SetFunction(env, exports, "copy", Copy);
  SetFunction(env, exports, "unmap", Unmap);
}

}  // namespace holdfast
