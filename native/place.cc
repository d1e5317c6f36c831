#include "place.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <new>

#include "job.h"
#include "log_file.h"
#include "napi_util.h"

namespace holdfast {
namespace {

constexpr size_t kPathBytes = 4096 + 64;

// One line of /sys/dev/block/MAJ:MIN/queue/<name>. A partition has no queue, its disk has.
bool ReadQueueAttribute(dev_t device, const char* name, char* line, size_t capacity) {
  for (const char* folder : {"", "../"}) {
    char path[128];
    std::snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%squeue/%s", major(device),
                  minor(device), folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t got = read(fd, line, capacity - 1);
    close(fd);
    if (got <= 0) continue;
    line[got] = '\0';
    line[std::strcspn(line, "\n")] = '\0';
    return true;
  }
  return false;
}

class PlaceJob final : public Job {
 public:
  explicit PlaceJob(char* directory) : directory_(directory) {}
  ~PlaceJob() override { std::free(directory_); }
  void Run() override;
  napi_value Result(napi_env env) override;

 private:
  int OpenProbe();
  void ProveDirect();

  char* directory_;
  int error_ = 0;
  uint32_t alignment_ = 0;  // 0: not proven
  char physical_block_[32] = "";
  char write_cache_[32] = "";
};

void PlaceJob::Run() {
  struct stat status;
  if (stat(directory_, &status) != 0) {
    error_ = -errno;
    return;
  }
  ReadQueueAttribute(status.st_dev, "physical_block_size", physical_block_,
                     sizeof physical_block_);
  ReadQueueAttribute(status.st_dev, "write_cache", write_cache_, sizeof write_cache_);
  ProveDirect();
}

// A file of our own without a name, so that nothing is left of it whenever this process ends; with
// one for a moment where the file system can do no better. Below zero if there is none.
int PlaceJob::OpenProbe() {
  constexpr int kFlags = O_RDWR | O_DIRECT | O_CLOEXEC;
  int fd = open(directory_, kFlags | O_TMPFILE, 0600);
  if (fd >= 0) return fd;
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return -1;
  char path[kPathBytes];
  int length = std::snprintf(path, sizeof path, "%s/.probe-%d-%016llx.tmp", directory_, getpid(),
                             static_cast<unsigned long long>(random));
  if (length >= static_cast<int>(sizeof path)) return -1;
  fd = open(path, kFlags | O_CREAT | O_EXCL, 0600);
  // A file system that refuses the flag has already made the file.
  if (unlink(path) == 0 || fd < 0) return fd;
  close(fd);
  return -1;
}

void PlaceJob::ProveDirect() {
  int fd = OpenProbe();
  if (fd < 0) return;
  uint32_t alignment = DirectAlignment(fd);
  alignas(16) char bytes[64] = {};
  bool refused = pwrite(fd, bytes + 1, 13, 0) < 0 && errno == EINVAL;
  if (refused) alignment_ = alignment;
  close(fd);
}

napi_value PlaceJob::Result(napi_env env) {
  if (error_ != 0) return Int32(env, error_);
  napi_value place = nullptr;
  napi_create_object(env, &place);
  SetNumber(env, place, "directAlignment", alignment_);
  SetNumber(env, place, "physicalBlockBytes", std::strtol(physical_block_, nullptr, 10));
  SetString(env, place, "writeCache", write_cache_);
  return place;
}

napi_value Place(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  char* directory = GetPath(env, args[0]);
  if (directory == nullptr) return nullptr;
  return StartJob(env, new (std::nothrow) PlaceJob(directory));
}

}  // namespace

void ExportPlace(napi_env env, napi_value exports) { SetFunction(env, exports, "place", Place); }

}  // namespace holdfast
