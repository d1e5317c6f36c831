// Bits of column chunks, the lowest first. Bytes are little-endian, as the machine is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace holdfast {

// Of `count` below 64 the lowest; all from there on.
inline uint64_t LowBits(uint32_t count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

inline uint64_t Load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Up to 64 bits from a bit on, of bytes that have nine more from there on.
inline uint64_t LongBitsAt(const uint8_t* bytes, size_t at, uint32_t count) {
  const uint8_t* from = bytes + at / 8;
  const uint32_t shift = at % 8;
  // In two steps: a shift by 64 means nothing.
  const uint64_t rest = static_cast<uint64_t>(from[8]) << 1 << (63 - shift);
  return (Load64(from) >> shift | rest) & LowBits(count);
}

// The same of bytes[0, length), which may end anywhere behind these bits.
inline uint64_t BitsAt(const uint8_t* bytes, size_t length, size_t at, uint32_t count) {
  if (at / 8 + 9 <= length) return LongBitsAt(bytes, at, count);
  uint8_t last[9] = {};
  for (size_t i = 0; i < sizeof(last) && at / 8 + i < length; i++) last[i] = bytes[at / 8 + i];
  return LongBitsAt(last, at % 8, count);
}

}  // namespace holdfast
