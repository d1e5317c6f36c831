// Work that blocks, done on a thread of libuv's pool, with a promise for JavaScript.
#pragma once

#include <node_api.h>

namespace holdfast {

class Job {
 public:
  virtual ~Job() = default;
  // On a pool thread: no JavaScript here. May not run at all if the environment ends first.
  virtual void Run() = 0;
  // On the JavaScript thread: what the promise resolves to. By convention a number below zero is a
  // negative errno.
  virtual napi_value Result(napi_env env) = 0;
};

// Takes the job over and gives its promise; null after throwing. A null job is out of memory.
napi_value StartJob(napi_env env, Job* job);

}  // namespace holdfast
