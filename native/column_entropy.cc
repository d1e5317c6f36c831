#include "column_entropy.h"

#include <memory>
#include <new>

#include "column_bits.h"

namespace holdfast {
namespace {

constexpr uint32_t kStatesMax = 1 << kTableLogMax;

uint32_t BitLength(uint64_t value) {
  return value == 0 ? 0 : 64 - static_cast<uint32_t>(__builtin_clzll(value));
}

// By sign, length, and the three bits behind the first one.
uint32_t CellOf(int64_t value) {
  const uint64_t sign = 0 - (static_cast<uint64_t>(value) >> 63);
  const uint64_t magnitude = (static_cast<uint64_t>(value) ^ sign) - sign;
  const uint32_t negative = static_cast<uint32_t>(sign) & kCells / 2;
  if (magnitude < 16) return static_cast<uint32_t>(magnitude) + negative;
  const uint32_t length = BitLength(magnitude);
  return 16 + (length - 5) * 8 + (magnitude >> (length - 4) & 7) + negative;
}

// Symbols of values: their place in the dictionary by a small open hash, else their cell.
class Symbols {
 public:
  explicit Symbols(Dictionary dictionary) : dictionary_(dictionary) {
    while (mask_ + 1 < 4 * dictionary.count) mask_ = 2 * mask_ + 1;
    std::memset(slots_, 0xff, sizeof(slots_));
    for (uint32_t i = 0; i < dictionary.count; i++) {
      uint32_t slot = SlotOf(dictionary.values[i]);
      while (slots_[slot] >= 0) slot = (slot + 1) & mask_;
      slots_[slot] = static_cast<int16_t>(i);
    }
  }

  uint32_t Of(int64_t value) const {
    for (uint32_t slot = SlotOf(value); slots_[slot] >= 0; slot = (slot + 1) & mask_) {
      if (dictionary_.values[slots_[slot]] == value) return kCells + slots_[slot];
    }
    return CellOf(value);
  }

 private:
  uint32_t SlotOf(int64_t value) const {
    return static_cast<uint32_t>(static_cast<uint64_t>(value) * 0x9e3779b97f4a7c15 >> 40) & mask_;
  }

  const Dictionary dictionary_;
  uint32_t mask_ = 3;
  int16_t slots_[4 * kDictionaryMax];
};

// Where each bin stands among the states: as many times as its frequency says, spread out.
void Spread(const ColumnModel& model, uint32_t context, uint8_t* bins) {
  const uint32_t size = 1u << model.table_log;
  const uint32_t step = (size >> 1) + (size >> 3) + 3;
  uint32_t at = 0;
  for (uint32_t bin = 0; bin < model.bins; bin++) {
    for (uint32_t left = model.frequencies[context * model.bins + bin]; left > 0; left--) {
      bins[at] = static_cast<uint8_t>(bin);
      at = (at + step) & (size - 1);
    }
  }
}

struct Step {
  // The next state without its new bits.
  uint16_t next;
  uint8_t bits;
  uint8_t bin;
};

void MakeDecodeTable(const ColumnModel& model, Step* table) {
  const uint32_t size = 1u << model.table_log;
  for (uint32_t context = 0; context < model.contexts; context++) {
    uint8_t bins[kStatesMax];
    uint16_t next[kBinsMax];
    Spread(model, context, bins);
    std::memcpy(next, model.frequencies + context * model.bins, model.bins * sizeof(uint16_t));
    for (uint32_t state = 0; state < size; state++) {
      const uint32_t y = next[bins[state]]++;
      const uint32_t bits = model.table_log + 1 - BitLength(y);
      table[context * size + state] = {static_cast<uint16_t>((y << bits) - size),
                                       static_cast<uint8_t>(bits), bins[state]};
    }
  }
}

struct EncodeTable {
  // Of each context and bin, where its states begin, less its frequency.
  int32_t starts[kContextsMax * kBinsMax];
  uint16_t states[kContextsMax * kStatesMax];
};

void MakeEncodeTable(const ColumnModel& model, EncodeTable* table) {
  const uint32_t size = 1u << model.table_log;
  for (uint32_t context = 0; context < model.contexts; context++) {
    uint8_t bins[kStatesMax];
    uint32_t next[kBinsMax];
    Spread(model, context, bins);
    uint32_t sum = context * size;
    for (uint32_t bin = 0; bin < model.bins; bin++) {
      const uint32_t place = context * model.bins + bin;
      next[bin] = sum;
      table->starts[place] =
          static_cast<int32_t>(sum) - static_cast<int32_t>(model.frequencies[place]);
      sum += model.frequencies[place];
    }
    for (uint32_t state = 0; state < size; state++) {
      table->states[next[bins[state]]++] = static_cast<uint16_t>(size + state);
    }
  }
}

// Writes up to eight bytes behind what it has written.
class BitSink {
 public:
  explicit BitSink(uint8_t* target) : begin_(target), at_(target) {}

