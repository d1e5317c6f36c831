#include "column_lanes.h"

#include <cmath>
#include <cstring>

namespace holdfast {
namespace {

// Adding and taking it away again rounds to the nearest integer, the even one of two.
constexpr double kRounder = 6755399441055744.0;
constexpr double kRoundedMax = 2251799813685248.0;
constexpr double kSafeEnd = 9007199254740992.0;

uint64_t Wrapped(int64_t value) { return static_cast<uint64_t>(value); }

int64_t Sum(int64_t a, int64_t b) { return static_cast<int64_t>(Wrapped(a) + Wrapped(b)); }

int64_t Less(int64_t a, int64_t b) { return static_cast<int64_t>(Wrapped(a) - Wrapped(b)); }

// As Math.floor of the quotient of the nearest doubles. The divisor is 2 or more.
int64_t FloorQuotient(int64_t value, double divisor) {
  const double quotient = static_cast<double>(value) / divisor;
  const int64_t whole = static_cast<int64_t>(quotient);
  return static_cast<double>(whole) > quotient ? whole - 1 : whole;
}

}  // namespace

void LaneRange(Lanes lanes, int64_t* least, int64_t* most) {
  int64_t low = lanes.at[0], high = lanes.at[0];
  for (size_t i = 1; i < lanes.count; i++) {
    low = lanes.at[i] < low ? lanes.at[i] : low;
    high = lanes.at[i] > high ? lanes.at[i] : high;
  }
  *least = low;
  *most = high;
}

bool FloatRange(const double* values, size_t count, double* least, double* most) {
  double low = INFINITY, high = -INFINITY;
  bool is_there = false;
  for (size_t i = 0; i < count; i++) {
    if (values[i] <= low) low = values[i];
    if (values[i] >= high) high = values[i];
    is_there |= values[i] == values[i];
  }
  *least = low;
  *most = high;
  return is_there;
}

uint64_t CommonDivisor(Lanes lanes) {
  uint64_t divisor = 0;
  for (size_t i = 1; i < lanes.count && divisor != 1; i++) {
    const int64_t apart = Less(lanes.at[i], lanes.at[0]);
    uint64_t rest = apart < 0 ? 0 - Wrapped(apart) : Wrapped(apart);
    while (rest != 0) {
      const uint64_t next = divisor % rest;
      divisor = rest;
      rest = next;
    }
  }
  return divisor;
}

uint32_t CommonBits(Lanes lanes) {
  uint64_t apart = 0;
  for (size_t i = 1; i < lanes.count; i++) apart |= Wrapped(lanes.at[i] ^ lanes.at[0]);
  return apart == 0 ? 64 : static_cast<uint32_t>(__builtin_ctzll(apart));
}

void OrderBits(Lanes lanes) {
  for (size_t i = 0; i < lanes.count; i++) {
    const uint64_t bits = Wrapped(lanes.at[i]);
    const uint64_t sign = 0 - (bits >> 63);
    lanes.at[i] = static_cast<int64_t>(bits ^ (sign >> 1));
  }
}

int64_t ToDecimals(const double* values, double power, Lanes lanes, uint32_t* exceptions,
                   size_t room) {
  size_t count = 0;
  int64_t before = 0;
  for (size_t i = 0; i < lanes.count; i++) {
    const double scaled = values[i] * power;
    const double shifted = scaled + kRounder;
    const double rounded = shifted - kRounder;
    const double again = rounded / power;
    const bool is_near = std::fabs(rounded) <= kRoundedMax;
    if (is_near) before = static_cast<int64_t>(rounded);
    // By their bits, so that -0 is none.
    if (!is_near || std::memcmp(&again, &values[i], sizeof(again)) != 0) {
      if (count == room) return -1;
      exceptions[count++] = static_cast<uint32_t>(i);
    }
    lanes.at[i] = before;
  }
  return static_cast<int64_t>(count);
}

void FromDecimals(Lanes lanes, double power, double* values) {
  for (size_t i = 0; i < lanes.count; i++) {
    values[i] = static_cast<double>(lanes.at[i]) / power;
  }
}

void Divide(Lanes lanes, double divisor, double offset) {
  for (size_t i = 0; i < lanes.count; i++) {
    const double quotient = (static_cast<double>(lanes.at[i]) - offset) / divisor;
    lanes.at[i] = std::fabs(quotient) < kSafeEnd ? static_cast<int64_t>(quotient) : 0;
  }
}

bool Multiply(Lanes lanes, double divisor, double offset) {
  for (size_t i = 0; i < lanes.count; i++) {
    const double product = static_cast<double>(lanes.at[i]) * divisor;
    const double value = product + offset;
    if (!(std::fabs(value) < kSafeEnd)) return false;
    lanes.at[i] = static_cast<int64_t>(value);
  }
  return true;
}

void ShiftRight(Lanes lanes, uint32_t shift) {
  for (size_t i = 0; i < lanes.count; i++) lanes.at[i] >>= shift;
}

void ShiftLeft(Lanes lanes, uint32_t shift, uint64_t low) {
  for (size_t i = 0; i < lanes.count; i++) {
    lanes.at[i] = static_cast<int64_t>(Wrapped(lanes.at[i]) << shift | low);
  }
}

void SubtractReference(Lanes lanes, const int64_t* reference, double divisor) {
  if (divisor < 2) {
    for (size_t i = 0; i < lanes.count; i++) lanes.at[i] = Less(lanes.at[i], reference[i]);
    return;
  }
  for (size_t i = 0; i < lanes.count; i++) {
    lanes.at[i] = Less(lanes.at[i], FloorQuotient(reference[i], divisor));
  }
}

void AddReference(Lanes lanes, const int64_t* reference, double divisor) {
  if (divisor < 2) {
    for (size_t i = 0; i < lanes.count; i++) lanes.at[i] = Sum(lanes.at[i], reference[i]);
    return;
  }
  for (size_t i = 0; i < lanes.count; i++) {
    lanes.at[i] = Sum(lanes.at[i], FloorQuotient(reference[i], divisor));
  }
}

void Difference(Lanes lanes) {
  if (lanes.count == 0) return;
  for (size_t i = lanes.count - 1; i > 0; i--) {
    lanes.at[i] = Less(lanes.at[i], lanes.at[i - 1]);
  }
  lanes.at[0] = 0;
}

void Accumulate(Lanes lanes, int64_t first) {
  uint64_t sum = Wrapped(first);
  for (size_t i = 0; i < lanes.count; i++) {
    sum += Wrapped(lanes.at[i]);
    lanes.at[i] = static_cast<int64_t>(sum);
  }
}

void Classify(Lanes lanes, uint8_t* classes) {
  if (lanes.count > 0) classes[0] = 1;
  for (size_t i = 1; i < lanes.count; i++) {
    const int64_t more = Less(lanes.at[i], lanes.at[i - 1]);
    classes[i] = static_cast<uint8_t>((more >= 0) + (more > 0) + (more > 63));
  }
}

}  // namespace holdfast
