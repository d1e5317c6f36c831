#include "job.h"

#include <new>

#include "napi_util.h"

namespace holdfast {
namespace {

struct Running {
  Job* job = nullptr;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;

  ~Running() { delete job; }
};

void Execute(napi_env, void* data) { static_cast<Running*>(data)->job->Run(); }

void Complete(napi_env env, napi_status status, void* data) {
  Running* running = static_cast<Running*>(data);
  // When the environment ends nobody can be told; the job's destructor gives back what it holds.
  if (status == napi_ok) {
    napi_value result = running->job->Result(env);
    if (result == nullptr) {
      napi_value error = nullptr;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) {
        napi_reject_deferred(env, running->deferred, error);
      }
    } else {
      napi_resolve_deferred(env, running->deferred, result);
    }
  }
  napi_delete_async_work(env, running->work);
  delete running;
}

}  // namespace

napi_value StartJob(napi_env env, Job* job) {
  Running* running = job == nullptr ? nullptr : new (std::nothrow) Running();
  if (running == nullptr) {
    delete job;
    napi_throw_error(env, "ENOMEM", "out of memory");
    return nullptr;
  }
  running->job = job;
  napi_value promise = nullptr;
  napi_value name = nullptr;
  if (napi_create_string_utf8(env, "holdfast", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_promise(env, &running->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, name, Execute, Complete, running, &running->work) !=
          napi_ok) {
    delete running;
    return nullptr;
  }
  if (napi_queue_async_work(env, running->work) != napi_ok) {
    napi_delete_async_work(env, running->work);
    delete running;
    return nullptr;
  }
  return promise;
}

}  // namespace holdfast
