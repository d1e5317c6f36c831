// What the addon keeps for each JavaScript environment (the main thread, every worker), and how all
// of it ends with the environment.
#pragma once

#include <node_api.h>
#include <uv.h>

namespace holdfast {

class Queue;
struct Lock;

struct Env {
  napi_env env = nullptr;
  uv_loop_t* loop = nullptr;
  // Open ones, as lists linked through the objects.
  Queue* queues = nullptr;
  Lock* locks = nullptr;
  // Handles in the event loop whose close was not reported yet: the environment may not end before.
  int open_handles = 0;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  bool ending = false;

  // Called when a handle's close was reported.
  void HandleClosed();
};

// Null after throwing.
Env* NewEnv(napi_env env);
Env* GetEnv(napi_env env);

}  // namespace holdfast
