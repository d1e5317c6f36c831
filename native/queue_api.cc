// The commit queue as JavaScript calls it. A queue is a handle; logs and slots are numbers.
#include <cerrno>
#include <new>

#include "job.h"
#include "log_file.h"
#include "queue.h"

namespace holdfast {
namespace {

void DeleteQueue(napi_env, void* data, void*) {
  static_cast<Queue*>(static_cast<Handle*>(data))->Unref();
}

// V8 counts the length of a slot as memory that a collection could free, and collects more often. All
// but the pages that frames have reached is room that nothing takes: it is counted out before V8
// counts it in, and in again before V8 counts it out.
void CountSlot(napi_env env, int64_t bytes) {
  int64_t now = 0;
  napi_adjust_external_memory(env, bytes, &now);
}

void DropSlot(napi_env env, void*, void* data) {
  SlotRegion* region = static_cast<SlotRegion*>(data);
  CountSlot(env, static_cast<int64_t>(region->slot_bytes()));
  region->Unref();
}

bool GetShape(napi_env env, napi_value* args, QueueShape* shape) {
  if (!GetUint32(env, args[0], &shape->slot_bytes) ||
      !GetUint32(env, args[1], &shape->slot_count) ||
      napi_get_value_bool(env, args[2], &shape->with_ring) != napi_ok) {
    return false;
  }
  bool good = shape->slot_bytes > 0 && shape->slot_bytes % 4096 == 0 &&
              shape->slot_bytes <= (1u << 30) && shape->slot_count > 0 &&
              shape->slot_count <= 1024;
  return good || ThrowMisuse(env, "slots must be 1 to 1024, each a multiple of 4096 bytes");
}

struct WriteArgs {
  Queue* queue;
  uint32_t log, slot, length;
  uint64_t offset;
};

bool GetWriteArgs(napi_env env, napi_callback_info info, WriteArgs* out) {
  napi_value args[5];
  if (!GetArgs(env, info, args)) return false;
  out->queue = GetHandle<Queue>(env, args[0]);
  return out->queue != nullptr && GetUint32(env, args[1], &out->log) &&
         GetUint32(env, args[2], &out->slot) && GetUint32(env, args[3], &out->length) &&
         GetOffset(env, args[4], &out->offset);
}

napi_value Submit(napi_env env, napi_callback_info info) {
  WriteArgs args;
  if (!GetWriteArgs(env, info, &args)) return nullptr;
  return Int32(env, args.queue->Submit(args.log, args.slot, args.length, args.offset));
}

napi_value WriteNow(napi_env env, napi_callback_info info) {
  WriteArgs args;
  if (!GetWriteArgs(env, info, &args)) return nullptr;
  return Int32(env, args.queue->WriteNow(args.log, args.slot, args.length, args.offset));
}

napi_value Slot(napi_env env, napi_callback_info info) {
  napi_value args[2];
  uint32_t slot;
  if (!GetArgs(env, info, args)) return nullptr;
  Queue* queue = GetHandle<Queue>(env, args[0]);
  if (queue == nullptr || !GetUint32(env, args[1], &slot)) return nullptr;
  napi_ref* reference = queue->SlotReference(slot);
  if (reference == nullptr || *reference != nullptr) {
    ThrowMisuse(env, "there is no such slot, or it was given before");
    return nullptr;
  }
  SlotRegion* region = queue->region();
  int64_t bytes = static_cast<int64_t>(region->slot_bytes());
  napi_value buffer = nullptr;
  region->Ref();
  CountSlot(env, -bytes);
  if (napi_create_external_arraybuffer(env, region->slot(slot), region->slot_bytes(), DropSlot,
                                       region, &buffer) != napi_ok) {
    DropSlot(env, nullptr, region);
    ThrowMisuse(env, "no ArrayBuffer for a slot");
    return nullptr;
  }
  if (napi_create_reference(env, buffer, 1, reference) != napi_ok) {
    // It must not outlive the queue unseen.
    napi_detach_arraybuffer(env, buffer);
    ThrowMisuse(env, "no reference to a slot");
    return nullptr;
  }
  return buffer;
}

napi_value Wait(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  Queue* queue = GetHandle<Queue>(env, args[0]);
  if (queue == nullptr) return nullptr;
  return Int32(env, queue->closed() ? 0 : static_cast<int32_t>(queue->Wait()));
}

napi_value CloseQueue(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  Queue* queue = GetHandle<Queue>(env, args[0]);
  if (queue != nullptr) queue->Close();
  return Undefined(env);
}

napi_value CloseLog(napi_env env, napi_callback_info info) {
  napi_value args[2];
  uint32_t log;
  if (!GetArgs(env, info, args)) return nullptr;
  Queue* queue = GetHandle<Queue>(env, args[0]);
  if (queue == nullptr || !GetUint32(env, args[1], &log)) return nullptr;
  return Int32(env, queue->RemoveLog(log));
}

class OpenLogJob final : public Job {
 public:
  OpenLogJob(Queue* queue, char* path, WriteMethod method)
      : queue_(queue), path_(path), method_(method) {
    queue_->Ref();
  }
  ~OpenLogJob() override {
    queue_->Unref();
    std::free(path_);
  }
  void Run() override { opened_ = OpenLogFile(path_, method_); }
  napi_value Result(napi_env env) override {
    if (opened_.error != 0) return Int32(env, opened_.error);
    int log = queue_->AddLog(opened_.fd, method_, opened_.alignment);
    if (log >= 0) opened_.fd = -1;
    return Int32(env, log);
  }

