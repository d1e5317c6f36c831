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
  // Queues that write under it, and whether it was to be released while there were some.
  int users = 0;
  bool released = false;
  Lock* next = nullptr;
};

// Idempotent. Takes effect when no queue uses it any more.
void ReleaseLock(Lock* lock);
// For queues. The lock stays taken in between, whatever happens.
void UseLock(Lock* lock);
void LeaveLock(Lock* lock);

void ExportLock(napi_env env, napi_value exports);

}  // namespace holdfast
