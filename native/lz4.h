// LZ4 blocks, as docs/format.md has them, between memories of the caller.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

// True if `from` is a whole block whose content is exactly `length` bytes, which are then at `to`.
// Input may be anything: nothing outside of the two memories is read or written. After false the
// content of `to` means nothing.
bool Lz4Decompress(const uint8_t* from, size_t bytes, uint8_t* to, size_t length);

// The length of the block written to `to`; 0 if it would be more than `room`. At most 2^31 bytes.
size_t Lz4Compress(const uint8_t* from, size_t bytes, uint8_t* to, size_t room);

}  // namespace holdfast
