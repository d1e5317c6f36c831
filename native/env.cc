#include "env.h"

#include <new>

#include "lock.h"
#include "queue.h"

namespace holdfast {
namespace {

// The environment ends (the process or a worker): no JavaScript runs any more, but writes may be in
// flight from memory that is about to go. They are waited for; then everything is closed.
void End(napi_async_cleanup_hook_handle handle, void* data) {
  Env* env = static_cast<Env*>(data);
  env->cleanup = handle;
  env->ending = true;
  while (env->queues != nullptr) env->queues->Abandon();
  while (env->locks != nullptr) ReleaseLock(env->locks);
  env->open_handles++;
  env->HandleClosed();
}

void Delete(napi_env, void* data, void*) { delete static_cast<Env*>(data); }

}  // namespace

void Env::HandleClosed() {
  if (--open_handles > 0 || !ending) return;
  napi_remove_async_cleanup_hook(cleanup);
}

Env* NewEnv(napi_env env) {
  Env* state = new (std::nothrow) Env();
  if (state == nullptr) return nullptr;
  state->env = env;
  if (napi_get_uv_event_loop(env, &state->loop) != napi_ok ||
      napi_set_instance_data(env, state, Delete, nullptr) != napi_ok) {
    delete state;
    return nullptr;
  }
  if (napi_add_async_cleanup_hook(env, End, state, &state->cleanup) != napi_ok) return nullptr;
  return state;
}

Env* GetEnv(napi_env env) {
  void* state = nullptr;
  napi_get_instance_data(env, &state);
  return static_cast<Env*>(state);
}

}  // namespace holdfast
