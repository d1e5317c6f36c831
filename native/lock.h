// An exclusive flock on a file.
#pragma once

#include "env.h"
#include "napi_util.h"

namespace holdfast {

struct Lock : Handle {
  static constexpr uint32_t kKind = 0x4c4f434b;
  Lock() : Handle(kKind) {}

  Env* env = nullptr;
  int fd = -1;  // -1 once released
  // Queues that hold the open file as well.
  int users = 0;
  Lock* next = nullptr;
};

// Idempotent. The kernel gives the lock back when the queues that use it are gone, too.
void ReleaseLock(Lock* lock);

void ExportLock(napi_env env, napi_value exports);

}  // namespace holdfast
