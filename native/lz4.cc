#include "lz4.h"

#include <cstring>

namespace holdfast {
namespace {

// A sequence is a token (length of literals and of match, four bits each), more of the length of
// literals, the literals, the distance back to the match (two bytes), more of its length. The last
// sequence ends with its literals.
constexpr size_t kLengthMask = 15;
constexpr size_t kMatchLeast = 4;
constexpr size_t kDistanceMost = 65535;
// What the format demands of who writes: so many literals at the end, and no match begins nearer.
constexpr size_t kLiteralsAtEnd = 5;
constexpr size_t kMatchMargin = 12;

constexpr size_t kStride = 16;

// The bytes that follow a length of 15 are added to it, up to and with the first below 255.
bool AddLength(const uint8_t** in, const uint8_t* end, size_t* length) {
  uint8_t byte;
  do {
    if (*in == end) return false;
    byte = *(*in)++;
    *length += byte;
  } while (byte == 255);
  return true;
}

// Copies strides while `length` is not reached: up to kStride - 1 bytes more than that, for which
// there must be room at both ends.
inline void CopyStrides(uint8_t* to, const uint8_t* from, size_t length) {
  const uint8_t* end = to + length;
  do {
    std::memcpy(to, from, kStride);
    to += kStride;
    from += kStride;
  } while (to < end);
}

// What was written `distance` before is repeated; it may overlap with what it becomes.
inline void CopyMatch(uint8_t* to, size_t distance, size_t length, size_t room) {
  const uint8_t* from = to - distance;
  if (distance >= kStride && room >= length + kStride) {
    CopyStrides(to, from, length);
  } else if (distance >= 8 && room >= length + 8) {
    const uint8_t* end = to + length;
    for (; to < end; to += 8, from += 8) std::memcpy(to, from, 8);
  } else {
    for (size_t i = 0; i < length; i++) to[i] = from[i];
  }
}

uint32_t Load32(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

uint64_t Load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

constexpr int kHashBits = 12;

inline uint32_t Hash(uint32_t word) { return (word * 2654435761u) >> (32 - kHashBits); }

// How many bytes are equal from both places on, before `end` is reached.
inline size_t EqualBytes(const uint8_t* a, const uint8_t* b, const uint8_t* end) {
  const uint8_t* start = a;
  while (end - a >= 8) {
    const uint64_t difference = Load64(a) ^ Load64(b);
    if (difference == 0) {
      a += 8;
      b += 8;
      continue;
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return static_cast<size_t>(a - start) + (__builtin_clzll(difference) >> 3);
#else
    return static_cast<size_t>(a - start) + (__builtin_ctzll(difference) >> 3);
#endif
  }
  while (a < end && *a == *b) {
    a++;
    b++;
  }
  return static_cast<size_t>(a - start);
}

// Writes sequences to a memory that may be too small.
class Writer {
 public:
  Writer(uint8_t* to, size_t room) : start_(to), out_(to), end_(to + room) {}

  // False if there is no room. `length` 0: the last sequence, which has no match.
  bool Sequence(const uint8_t* literals, size_t count, size_t distance, size_t length) {
    const size_t match = length == 0 ? 0 : length - kMatchLeast;
    const size_t most = 1 + count / 255 + 1 + count + 2 + match / 255 + 1;
    if (most > static_cast<size_t>(end_ - out_)) return false;
    uint8_t* token = out_++;
    *token = static_cast<uint8_t>(Nibble(count) << 4 | Nibble(match));
    More(count);
    if (count > 0) std::memcpy(out_, literals, count);
    out_ += count;
    if (length == 0) return true;
    *out_++ = static_cast<uint8_t>(distance);
    *out_++ = static_cast<uint8_t>(distance >> 8);
    More(match);
    return true;
  }

  size_t written() const { return static_cast<size_t>(out_ - start_); }

 private:
  static size_t Nibble(size_t length) { return length < kLengthMask ? length : kLengthMask; }

  void More(size_t length) {
    if (length < kLengthMask) return;
    for (length -= kLengthMask; length >= 255; length -= 255) *out_++ = 255;
    *out_++ = static_cast<uint8_t>(length);
  }

  uint8_t* start_;
  uint8_t* out_;
  uint8_t* end_;
};

}  // namespace

bool Lz4Decompress(const uint8_t* from, size_t bytes, uint8_t* to, size_t length) {
  const uint8_t* in = from;
  const uint8_t* in_end = from + bytes;
  uint8_t* out = to;
  uint8_t* out_end = to + length;
  for (;;) {
    if (in == in_end) return false;
    const uint8_t token = *in++;
    size_t literals = token >> 4;
    if (literals == kLengthMask && !AddLength(&in, in_end, &literals)) return false;
    const size_t in_left = static_cast<size_t>(in_end - in);
    const size_t out_left = static_cast<size_t>(out_end - out);
    if (literals > in_left || literals > out_left) return false;
    if (in_left >= literals + kStride && out_left >= literals + kStride) {
      CopyStrides(out, in, literals);
    } else if (literals > 0) {
      std::memcpy(out, in, literals);
    }
    in += literals;
    out += literals;
    if (in == in_end) return out == out_end;
    if (in_end - in < 2) return false;
    const size_t distance = in[0] | static_cast<size_t>(in[1]) << 8;
    in += 2;
    size_t match = token & kLengthMask;
    if (match == kLengthMask && !AddLength(&in, in_end, &match)) return false;
    match += kMatchLeast;
    const size_t room = static_cast<size_t>(out_end - out);
    if (distance == 0 || distance > static_cast<size_t>(out - to) || match > room) return false;
    CopyMatch(out, distance, match, room);
    out += match;
  }
}

size_t Lz4Compress(const uint8_t* from, size_t bytes, uint8_t* to, size_t room) {
  Writer writer(to, room);
  const uint8_t* end = from + bytes;
  const uint8_t* literals = from;
  if (bytes > kMatchMargin) {
    // Where a word with that hash was seen last, counted from `from`.
    uint32_t seen[1 << kHashBits] = {};
    const uint8_t* last = end - kMatchMargin;
    size_t tries = 1 << 6;
    for (const uint8_t* at = from + 1; at <= last;) {
      const uint32_t word = Load32(at);
      uint32_t* place = &seen[Hash(word)];
      const uint8_t* match = from + *place;
      *place = static_cast<uint32_t>(at - from);
      if (static_cast<size_t>(at - match) > kDistanceMost || Load32(match) != word) {
        // Where nothing is found for long, less is looked at.
        at += tries++ >> 6;
        continue;
      }
      while (at > literals && match > from && at[-1] == match[-1]) {
        at--;
        match--;
      }
      const size_t more = EqualBytes(at + kMatchLeast, match + kMatchLeast, end - kLiteralsAtEnd);
      const size_t length = kMatchLeast + more;
      const size_t count = static_cast<size_t>(at - literals);
      if (!writer.Sequence(literals, count, static_cast<size_t>(at - match), length)) return 0;
      at += length;
      literals = at;
      tries = 1 << 6;
      if (at > last) break;
      seen[Hash(Load32(at - 2))] = static_cast<uint32_t>(at - 2 - from);
    }
  }
  const size_t count = static_cast<size_t>(end - literals);
  return writer.Sequence(literals, count, 0, 0) ? writer.written() : 0;
}

}  // namespace holdfast
