#include "seam.h"

#ifdef HOLDFAST_TEST_SEAM

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "napi_util.h"

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one and the same; neither is in a header for programs.
#define HOLDFAST_IOC_SHUTDOWN _IOR('X', 125, uint32_t)

namespace holdfast::seam {
namespace {

// After `after` harmless passes, the next `count` passes are hit with `value`.
struct Fault {
  uint32_t after = 0;
  uint32_t count = 0;
  uint32_t value = 0;

  bool Hit() {
    if (count == 0) return false;
    if (after > 0) {
      after--;
      return false;
    }
    count--;
    return true;
  }
};

// The threads of the thread engine come here as well.
std::mutex mutex;
Fault completion_fault;
Fault short_write;
Fault enter_fault;
Fault split_submission;
Fault stale_flag;
int ring_refusal = 0;
int thread_refusal = 0;

template <Fault& fault>
napi_value SetFault(napi_env env, napi_callback_info info) {
  napi_value args[3];
  uint32_t after, value, count;
  if (!GetArgs(env, info, args) || !GetUint32(env, args[0], &after) ||
      !GetUint32(env, args[1], &value) || !GetUint32(env, args[2], &count)) {
    return nullptr;
  }
  std::lock_guard<std::mutex> guard(mutex);
  fault.after = after;
  fault.value = value;
  fault.count = count;
  return Undefined(env);
}

napi_value SetRefusals(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int32_t ring, thread;
  if (!GetArgs(env, info, args) || !GetInt32(env, args[0], &ring) ||
      !GetInt32(env, args[1], &thread)) {
    return nullptr;
  }
  std::lock_guard<std::mutex> guard(mutex);
  ring_refusal = ring;
  thread_refusal = thread;
  return Undefined(env);
}

// How many times a flag that was set by `setStaleFlag` was not looked at yet.
napi_value StaleFlagLeft(napi_env env, napi_callback_info) {
  std::lock_guard<std::mutex> guard(mutex);
  return Int32(env, static_cast<int32_t>(stale_flag.count));
}

// What a power cut does to the file system of a directory: from now on nothing gets to its device,
// not even the journal, and every operation fails.
napi_value ShutdownFileSystem(napi_env env, napi_callback_info info) {
  constexpr uint32_t kNoLogFlush = 2;
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  char* directory = GetPath(env, args[0]);
  if (directory == nullptr) return nullptr;
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = fd < 0 ? -errno : 0;
  std::free(directory);
  if (fd < 0) return Int32(env, error);
  uint32_t how = kNoLogFlush;
  if (ioctl(fd, HOLDFAST_IOC_SHUTDOWN, &how) != 0) error = -errno;
  close(fd);
  return Int32(env, error);
}

}  // namespace

int32_t FilterResult(int32_t result) {
  std::lock_guard<std::mutex> guard(mutex);
  return completion_fault.Hit() ? -static_cast<int32_t>(completion_fault.value) : result;
}

uint32_t ClampLength(uint32_t length) {
  std::lock_guard<std::mutex> guard(mutex);
  return length > short_write.value && short_write.Hit() ? short_write.value : length;
}

int EnterFault() {
  std::lock_guard<std::mutex> guard(mutex);
  return enter_fault.Hit() ? static_cast<int>(enter_fault.value) : 0;
}

uint32_t ClampSubmission(uint32_t count) {
  std::lock_guard<std::mutex> guard(mutex);
  return count > split_submission.value && split_submission.Hit() ? split_submission.value : count;
}

bool Deferred(bool flag) {
  std::lock_guard<std::mutex> guard(mutex);
  return stale_flag.Hit() || flag;
}

int RingRefusal() {
  std::lock_guard<std::mutex> guard(mutex);
  return ring_refusal;
}

int ThreadRefusal() {
  std::lock_guard<std::mutex> guard(mutex);
  return thread_refusal;
}

void Export(napi_env env, napi_value exports) {
  napi_value seam = nullptr;
  napi_create_object(env, &seam);
  SetFunction(env, seam, "setCompletionFault", SetFault<completion_fault>);
  SetFunction(env, seam, "setShortWrite", SetFault<short_write>);
  SetFunction(env, seam, "setEnterFault", SetFault<enter_fault>);
  SetFunction(env, seam, "setSplitSubmission", SetFault<split_submission>);
  SetFunction(env, seam, "setStaleFlag", SetFault<stale_flag>);
  SetFunction(env, seam, "staleFlagLeft", StaleFlagLeft);
  SetFunction(env, seam, "setRefusals", SetRefusals);
  SetFunction(env, seam, "shutdownFileSystem", ShutdownFileSystem);
  napi_set_named_property(env, exports, "seam", seam);
}

}  // namespace holdfast::seam

#endif
