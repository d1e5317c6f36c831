// Files mapped for reading. JavaScript never sees the memory, only copies made under a guard.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportMapping(napi_env env, napi_value exports);

}  // namespace holdfast
