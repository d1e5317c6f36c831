#include "queue.h"

#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <new>

namespace holdfast {
namespace {

Queue* QueueOf(uv_handle_t* handle) { return static_cast<Queue*>(handle->data); }

}  // namespace

Queue* Queue::New(Env* env, const QueueShape& shape, Lock* lock, int* error) {
  Queue* queue = new (std::nothrow) Queue();
  *error = -ENOMEM;
  if (queue == nullptr) return nullptr;
  queue->env_ = env;
  queue->shape_ = shape;
  queue->lock_ = lock;
  UseLock(lock);
  queue->next_ = env->queues;
  env->queues = queue;
  queue->own_completions_ = new (std::nothrow) Completion[shape.slot_count];
  queue->completions_ = queue->own_completions_;
  queue->slot_logs_ = new (std::nothrow) uint32_t[shape.slot_count];
  queue->slots_ = new (std::nothrow) napi_ref[shape.slot_count]();
  queue->region_ = SlotRegion::New(shape.slot_bytes, shape.slot_count);
  if (queue->own_completions_ != nullptr && queue->slot_logs_ != nullptr &&
      queue->slots_ != nullptr && queue->region_ != nullptr) {
    for (uint32_t i = 0; i < shape.slot_count; i++) queue->slot_logs_[i] = kMostLogs;
    queue->engine_ = shape.with_ring ? NewRingEngine(shape.slot_count, lock->fd, error)
                                     : NewThreadEngine(shape.slot_count, error);
  }
  if (queue->engine_ != nullptr) *error = queue->StartHandles();
  if (*error == 0) return queue;
  queue->Disconnect();
  queue->Unref();
  return nullptr;
}

int Queue::StartHandles() {
  if (int error = uv_poll_init(env_->loop, &poll_, engine_->poll_fd())) return error;
  poll_.data = this;
  Ref();
  env_->open_handles++;
  // Cannot fail.
  uv_idle_init(env_->loop, &later_);
  later_.data = this;
  Ref();
  env_->open_handles++;
  int error = uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    Queue* queue = QueueOf(reinterpret_cast<uv_handle_t*>(handle));
    if (queue->closed()) return;
    uint32_t count = queue->Reap();
    if (count > 0 || queue->delivery_owed_) queue->Deliver(count);
  });
  KeepLoopAlive();
  return error;
}

bool Queue::Connect(napi_value ready, Completion* completions, napi_value buffer) {
  napi_env env = env_->env;
  napi_value resource = nullptr, name = nullptr;
  if (napi_create_reference(env, ready, 1, &ready_) != napi_ok ||
      napi_create_reference(env, buffer, 1, &completions_buffer_) != napi_ok ||
      napi_create_object(env, &resource) != napi_ok ||
      napi_create_string_utf8(env, "holdfast.commit", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, resource, name, &context_) != napi_ok) {
    return false;
  }
  completions_ = completions;
  return true;
}

bool Queue::Describe(uint32_t log, uint32_t slot, uint32_t length, uint64_t offset,
                     Write* write) {
  if (closed() || log >= kMostLogs || logs_[log].fd < 0) return false;
  if (slot >= shape_.slot_count || slot_logs_[slot] != kMostLogs) return false;
  if (length == 0 || length > shape_.slot_bytes) return false;
  write->fd = logs_[log].fd;
  write->method = logs_[log].method;
  write->alignment = logs_[log].alignment;
  write->data = region_->slot(slot);
  write->length = length;
  write->offset = offset;
  return true;
}

int Queue::Submit(uint32_t log, uint32_t slot, uint32_t length, uint64_t offset) {
  Write write;
  if (!Describe(log, slot, length, offset, &write)) return -EINVAL;
  if (int error = engine_->Submit(slot, write)) return error;
  slot_logs_[slot] = log;
  logs_[log].in_flight++;
  if (in_flight_++ == 0) KeepLoopAlive();
  return 0;
}

int Queue::WriteNow(uint32_t log, uint32_t slot, uint32_t length, uint64_t offset) {
  Write write;
  if (!Describe(log, slot, length, offset, &write)) return -EINVAL;
  return WriteDurably(write);
}

uint32_t Queue::Reap() {
  uint32_t count = engine_->Reap(completions_);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t slot = static_cast<uint32_t>(completions_[i].slot);
    logs_[slot_logs_[slot]].in_flight--;
    slot_logs_[slot] = kMostLogs;
  }
  in_flight_ -= count;
  return count;
}

uint32_t Queue::Wait() {
  uint32_t count = 0;
  while (in_flight_ > 0 && count == 0) {
    engine_->Wait();
    count = Reap();
  }
  if (count == 0) return 0;
  delivery_owed_ = true;
  KeepLoopAlive();
  uv_idle_start(&later_, [](uv_idle_t* handle) {
    Queue* queue = QueueOf(reinterpret_cast<uv_handle_t*>(handle));
    uv_idle_stop(&queue->later_);
    if (queue->delivery_owed_) queue->Deliver(0);
  });
  return count;
}

