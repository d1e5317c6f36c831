// Loops over lanes: the 64-bit integers that the values of a column are while they are coded. Same
// results as src/columns/portable.ts, to the bit. Arithmetic wraps around.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

struct Lanes {
  int64_t* at = nullptr;
  size_t count = 0;
};

void LaneRange(Lanes lanes, int64_t* least, int64_t* most);
bool FloatRange(const double* values, size_t count, double* least, double* most);
uint64_t CommonDivisor(Lanes lanes);
uint32_t CommonBits(Lanes lanes);
void OrderBits(Lanes lanes);
// Exceptions, at most `room` of them; -1 for more.
int64_t ToDecimals(const double* values, double power, Lanes lanes, uint32_t* exceptions,
                   size_t room);
void FromDecimals(Lanes lanes, double power, double* values);
void Divide(Lanes lanes, double divisor, double offset);
bool Multiply(Lanes lanes, double divisor, double offset);
void ShiftRight(Lanes lanes, uint32_t shift);
void ShiftLeft(Lanes lanes, uint32_t shift, uint64_t low);
// `reference` has as many lanes.
void SubtractReference(Lanes lanes, const int64_t* reference, double divisor);
void AddReference(Lanes lanes, const int64_t* reference, double divisor);
void Difference(Lanes lanes);
void Accumulate(Lanes lanes, int64_t first);
void Classify(Lanes lanes, uint8_t* classes);

constexpr size_t kPackedBlock = 128;
// Bytes that packing may need.
constexpr size_t PackedBytesMax(size_t count) { return 8 * count + 11 * (count / 128 + 2); }
size_t Pack(Lanes lanes, uint8_t* target);
// Where it ended in bytes[0, length); -1 for bytes that are none.
int64_t Unpack(const uint8_t* bytes, size_t length, Lanes lanes);

}  // namespace holdfast
