// What carries out the writes of a queue: a ring (ring_engine.cc) or threads (thread_engine.cc).
// All of it is called on the JavaScript thread that made it.
#pragma once

#include <cstdint>

#include "durable_write.h"

namespace holdfast {

struct Completion {
  int32_t slot;
  int32_t error;  // 0 or a negative errno
};

class WriteEngine {
 public:
  virtual ~WriteEngine() = default;
  // 0: the write was taken and will complete. Negative errno: it was not, and never will.
  virtual int Submit(uint32_t slot, const Write& write) = 0;
  // Completions there are now; at most one for each slot. Never blocks.
  virtual uint32_t Reap(Completion* completions) = 0;
  // Blocks until there is something for Reap to look at.
  virtual void Wait() = 0;
  // Readable when there is something for Reap to look at.
  virtual int poll_fd() const = 0;
};

// Both give null and set *error to a negative errno when the system refuses.
WriteEngine* NewRingEngine(uint32_t slot_count, int lock_fd, int* error);
WriteEngine* NewThreadEngine(uint32_t slot_count, int* error);

// 0 if this process may make a ring, else a negative errno.
int ProbeRing();

}  // namespace holdfast