// In the event loop: tells JavaScript, again and again while it has more to do. Each call is a
// callback scope of its own, at whose end Node.js runs the ticks and promise continuations.
void Queue::Deliver(uint32_t count) {
  Ref();
  delivery_owed_ = false;
  while (!closed() && CallReady(count)) count = 0;
  if (!closed()) KeepLoopAlive();
  Unref();
}

bool Queue::CallReady(uint32_t count) {
  napi_env env = env_->env;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_value ready = nullptr, global = nullptr, argument = nullptr, result = nullptr;
  bool again = false;
  if (napi_get_reference_value(env, ready_, &ready) == napi_ok && ready != nullptr &&
      napi_get_global(env, &global) == napi_ok &&
      napi_create_uint32(env, count, &argument) == napi_ok) {
    napi_status status =
        napi_make_callback(env, context_, global, ready, 1, &argument, &result);
    if (status == napi_ok) {
      napi_get_value_bool(env, result, &again);
    } else if (status == napi_pending_exception) {
      // As for any callback from the event loop: nobody is there to catch it.
      napi_value error = nullptr;
      napi_get_and_clear_last_exception(env, &error);
      napi_fatal_exception(env, error);
    }
  }
  napi_close_handle_scope(env, scope);
  return again;
}

// The event loop, and so the process, stays while something is still to be told and no longer.
void Queue::KeepLoopAlive() {
  uv_handle_t* poll = reinterpret_cast<uv_handle_t*>(&poll_);
  if (in_flight_ > 0 || delivery_owed_) {
    uv_ref(poll);
  } else {
    uv_unref(poll);
  }
}

int Queue::AddLog(int fd, WriteMethod method, uint32_t alignment) {
  if (closed()) return -EBADF;
  for (uint32_t i = 0; i < kMostLogs; i++) {
    if (logs_[i].fd >= 0) continue;
    logs_[i] = {fd, method, alignment, 0};
    return static_cast<int>(i);
  }
  return -EMFILE;
}

int Queue::RemoveLog(uint32_t log) {
  if (closed()) return 0;
  if (log >= kMostLogs || logs_[log].fd < 0) return -EBADF;
  // The descriptor's number could go to another file while a remainder is still to be written.
  if (logs_[log].in_flight > 0) return -EBUSY;
  int fd = logs_[log].fd;
  logs_[log].fd = -1;
  return close(fd) == 0 ? 0 : -errno;
}

void Queue::Close() {
  if (closed() || in_flight_ > 0) return;
  Ref();
  napi_env env = env_->env;
  // What JavaScript still holds becomes empty; the memory goes when V8 has let go of it.
  for (uint32_t slot = 0; slot < shape_.slot_count; slot++) {
    napi_value buffer = nullptr;
    if (slots_[slot] == nullptr) continue;
    if (napi_get_reference_value(env, slots_[slot], &buffer) == napi_ok && buffer != nullptr) {
      napi_detach_arraybuffer(env, buffer);
    }
    napi_delete_reference(env, slots_[slot]);
  }
  Disconnect();
  for (napi_ref* reference : {&ready_, &completions_buffer_, &lock_handle_}) {
    if (*reference != nullptr) napi_delete_reference(env, *reference);
    *reference = nullptr;
  }
  if (context_ != nullptr) napi_async_destroy(env, context_);
  context_ = nullptr;
  Unref();
}

void Queue::Abandon() {
  completions_ = own_completions_;
  while (in_flight_ > 0) {
    engine_->Wait();
    Reap();
  }
  Disconnect();
  // The references go with the environment.
}

// Everything that is not JavaScript's.
void Queue::Disconnect() {
  for (Queue** link = &env_->queues; *link != nullptr; link = &(*link)->next_) {
    if (*link != this) continue;
    *link = next_;
    break;
  }
  auto closed = [](uv_handle_t* handle) {
    Queue* queue = QueueOf(handle);
    queue->env_->HandleClosed();
    queue->Unref();
  };
  // Before the engine closes the descriptor that is polled.
  if (poll_.data != nullptr) uv_close(reinterpret_cast<uv_handle_t*>(&poll_), closed);
  if (later_.data != nullptr) uv_close(reinterpret_cast<uv_handle_t*>(&later_), closed);
  delete engine_;
  engine_ = nullptr;
  for (Log& log : logs_) {
    if (log.fd >= 0) close(log.fd);
    log.fd = -1;
  }
  if (lock_ != nullptr) LeaveLock(lock_);
  lock_ = nullptr;
  if (region_ != nullptr) region_->Unref();
  region_ = nullptr;
  delete[] own_completions_;
  own_completions_ = nullptr;
  delete[] slot_logs_;
  slot_logs_ = nullptr;
  delete[] slots_;
  slots_ = nullptr;
}

}  // namespace holdfast