  // At most 56 bits, and none above them.
  void Write(uint64_t value, uint32_t count) {
    pending_ |= value << count_;
    count_ += count;
    std::memcpy(at_, &pending_, sizeof(pending_));
    at_ += count_ / 8;
    pending_ >>= count_ & ~7u;
    count_ &= 7;
  }

  size_t End() { return static_cast<size_t>(at_ - begin_) + (count_ > 0 ? 1 : 0); }

 private:
  uint8_t* const begin_;
  uint8_t* at_;
  uint64_t pending_ = 0;
  uint32_t count_ = 0;
};

struct Coded {
  uint16_t step;
  uint8_t step_bits;
  uint8_t bin;
};

bool ChooseSteps(Lanes lanes, const uint8_t* classes, const Symbols& symbols,
                 const uint8_t* symbol_bins, const ColumnModel& model, const EncodeTable& table,
                 Coded* coded, uint32_t* states) {
  for (size_t i = lanes.count; i-- > 0;) {
    const uint32_t bin = symbol_bins[symbols.Of(lanes.at[i])];
    if (bin >= model.bins) return false;
    const uint32_t context = classes == nullptr ? 0 : classes[i] & (model.contexts - 1);
    const uint32_t place = context * model.bins + bin;
    const uint32_t frequency = model.frequencies[place];
    if (frequency == 0) return false;
    const uint32_t state = states[i % kStates];
    uint32_t bits = model.table_log + 1 - BitLength(frequency);
    bits -= (state >> bits) < frequency ? 1 : 0;
    coded[i] = {static_cast<uint16_t>(state & ((1u << bits) - 1)), static_cast<uint8_t>(bits),
                static_cast<uint8_t>(bin)};
    states[i % kStates] =
        table.states[table.starts[place] + static_cast<int32_t>(state >> bits)];
  }
  return true;
}

// Where a reader of bits stands; what it takes is checked against the end after the fact.
struct Cursor {
  const uint8_t* bytes;
  size_t at;
};

// One value. `kIsNarrow`: state and rest of it are always within 57 bits.
template <bool kIsNarrow>
inline int64_t Next(const Step step, const ColumnModel& model, Cursor* cursor, uint32_t* state) {
  const uint64_t word = Load64(cursor->bytes + cursor->at / 8) >> cursor->at % 8;
  const uint32_t bits = step.bits;
  const uint32_t width = model.widths[step.bin];
  *state = step.next + static_cast<uint32_t>(word & ((uint64_t{1} << bits) - 1));
  const uint64_t rest = kIsNarrow ? word >> bits & ((uint64_t{1} << width) - 1)
                                  : LongBitsAt(cursor->bytes, cursor->at + bits, width);
  cursor->at += bits + width;
  return static_cast<int64_t>(model.bases[step.bin] + rest);
}

// Behind the last bit, so much may be read before it is seen that it was the last one: four values.
constexpr size_t kSlackBytes = 64;

template <bool kIsNarrow, bool kHasClasses>
bool DecodeAll(const uint8_t* bytes, size_t bits, const uint8_t* classes, const ColumnModel& model,
               const Step* table, Lanes lanes, bool is_whole) {
  const uint32_t log = model.table_log;
  Cursor cursor = {bytes, kStates * log};
  if (cursor.at > bits) return false;
  uint32_t states[kStates];
  for (uint32_t i = 0; i < kStates; i++) {
    states[i] = static_cast<uint32_t>(LongBitsAt(bytes, i * log, log));
  }
  uint32_t s0 = states[0], s1 = states[1], s2 = states[2], s3 = states[3];
  const uint32_t mask = model.contexts - 1;
  const auto step_of = [&](size_t i, uint32_t state) {
    return table[kHasClasses ? ((classes[i] & mask) << log) + state : state];
  };
  size_t i = 0;
  for (; i + kStates <= lanes.count; i += kStates) {
    const Step a = step_of(i, s0), b = step_of(i + 1, s1);
    const Step c = step_of(i + 2, s2), d = step_of(i + 3, s3);
    lanes.at[i] = Next<kIsNarrow>(a, model, &cursor, &s0);
    lanes.at[i + 1] = Next<kIsNarrow>(b, model, &cursor, &s1);
    lanes.at[i + 2] = Next<kIsNarrow>(c, model, &cursor, &s2);
    lanes.at[i + 3] = Next<kIsNarrow>(d, model, &cursor, &s3);
    if (cursor.at > bits) return false;
  }
  uint32_t* const last[kStates] = {&s0, &s1, &s2, &s3};
  for (; i < lanes.count; i++) {
    uint32_t* const state = last[i % kStates];
    lanes.at[i] = Next<kIsNarrow>(step_of(i, *state), model, &cursor, state);
  }
  if (cursor.at > bits) return false;
  if (!is_whole) return true;
  // All states are back at the beginning, and nothing but the rest of a byte is left: zeros.
  const uint32_t left = static_cast<uint32_t>(bits - cursor.at);
  return (s0 | s1 | s2 | s3) == 0 && left < 8 && LongBitsAt(bytes, cursor.at, left) == 0;
}

template <bool kIsNarrow>
bool DecodeAs(const uint8_t* bytes, size_t bits, const uint8_t* classes, const ColumnModel& model,
              const Step* table, Lanes lanes, bool is_whole) {
  return classes == nullptr
             ? DecodeAll<kIsNarrow, false>(bytes, bits, classes, model, table, lanes, is_whole)
             : DecodeAll<kIsNarrow, true>(bytes, bits, classes, model, table, lanes, is_whole);
}

}  // namespace

bool IsSound(const ColumnModel& model) {
  if (model.table_log < kTableLogMin || model.table_log > kTableLogMax) return false;
  if (model.bins == 0 || model.bins > kBinsMax) return false;
  if (model.contexts != 1 && model.contexts != kContextsMax) return false;
  for (uint32_t bin = 0; bin < model.bins; bin++) {
    if (model.widths[bin] > 64) return false;
  }
  for (uint32_t context = 0; context < model.contexts; context++) {
    uint32_t sum = 0;
    for (uint32_t bin = 0; bin < model.bins; bin++) {
      sum += model.frequencies[context * model.bins + bin];
    }
    if (sum != 1u << model.table_log) return false;
  }
  return true;
}

void CountSymbols(Lanes lanes, const uint8_t* classes, uint32_t contexts, Dictionary dictionary,
                  uint32_t* counts) {
  const Symbols symbols(dictionary);
  const uint32_t row = kCells + dictionary.count;
  for (size_t i = 0; i < lanes.count; i++) {
    const uint32_t context = classes == nullptr ? 0 : classes[i] & (contexts - 1);
    counts[context * row + symbols.Of(lanes.at[i])]++;
  }
}

size_t EncodeResiduals(Lanes lanes, const uint8_t* classes, Dictionary dictionary,
                       const uint8_t* symbol_bins, const ColumnModel& model, uint8_t* target) {
  const std::unique_ptr<Coded[]> coded(new (std::nothrow) Coded[lanes.count]);
  const std::unique_ptr<EncodeTable> table(new (std::nothrow) EncodeTable);
  if (coded == nullptr || table == nullptr) return 0;
  MakeEncodeTable(model, table.get());
  const Symbols symbols(dictionary);
  const uint32_t start = 1u << model.table_log;
  uint32_t states[kStates] = {start, start, start, start};
  if (!ChooseSteps(lanes, classes, symbols, symbol_bins, model, *table, coded.get(), states)) {
    return 0;
  }
  BitSink sink(target);
  for (const uint32_t state : states) sink.Write(state - start, model.table_log);
  for (size_t i = 0; i < lanes.count; i++) {
    const Coded one = coded[i];
    const uint32_t width = model.widths[one.bin];
    const uint64_t rest =
        (static_cast<uint64_t>(lanes.at[i]) - model.bases[one.bin]) & LowBits(width);
    if (width <= 45) {
      sink.Write(one.step | rest << one.step_bits, one.step_bits + width);
      continue;
    }
    sink.Write(one.step, one.step_bits);
    sink.Write(rest & LowBits(32), 32);
    sink.Write(rest >> 32, width - 32);
  }
  return sink.End();
}

bool DecodeResiduals(const uint8_t* bytes, size_t length, size_t room, const uint8_t* classes,
                     const ColumnModel& model, Lanes lanes, bool is_whole) {
  std::unique_ptr<uint8_t[]> copy;
  if (room < length + kSlackBytes) {
    copy.reset(new (std::nothrow) uint8_t[length + kSlackBytes]);
    if (copy == nullptr) return false;
    std::memcpy(copy.get(), bytes, length);
    std::memset(copy.get() + length, 0, kSlackBytes);
    bytes = copy.get();
  }
  Step table[kContextsMax * kStatesMax];
  MakeDecodeTable(model, table);
  uint32_t widest = 0;
  for (uint32_t bin = 0; bin < model.bins; bin++) {
    widest = model.widths[bin] > widest ? model.widths[bin] : widest;
  }
  return widest + kTableLogMax <= 57
             ? DecodeAs<true>(bytes, 8 * length, classes, model, table, lanes, is_whole)
             : DecodeAs<false>(bytes, 8 * length, classes, model, table, lanes, is_whole);
}

}  // namespace holdfast
