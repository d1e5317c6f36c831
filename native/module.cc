// What the addon gives to JavaScript. native-addon.ts has the same list with types.
#include <node_api.h>

#include "column_api.h"
#include "crc32c_api.h"
#include "env.h"
#include "file.h"
#include "lock.h"
#include "lz4_api.h"
#include "mapping.h"
#include "napi_util.h"
#include "place.h"
#include "queue.h"
#include "seam.h"
#include "verified_write.h"

namespace holdfast {
namespace {

// Raised with every change of what is exported or how it is called: a library of another build is
// refused at load rather than misused.
constexpr double kBoundary = 4;

void ExportConstants(napi_env env, napi_value exports) {
  SetNumber(env, exports, "boundary", kBoundary);
  SetNumber(env, exports, "directDsync", static_cast<double>(WriteMethod::kDirectDsync));
  SetNumber(env, exports, "bufferedDsync", static_cast<double>(WriteMethod::kBufferedDsync));
  SetNumber(env, exports, "bufferedFdatasync",
            static_cast<double>(WriteMethod::kBufferedFdatasync));
  SetNumber(env, exports, "completionInts", sizeof(Completion) / sizeof(int32_t));
}

}  // namespace
}  // namespace holdfast

NAPI_MODULE_INIT() {
  using namespace holdfast;
  if (NewEnv(env) == nullptr) {
    napi_throw_error(env, "ENOMEM", "the addon could not be set up");
    return nullptr;
  }
  ExportConstants(env, exports);
  ExportChecksum(env, exports);
  ExportColumns(env, exports);
  ExportCompression(env, exports);
  ExportFile(env, exports);
  ExportLock(env, exports);
  ExportMapping(env, exports);
  ExportPlace(env, exports);
  ExportQueue(env, exports);
  ExportVerifiedWrite(env, exports);
  seam::Export(env, exports);
  return exports;
}
