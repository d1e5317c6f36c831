// Checksums as JavaScript calls them.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportChecksum(napi_env env, napi_value exports);

}  // namespace holdfast
