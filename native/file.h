// What node:fs cannot do with a file: zeros without the page cache, reads past it.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportFile(napi_env env, napi_value exports);

}  // namespace holdfast
