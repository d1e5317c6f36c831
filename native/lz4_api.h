// LZ4 blocks for JavaScript: from one Uint8Array to another.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportCompression(napi_env env, napi_value exports);

}  // namespace holdfast
