// A commit queue: slots, the log files written from them, the engine that writes, and the event
// loop that tells JavaScript. queue_api.cc is what JavaScript calls.
#pragma once

#include <node_api.h>
#include <uv.h>

#include "engine.h"
#include "env.h"
#include "lock.h"
#include "napi_util.h"
#include "slot_region.h"

namespace holdfast {

constexpr uint32_t kMostLogs = 64;

struct Log {
  int fd = -1;  // -1: this place is free
  WriteMethod method = WriteMethod::kDirectDsync;
  uint32_t alignment = 1;
  uint32_t in_flight = 0;
};

struct QueueShape {
  uint32_t slot_bytes = 0;
  uint32_t slot_count = 0;
  bool with_ring = true;
};

class Queue final : public Handle {
 public:
  static constexpr uint32_t kKind = 0x51554555;

  // Null and a negative errno when the system refuses.
  static Queue* New(Env* env, const QueueShape& shape, Lock* lock, int* error);
  // Hooks it up to JavaScript: `ready(count)` is called from the event loop with `count` pairs of
  // slot and error in `completions`, and again without new ones while it gives true.
  bool Connect(napi_value ready, Completion* completions, napi_value buffer);

  // 0 or a negative errno.
  int Submit(uint32_t log, uint32_t slot, uint32_t length, uint64_t offset);
  int WriteNow(uint32_t log, uint32_t slot, uint32_t length, uint64_t offset);
  // Blocks for at least one completion. Gives the number of pairs; `ready` follows in a later turn.
  uint32_t Wait();
  // Takes the descriptor over: its number, or a negative errno.
  int AddLog(int fd, WriteMethod method, uint32_t alignment);
  int RemoveLog(uint32_t log);

  // Where the reference to a slot's ArrayBuffer stands, or is to; null if there is no such slot.
  napi_ref* SlotReference(uint32_t slot) {
    return closed() || slot >= shape_.slot_count ? nullptr : &slots_[slot];
  }
  SlotRegion* region() const { return region_; }

  // Frees everything. Nothing may be in flight. Idempotent.
  void Close();
  // The same at the end of the environment: waits for what is in flight and tells nobody.
  void Abandon();

  void Ref() { references_++; }
  void Unref() {
    if (--references_ == 0) delete this;
  }
  bool closed() const { return engine_ == nullptr; }
  Env* env() const { return env_; }

 private:
  Queue() : Handle(kKind) {}
  ~Queue() = default;
  bool Describe(uint32_t log, uint32_t slot, uint32_t length, uint64_t offset, Write* write);
  int StartHandles();
  uint32_t Reap();
  void Deliver(uint32_t count);
  bool CallReady(uint32_t count);
  void KeepLoopAlive();
  void Disconnect();

  Env* env_ = nullptr;
  Queue* next_ = nullptr;
  // JavaScript's handle, the open event-loop handles, and whoever is just using it.
  int references_ = 1;
  QueueShape shape_;
  Lock* lock_ = nullptr;
  SlotRegion* region_ = nullptr;
  WriteEngine* engine_ = nullptr;
  uint32_t in_flight_ = 0;
  // Completions were given out by Wait, and `ready` was not called since.
  bool delivery_owed_ = false;
  Log logs_[kMostLogs];
  uint32_t* slot_logs_ = nullptr;  // for each slot in flight, its log; else kMostLogs

  uv_poll_t poll_ = {};
  uv_idle_t later_ = {};

  Completion* completions_ = nullptr;
  Completion* own_completions_ = nullptr;  // where there is no JavaScript to give them to
  napi_ref ready_ = nullptr;
  napi_ref completions_buffer_ = nullptr;
  napi_ref lock_handle_ = nullptr;
  napi_ref* slots_ = nullptr;  // for each slot, the ArrayBuffer that JavaScript has of it
  napi_async_context context_ = nullptr;

  friend napi_value OpenQueue(napi_env env, napi_callback_info info);
};

void ExportQueue(napi_env env, napi_value exports);

}  // namespace holdfast
