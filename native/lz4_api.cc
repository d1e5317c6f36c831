#include "lz4_api.h"

#include "lz4.h"
#include "napi_util.h"

namespace holdfast {
namespace {

// What stands before the block: the length of its content, little-endian.
constexpr size_t kLengthBytes = 4;
constexpr uint32_t kContentMost = 0x7fffffff;

struct Ranges {
  Bytes source;
  Bytes target;
  uint32_t from = 0, to = 0;
};

// The first four arguments: source, from, to, target. False after throwing.
bool GetRanges(napi_env env, const napi_value* args, Ranges* ranges) {
  if (!GetBytes(env, args[0], &ranges->source) || !GetUint32(env, args[1], &ranges->from) ||
      !GetUint32(env, args[2], &ranges->to) || !GetBytes(env, args[3], &ranges->target)) {
    return false;
  }
  if (ranges->from <= ranges->to && ranges->to <= ranges->source.length) return true;
  return ThrowRange(env, "the range is outside the source");
}

// decompress(source, from, to, target): the length of the content, or -1.
napi_value Decompress(napi_env env, napi_callback_info info) {
  napi_value args[4];
  Ranges ranges;
  if (!GetArgs(env, info, args) || !GetRanges(env, args, &ranges)) return nullptr;
  const uint8_t* from = ranges.source.data + ranges.from;
  const size_t bytes = ranges.to - ranges.from;
  if (bytes < kLengthBytes) return Int32(env, -1);
  uint32_t length = 0;
  for (size_t i = 0; i < kLengthBytes; i++) length |= uint32_t{from[i]} << 8 * i;
  const bool good =
      length <= ranges.target.length && length <= kContentMost &&
      Lz4Decompress(from + kLengthBytes, bytes - kLengthBytes, ranges.target.data, length);
  return Int32(env, good ? static_cast<int32_t>(length) : -1);
}

// compress(source, from, to, target, targetStart, room): the bytes written, or 0.
napi_value Compress(napi_env env, napi_callback_info info) {
  napi_value args[6];
  Ranges ranges;
  uint32_t start, room;
  if (!GetArgs(env, info, args) || !GetRanges(env, args, &ranges) ||
      !GetUint32(env, args[4], &start) || !GetUint32(env, args[5], &room)) {
    return nullptr;
  }
  const uint32_t bytes = ranges.to - ranges.from;
  if (room > ranges.target.length || start > ranges.target.length - room ||
      bytes > kContentMost || room > kContentMost) {
    ThrowRange(env, "the range is outside the target");
    return nullptr;
  }
  if (room < kLengthBytes) return Int32(env, 0);
  uint8_t* to = ranges.target.data + start;
  for (size_t i = 0; i < kLengthBytes; i++) to[i] = static_cast<uint8_t>(bytes >> 8 * i);
  const size_t block = Lz4Compress(ranges.source.data + ranges.from, bytes, to + kLengthBytes,
                                   room - kLengthBytes);
  return Int32(env, block == 0 ? 0 : static_cast<int32_t>(kLengthBytes + block));
}

}  // namespace

void ExportCompression(napi_env env, napi_value exports) {
  SetFunction(env, exports, "compress", Compress);
  SetFunction(env, exports, "decompress", Decompress);
}

}  // namespace holdfast
