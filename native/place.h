// What the kernel tells about direct I/O and the device under a directory.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportPlace(napi_env env, napi_value exports);

}  // namespace holdfast
