// Packed bits: for each block of 128 lanes its smallest, and the rest in one width.
#include "column_bits.h"
#include "column_lanes.h"

namespace holdfast {
namespace {

constexpr size_t kSignedBytesMax = 10;

size_t WriteSigned(uint8_t* target, int64_t value) {
  uint64_t rest = static_cast<uint64_t>(value) << 1 ^ (0 - (static_cast<uint64_t>(value) >> 63));
  size_t at = 0;
  for (; rest >= 0x80; rest >>= 7) target[at++] = static_cast<uint8_t>((rest & 0x7f) | 0x80);
  target[at++] = static_cast<uint8_t>(rest);
  return at;
}

// The bytes it takes; 0 if there is no such number in bytes[0, length).
size_t ReadSigned(const uint8_t* bytes, size_t length, int64_t* value) {
  uint64_t sum = 0;
  for (size_t i = 0; i < length && i < kSignedBytesMax; i++) {
    const uint64_t part = bytes[i] & 0x7f;
    // Of the tenth byte there is room for one bit.
    if (i == kSignedBytesMax - 1 && part > 1) return 0;
    sum |= part << 7 * i;
    if (bytes[i] < 0x80) {
      *value = static_cast<int64_t>(sum >> 1 ^ (0 - (sum & 1)));
      return i + 1;
    }
  }
  return 0;
}

size_t PackBlock(Lanes lanes, uint8_t* target) {
  int64_t least, most;
  LaneRange(lanes, &least, &most);
  const uint64_t base = static_cast<uint64_t>(least);
  const uint64_t spread = static_cast<uint64_t>(most) - base;
  const uint32_t width = spread == 0 ? 0 : 64 - static_cast<uint32_t>(__builtin_clzll(spread));
  target[0] = static_cast<uint8_t>(width);
  size_t at = 1 + WriteSigned(target + 1, least);
  // By bytes: nothing may be written behind the last one.
  uint64_t pending = 0;
  uint32_t count = 0;
  for (size_t i = 0; i < lanes.count; i++) {
    const uint64_t value = static_cast<uint64_t>(lanes.at[i]) - base;
    for (uint32_t done = 0; done < width; done += 32) {
      const uint32_t part = width - done < 32 ? width - done : 32;
      pending |= (value >> done & LowBits(part)) << count;
      count += part;
      for (; count >= 8; count -= 8, pending >>= 8) target[at++] = static_cast<uint8_t>(pending);
    }
  }
  if (count > 0) target[at++] = static_cast<uint8_t>(pending);
  return at;
}

void UnpackBlock(const uint8_t* bytes, size_t length, uint32_t width, int64_t base, Lanes lanes) {
  for (size_t i = 0, at = 0; i < lanes.count; i++, at += width) {
    const uint64_t value = BitsAt(bytes, length, at, width);
    lanes.at[i] = static_cast<int64_t>(static_cast<uint64_t>(base) + value);
  }
}

}  // namespace

size_t Pack(Lanes lanes, uint8_t* target) {
  size_t at = 0;
  for (size_t first = 0; first < lanes.count; first += kPackedBlock) {
    const size_t left = lanes.count - first;
    at += PackBlock({lanes.at + first, left < kPackedBlock ? left : kPackedBlock}, target + at);
  }
  return at;
}

int64_t Unpack(const uint8_t* bytes, size_t length, Lanes lanes) {
  size_t at = 0;
  for (size_t first = 0; first < lanes.count; first += kPackedBlock) {
    const size_t left = lanes.count - first;
    const size_t count = left < kPackedBlock ? left : kPackedBlock;
    if (at >= length) return -1;
    const uint32_t width = bytes[at++];
    int64_t base;
    const size_t base_bytes = ReadSigned(bytes + at, length - at, &base);
    if (base_bytes == 0 || width > 64) return -1;
    at += base_bytes;
    const size_t block = (count * width + 7) / 8;
    if (block > length - at) return -1;
    UnpackBlock(bytes + at, length - at, width, base, {lanes.at + first, count});
    at += block;
  }
  return static_cast<int64_t>(at);
}

}  // namespace holdfast
