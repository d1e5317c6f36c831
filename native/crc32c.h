// CRC32C (Castagnoli, reflected, as in iSCSI and ext4).
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

// Continues from `seed` (0 to begin), by the fastest way this processor has.
uint32_t Crc32c(uint32_t seed, const uint8_t* bytes, size_t length);

// The way that works everywhere.
uint32_t Crc32cByTable(uint32_t seed, const uint8_t* bytes, size_t length);

// "sse4.2", "armv8" or "table".
const char* Crc32cKind();

}  // namespace holdfast