 private:
  Queue* queue_;
  char* path_;
  WriteMethod method_;
  OpenedLog opened_;
};

napi_value OpenLog(napi_env env, napi_callback_info info) {
  napi_value args[3];
  uint32_t method;
  if (!GetArgs(env, info, args)) return nullptr;
  Queue* queue = GetHandle<Queue>(env, args[0]);
  if (queue == nullptr || !GetUint32(env, args[2], &method)) return nullptr;
  if (method > static_cast<uint32_t>(WriteMethod::kBufferedFdatasync)) {
    ThrowMisuse(env, "no such write method");
    return nullptr;
  }
  char* path = GetPath(env, args[1]);
  if (path == nullptr) return nullptr;
  WriteMethod how = static_cast<WriteMethod>(method);
  return StartJob(env, new (std::nothrow) OpenLogJob(queue, path, how));
}

napi_value Probe(napi_env env, napi_callback_info) { return Int32(env, ProbeRing()); }

}  // namespace

// openQueue(slotBytes, slotCount, ring, lock, completions, ready): a handle, or a negative errno.
napi_value OpenQueue(napi_env env, napi_callback_info info) {
  napi_value args[6];
  QueueShape shape;
  if (!GetArgs(env, info, args) || !GetShape(env, args, &shape)) return nullptr;
  Lock* lock = GetHandle<Lock>(env, args[3]);
  if (lock == nullptr) return nullptr;
  if (lock->released) return Int32(env, -EBADF);
  napi_typedarray_type type;
  size_t length = 0;
  void* completions = nullptr;
  if (napi_get_typedarray_info(env, args[4], &type, &length, &completions, nullptr, nullptr) !=
          napi_ok ||
      type != napi_int32_array || length < size_t{shape.slot_count} * 2) {
    ThrowMisuse(env, "completions must be an Int32Array with two places for each slot");
    return nullptr;
  }
  int error = 0;
  Queue* queue = Queue::New(GetEnv(env), shape, lock, &error);
  if (queue == nullptr) return Int32(env, error);
  napi_value handle = nullptr;
  if (napi_create_external(env, static_cast<Handle*>(queue), DeleteQueue, nullptr, &handle) !=
      napi_ok) {
    queue->Close();
    queue->Unref();
    return nullptr;
  }
  if (napi_create_reference(env, args[3], 1, &queue->lock_handle_) != napi_ok ||
      !queue->Connect(args[5], static_cast<Completion*>(completions), args[4])) {
    queue->Close();
    return Int32(env, -ENOMEM);
  }
  return handle;
}

void ExportQueue(napi_env env, napi_value exports) {
  SetFunction(env, exports, "probeRing", Probe);
  SetFunction(env, exports, "openQueue", OpenQueue);
  SetFunction(env, exports, "slot", Slot);
  SetFunction(env, exports, "openLog", OpenLog);
  SetFunction(env, exports, "closeLog", CloseLog);
  SetFunction(env, exports, "submit", Submit);
  SetFunction(env, exports, "writeNow", WriteNow);
  SetFunction(env, exports, "wait", Wait);
  SetFunction(env, exports, "closeQueue", CloseQueue);
}

}  // namespace holdfast
