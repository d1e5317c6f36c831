// The loops of column chunks for JavaScript.
#pragma once

#include <node_api.h>

namespace holdfast {

void ExportColumns(napi_env env, napi_value exports);

}  // namespace holdfast
