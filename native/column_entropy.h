// The entropy coder of column chunks: tANS for the bin of a residual, and the rest as it is. Same
// bytes as src/columns/portable-entropy.ts.
#pragma once

#include "column_lanes.h"

namespace holdfast {

constexpr uint32_t kCells = 992;
constexpr uint32_t kBinsMax = 256;
constexpr uint32_t kContextsMax = 4;
constexpr uint32_t kTableLogMin = 5;
constexpr uint32_t kTableLogMax = 11;
constexpr uint32_t kStates = 4;
constexpr uint32_t kDictionaryMax = 1024;

struct ColumnModel {
  uint32_t table_log = 0;
  uint32_t bins = 0;
  // 1 or 4.
  uint32_t contexts = 0;
  uint64_t bases[kBinsMax];
  uint8_t widths[kBinsMax];
  // Of each context: the sum is 2^table_log.
  uint16_t frequencies[kContextsMax * kBinsMax];
};

// What is not trusted was copied before: true if the tables can be made of it.
bool IsSound(const ColumnModel& model);

struct Dictionary {
  const int64_t* values = nullptr;
  // At most kDictionaryMax.
  uint32_t count = 0;
};

// counts has 1 or 4 rows of kCells + dictionary.count; classes may be null where it has one.
void CountSymbols(Lanes lanes, const uint8_t* classes, uint32_t contexts, Dictionary dictionary,
                  uint32_t* counts);

// Bytes that encoding may need.
constexpr size_t EncodedBytesMax(size_t count) { return (75 * count + 7) / 8 + 16; }

// Bytes written; 0 if there is no memory, or a symbol in lanes whose bin has no frequency.
size_t EncodeResiduals(Lanes lanes, const uint8_t* classes, Dictionary dictionary,
                       const uint8_t* symbol_bins, const ColumnModel& model, uint8_t* target);

// `room` bytes can be read from there on, `length` of which are meant.
bool DecodeResiduals(const uint8_t* bytes, size_t length, size_t room, const uint8_t* classes,
                     const ColumnModel& model, Lanes lanes, bool is_whole);

}  // namespace holdfast
