#include "crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HOLDFAST_CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define HOLDFAST_CRC_TARGET __attribute__((target("+crc")))
#endif

namespace holdfast {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;

using Table = std::array<uint32_t, 256>;

constexpr std::array<Table, 8> MakeSlicingTables() {
  std::array<Table, 8> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < 8; slice++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = tables[slice - 1][byte];
      tables[slice][byte] = crc >> 8 ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> kSlicing = MakeSlicingTables();

uint64_t LoadLittle64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

}  // namespace

uint32_t Crc32cByTable(uint32_t seed, const uint8_t* bytes, size_t length) {
  uint32_t crc = ~seed;
  for (; length >= 8; length -= 8, bytes += 8) {
    uint64_t word = LoadLittle64(bytes) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; i++) crc ^= kSlicing[7 - i][word >> (8 * i) & 0xff];
  }
  for (; length > 0; length--, bytes++) crc = crc >> 8 ^ kSlicing[0][(crc ^ *bytes) & 0xff];
  return ~crc;
}

#ifdef HOLDFAST_CRC_TARGET

namespace {

// The instruction has a latency of three cycles and a throughput of one, so three streams run side
// by side and are joined. Joining needs the effect of `kLane` zero bytes on a checksum, by tables.
constexpr size_t kLongLane = 4096;
constexpr size_t kShortLane = 256;

constexpr uint32_t AppendZeros(uint32_t crc, size_t count) {
  for (size_t i = 0; i < count; i++) crc = crc >> 8 ^ kSlicing[0][crc & 0xff];
  return crc;
}

using ShiftTables = std::array<Table, 4>;

// Appending zeros is linear over xor: 32 single bits give all 4 x 256 entries.
template <size_t lane>
ShiftTables MakeShiftTables() {
  ShiftTables tables{};
  uint32_t bits[32];
  for (int bit = 0; bit < 32; bit++) bits[bit] = AppendZeros(1u << bit, lane);
  for (uint32_t place = 0; place < 4; place++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t sum = 0;
      for (uint32_t bit = 0; bit < 8; bit++) {
        if (byte >> bit & 1) sum ^= bits[place * 8 + bit];
      }
      tables[place][byte] = sum;
    }
  }
  return tables;
}

const ShiftTables kLongShift = MakeShiftTables<kLongLane>();
const ShiftTables kShortShift = MakeShiftTables<kShortLane>();

uint32_t Shift(const ShiftTables& tables, uint32_t crc) {
  return tables[0][crc & 0xff] ^ tables[1][crc >> 8 & 0xff] ^ tables[2][crc >> 16 & 0xff] ^
         tables[3][crc >> 24];
}

HOLDFAST_CRC_TARGET inline uint32_t Step8(uint32_t crc, const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
#if defined(__x86_64__)
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
#else
  return __crc32cd(crc, word);
#endif
}

HOLDFAST_CRC_TARGET inline uint32_t Step1(uint32_t crc, uint8_t byte) {
#if defined(__x86_64__)
  return _mm_crc32_u8(crc, byte);
#else
  return __crc32cb(crc, byte);
#endif
}

template <size_t lane>
HOLDFAST_CRC_TARGET inline uint32_t ThreeLanes(uint32_t crc, const ShiftTables& shift,
                                               const uint8_t* bytes) {
  uint32_t second = 0, third = 0;
  for (size_t i = 0; i < lane; i += 8) {
    crc = Step8(crc, bytes + i);
    second = Step8(second, bytes + lane + i);
    third = Step8(third, bytes + 2 * lane + i);
  }
  return Shift(shift, Shift(shift, crc) ^ second) ^ third;
}

HOLDFAST_CRC_TARGET uint32_t Crc32cByInstruction(uint32_t seed, const uint8_t* bytes,
                                                 size_t length) {
  uint32_t crc = ~seed;
  for (; length >= 3 * kLongLane; length -= 3 * kLongLane, bytes += 3 * kLongLane) {
    crc = ThreeLanes<kLongLane>(crc, kLongShift, bytes);
  }
  for (; length >= 3 * kShortLane; length -= 3 * kShortLane, bytes += 3 * kShortLane) {
    crc = ThreeLanes<kShortLane>(crc, kShortShift, bytes);
  }
  for (; length >= 8; length -= 8, bytes += 8) crc = Step8(crc, bytes);
  for (; length > 0; length--, bytes++) crc = Step1(crc, *bytes);
  return ~crc;
}

bool HaveInstruction() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2");
#else
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#endif
}

const bool have_instruction = HaveInstruction();

}  // namespace

uint32_t Crc32c(uint32_t seed, const uint8_t* bytes, size_t length) {
  if (!have_instruction) return Crc32cByTable(seed, bytes, length);
  return Crc32cByInstruction(seed, bytes, length);
}

const char* Crc32cKind() {
  if (!have_instruction) return "table";
#if defined(__x86_64__)
  return "sse4.2";
#else
  return "armv8";
#endif
}

#else

uint32_t Crc32c(uint32_t seed, const uint8_t* bytes, size_t length) {
  return Crc32cByTable(seed, bytes, length);
}

const char* Crc32cKind() { return "table"; }

#endif

}  // namespace holdfast
