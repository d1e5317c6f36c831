// A write that is durable and was read back, in one piece of work on a thread of libuv's pool.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportVerifiedWrite(napi_env env, napi_value exports);

}  // namespace holdfast
