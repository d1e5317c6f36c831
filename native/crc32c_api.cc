#include "crc32c_api.h"

#include "crc32c.h"
#include "napi_util.h"

namespace holdfast {
namespace {

const char kOutside[] = "a range is outside the bytes";

using Crc = uint32_t (*)(uint32_t, const uint8_t*, size_t);

// crc32c(bytes, from, to, seed)
template <Crc crc>
napi_value Sum(napi_env env, napi_callback_info info) {
  napi_value args[4];
  Bytes bytes;
  uint32_t from, to, seed;
  if (!GetArgs(env, info, args) || !GetBytes(env, args[0], &bytes) ||
      !GetUint32(env, args[1], &from) || !GetUint32(env, args[2], &to) ||
      !GetUint32(env, args[3], &seed)) {
    return nullptr;
  }
  if (from > to || to > bytes.length) {
    ThrowRange(env, kOutside);
    return nullptr;
  }
  napi_value result = nullptr;
  napi_create_uint32(env, crc(seed, bytes.data + from, to - from), &result);
  return result;
}

struct Plan {
  Bytes bytes;
  const int32_t* steps = nullptr;
  uint32_t count = 0;
};

bool IsMisaligned(const Bytes& steps) {
  return reinterpret_cast<uintptr_t>(steps.data) % alignof(int32_t) != 0;
}

bool Overlap(const Bytes& a, const Bytes& b) {
  uintptr_t from = reinterpret_cast<uintptr_t>(a.data);
  uintptr_t other = reinterpret_cast<uintptr_t>(b.data);
  return a.length > 0 && b.length > 0 && from < other + b.length && other < from + a.length;
}

// Gives false after throwing; every range of the plan is inside the bytes.
bool GetPlan(napi_env env, napi_callback_info info, Plan* plan) {
  napi_value args[3];
  Bytes steps;
  if (!GetArgs(env, info, args) || !GetBytes(env, args[0], &plan->bytes) ||
      !GetBytes(env, args[1], &steps) || !GetUint32(env, args[2], &plan->count)) {
    return false;
  }
  // A sum that is stored over the plan would make another plan of it, which nobody has checked.
  if (IsMisaligned(steps) || Overlap(plan->bytes, steps)) {
    return ThrowMisuse(env, "a plan is an Int32Array apart from the bytes");
  }
  plan->steps = reinterpret_cast<const int32_t*>(steps.data);
  bool good = plan->count <= steps.length / (3 * sizeof(int32_t));
  int64_t length = static_cast<int64_t>(plan->bytes.length);
  for (uint32_t i = 0; good && i < plan->count; i++) {
    const int32_t* step = plan->steps + size_t{i} * 3;
    good = 0 <= step[0] && step[0] <= step[1] && step[1] <= length && 0 <= step[2] &&
           step[2] <= length - 4;
  }
  return good || ThrowRange(env, kOutside);
}

uint32_t SumOf(const Plan& plan, const int32_t* step) {
  return Crc32c(0, plan.bytes.data + step[0], static_cast<size_t>(step[1] - step[0]));
}

napi_value Store(napi_env env, napi_callback_info info) {
  Plan plan;
  if (!GetPlan(env, info, &plan)) return nullptr;
  for (uint32_t i = 0; i < plan.count; i++) {
    const int32_t* step = plan.steps + size_t{i} * 3;
    uint32_t sum = SumOf(plan, step);
    for (int b = 0; b < 4; b++) plan.bytes.data[step[2] + b] = static_cast<uint8_t>(sum >> 8 * b);
  }
  return nullptr;
}

napi_value Verify(napi_env env, napi_callback_info info) {
  Plan plan;
  if (!GetPlan(env, info, &plan)) return nullptr;
  for (uint32_t i = 0; i < plan.count; i++) {
    const int32_t* step = plan.steps + size_t{i} * 3;
    uint32_t stored = 0;
    for (int b = 0; b < 4; b++) stored |= uint32_t{plan.bytes.data[step[2] + b]} << 8 * b;
    if (stored != SumOf(plan, step)) return Int32(env, static_cast<int32_t>(i));
  }
  return Int32(env, -1);
}

}  // namespace

void ExportChecksum(napi_env env, napi_value exports) {
  SetFunction(env, exports, "crc32c", Sum<Crc32c>);
  SetFunction(env, exports, "crc32cByTable", Sum<Crc32cByTable>);
  SetFunction(env, exports, "storeChecksums", Store);
  SetFunction(env, exports, "verifyChecksums", Verify);
  SetString(env, exports, "checksumKind", Crc32cKind());
}

}  // namespace holdfast
