#include "column_api.h"

#include <cmath>

#include "column_entropy.h"
#include "column_lanes.h"
#include "napi_util.h"

namespace holdfast {
namespace {

// Rows of a chunk, and so lanes of a call.
constexpr size_t kLanesMax = 1 << 20;
constexpr double kPowerMax = 1e22;

// Any view of elements of that size, which is aligned for them.
template <typename T>
bool GetArray(napi_env env, napi_value value, T** at, size_t* count) {
  Bytes bytes;
  if (!GetBytes(env, value, &bytes)) return false;
  if (bytes.length % sizeof(T) != 0 || reinterpret_cast<uintptr_t>(bytes.data) % alignof(T) != 0) {
    return ThrowMisuse(env, "the view is of other elements");
  }
  *at = reinterpret_cast<T*>(bytes.data);
  *count = bytes.length / sizeof(T);
  return true;
}

bool GetLanes(napi_env env, napi_value value, Lanes* lanes) {
  if (!GetArray(env, value, &lanes->at, &lanes->count)) return false;
  return lanes->count <= kLanesMax || ThrowRange(env, "there are too many lanes");
}

// At least `least` elements.
template <typename T>
bool GetRoom(napi_env env, napi_value value, size_t least, T** at) {
  size_t count = 0;
  if (!GetArray(env, value, at, &count)) return false;
  return count >= least || ThrowRange(env, "the view is too small");
}

bool GetNumber(napi_env env, napi_value value, double least, double most, double* out) {
  if (napi_get_value_double(env, value, out) != napi_ok) {
    return ThrowMisuse(env, "expected a number");
  }
  return (*out >= least && *out <= most) || ThrowRange(env, "the number is too large or small");
}

bool GetInt64(napi_env env, napi_value value, int64_t* out) {
  bool is_whole = false;
  return napi_get_value_bigint_int64(env, value, out, &is_whole) == napi_ok ||
         ThrowMisuse(env, "expected a bigint");
}

bool GetBool(napi_env env, napi_value value, bool* out) {
  return napi_get_value_bool(env, value, out) == napi_ok || ThrowMisuse(env, "expected a boolean");
}

napi_value Boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

// One class for each lane; undefined for none.
bool GetClasses(napi_env env, napi_value value, size_t count, const uint8_t** classes) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_undefined) {
    *classes = nullptr;
    return true;
  }
  uint8_t* at = nullptr;
  if (!GetRoom(env, value, count, &at)) return false;
  *classes = at;
  return true;
}

bool GetDictionary(napi_env env, napi_value value, Dictionary* dictionary) {
  Lanes values;
  if (!GetLanes(env, value, &values)) return false;
  if (values.count > kDictionaryMax) return ThrowRange(env, "the dictionary is too large");
  dictionary->values = values.at;
  dictionary->count = static_cast<uint32_t>(values.count);
  return true;
}

// Five arguments: log of the table, bases, widths, frequencies; they are copied, then looked at.
bool GetModel(napi_env env, const napi_value* args, ColumnModel* model) {
  Lanes bases;
  Bytes widths;
  uint16_t* frequencies = nullptr;
  size_t count = 0;
  if (!GetUint32(env, args[0], &model->table_log) || !GetLanes(env, args[1], &bases) ||
      !GetBytes(env, args[2], &widths) || !GetArray(env, args[3], &frequencies, &count)) {
    return false;
  }
  const size_t bins = bases.count;
  const bool fits = bins > 0 && bins <= kBinsMax && widths.length == bins &&
                    (count == bins || count == kContextsMax * bins);
  if (!fits) return ThrowRange(env, "the model is of another size");
  model->bins = static_cast<uint32_t>(bins);
  model->contexts = count == bins ? 1 : kContextsMax;
  for (size_t i = 0; i < bins; i++) {
    model->bases[i] = static_cast<uint64_t>(bases.at[i]);
    model->widths[i] = widths.data[i];
  }
  for (size_t i = 0; i < count; i++) model->frequencies[i] = frequencies[i];
  return IsSound(*model) || ThrowRange(env, "the model is not sound");
}

// range(lanes, out)
napi_value Range(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Lanes lanes;
  int64_t* out;
  if (!GetArgs(env, info, args) || !GetLanes(env, args[0], &lanes) ||
      !GetRoom(env, args[1], 2, &out)) {
    return nullptr;
  }
  if (lanes.count == 0) return ThrowRange(env, "there are no lanes"), nullptr;
  int64_t least, most;
  LaneRange(lanes, &least, &most);
  out[0] = least;
  out[1] = most;
  return nullptr;
}

// floatRange(values, out): whether there is any but NaN.
napi_value FloatBounds(napi_env env, napi_callback_info info) {
  napi_value args[2];
  double *values, *out;
  size_t count;
  if (!GetArgs(env, info, args) || !GetArray(env, args[0], &values, &count) ||
      !GetRoom(env, args[1], 2, &out)) {
    return nullptr;
  }
  double least, most;
  const bool is_there = FloatRange(values, count, &least, &most);
  out[0] = least;
  out[1] = most;
  return Boolean(env, is_there);
}

// One argument, the lanes.
bool GetOnlyLanes(napi_env env, napi_callback_info info, Lanes* lanes) {
  napi_value args[1];
  return GetArgs(env, info, args) && GetLanes(env, args[0], lanes);
}

napi_value CommonDivisorOf(napi_env env, napi_callback_info info) {
  Lanes lanes;
  if (!GetOnlyLanes(env, info, &lanes)) return nullptr;
  return Number(env, static_cast<double>(CommonDivisor(lanes)));
}

napi_value CommonBitsOf(napi_env env, napi_callback_info info) {
  Lanes lanes;
  if (!GetOnlyLanes(env, info, &lanes)) return nullptr;
  return Number(env, CommonBits(lanes));
}

napi_value OrderBitsOf(napi_env env, napi_callback_info info) {
  Lanes lanes;
  if (GetOnlyLanes(env, info, &lanes)) OrderBits(lanes);
  return nullptr;
}

napi_value DifferenceOf(napi_env env, napi_callback_info info) {
  Lanes lanes;
  if (GetOnlyLanes(env, info, &lanes)) Difference(lanes);
  return nullptr;
}

// toDecimals(values, power, lanes, exceptions): number of exceptions, or -1.
napi_value ToDecimalsOf(napi_env env, napi_callback_info info) {
  napi_value args[4];
  Lanes lanes;
  double *values, power;
  uint32_t* exceptions;
  size_t room;
  if (!GetArgs(env, info, args) || !GetLanes(env, args[2], &lanes) ||
      !GetRoom(env, args[0], lanes.count, &values) ||
      !GetNumber(env, args[1], 1, kPowerMax, &power) ||
      !GetArray(env, args[3], &exceptions, &room)) {
    return nullptr;
  }
  return Number(env, static_cast<double>(ToDecimals(values, power, lanes, exceptions, room)));
}

// fromDecimals(lanes, power, values)
napi_value FromDecimalsOf(napi_env env, napi_callback_info info) {
  napi_value args[3];
  Lanes lanes;
  double *values, power;
  if (GetArgs(env, info, args) && GetLanes(env, args[0], &lanes) &&
      GetNumber(env, args[1], 1, kPowerMax, &power) &&
      GetRoom(env, args[2], lanes.count, &values)) {
    FromDecimals(lanes, power, values);
  }
  return nullptr;
}

// (lanes, divisor, offset)
bool GetScale(napi_env env, napi_callback_info info, Lanes* lanes, double* divisor,
              double* offset) {
  napi_value args[3];
  return GetArgs(env, info, args) && GetLanes(env, args[0], lanes) &&
         GetNumber(env, args[1], 2, 0x1p53, divisor) &&
         GetNumber(env, args[2], 0, 0x1p53, offset);
}

napi_value DivideAll(napi_env env, napi_callback_info info) {
  Lanes lanes;
  double divisor, offset;
  if (GetScale(env, info, &lanes, &divisor, &offset)) Divide(lanes, divisor, offset);
  return nullptr;
}

napi_value MultiplyAll(napi_env env, napi_callback_info info) {
  Lanes lanes;
  double divisor, offset;
  if (!GetScale(env, info, &lanes, &divisor, &offset)) return nullptr;
  return Boolean(env, Multiply(lanes, divisor, offset));
}

bool GetShift(napi_env env, const napi_value* args, Lanes* lanes, uint32_t* shift) {
  if (!GetLanes(env, args[0], lanes) || !GetUint32(env, args[1], shift)) return false;
  return *shift < 64 || ThrowRange(env, "there are 64 bits");
}

// shiftRight(lanes, shift)
napi_value ShiftRightAll(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Lanes lanes;
  uint32_t shift;
  if (GetArgs(env, info, args) && GetShift(env, args, &lanes, &shift)) ShiftRight(lanes, shift);
  return nullptr;
}

// shiftLeft(lanes, shift, low)
napi_value ShiftLeftAll(napi_env env, napi_callback_info info) {
  napi_value args[3];
  Lanes lanes;
  uint32_t shift;
  int64_t low;
  if (GetArgs(env, info, args) && GetShift(env, args, &lanes, &shift) &&
      GetInt64(env, args[2], &low)) {
    ShiftLeft(lanes, shift, static_cast<uint64_t>(low));
  }
  return nullptr;
}

// (lanes, reference, divisor): 1, or 2 and above.
bool GetReference(napi_env env, napi_callback_info info, Lanes* lanes, int64_t** reference,
                  double* divisor) {
  napi_value args[3];
  return GetArgs(env, info, args) && GetLanes(env, args[0], lanes) &&
         GetRoom(env, args[1], lanes->count, reference) &&
         GetNumber(env, args[2], 1, 0x1p53, divisor);
}

napi_value SubtractReferenceOf(napi_env env, napi_callback_info info) {
  Lanes lanes;
  int64_t* reference;
  double divisor;
  if (GetReference(env, info, &lanes, &reference, &divisor)) {
    SubtractReference(lanes, reference, divisor);
  }
  return nullptr;
}

napi_value AddReferenceOf(napi_env env, napi_callback_info info) {
  Lanes lanes;
  int64_t* reference;
  double divisor;
  if (GetReference(env, info, &lanes, &reference, &divisor)) {
    AddReference(lanes, reference, divisor);
  }
  return nullptr;
}

// accumulate(lanes, first)
napi_value AccumulateAll(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Lanes lanes;
  int64_t first;
  if (GetArgs(env, info, args) && GetLanes(env, args[0], &lanes) &&
      GetInt64(env, args[1], &first)) {
    Accumulate(lanes, first);
  }
  return nullptr;
}

// classify(lanes, classes)
napi_value ClassifyAll(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Lanes lanes;
  uint8_t* classes;
  if (GetArgs(env, info, args) && GetLanes(env, args[0], &lanes) &&
      GetRoom(env, args[1], lanes.count, &classes)) {
    Classify(lanes, classes);
  }
  return nullptr;
}

// pack(lanes, target): the bytes written.
napi_value PackAll(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Lanes lanes;
  uint8_t* target;
  if (!GetArgs(env, info, args) || !GetLanes(env, args[0], &lanes) ||
      !GetRoom(env, args[1], PackedBytesMax(lanes.count), &target)) {
    return nullptr;
  }
  return Number(env, static_cast<double>(Pack(lanes, target)));
}

// bytes, from, to: `room` bytes are there from `from` on.
bool GetSource(napi_env env, const napi_value* args, Bytes* part, size_t* room) {
  uint32_t from, to;
  if (!GetBytes(env, args[0], part) || !GetUint32(env, args[1], &from) ||
      !GetUint32(env, args[2], &to)) {
    return false;
  }
  if (from > to || to > part->length) return ThrowRange(env, "the range is outside the source");
  *room = part->length - from;
  part->data += from;
  part->length = to - from;
  return true;
}

// unpack(bytes, from, to, lanes): where it ended, from `from` on; or -1.
napi_value UnpackAll(napi_env env, napi_callback_info info) {
  napi_value args[4];
  Bytes source;
  size_t room;
  Lanes lanes;
  if (!GetArgs(env, info, args) || !GetSource(env, args, &source, &room) ||
      !GetLanes(env, args[3], &lanes)) {
    return nullptr;
  }
  return Number(env, static_cast<double>(Unpack(source.data, source.length, lanes)));
}

// countSymbols(lanes, classes, dictionary, counts)
napi_value CountAll(napi_env env, napi_callback_info info) {
  napi_value args[4];
  Lanes lanes;
  const uint8_t* classes;
  Dictionary dictionary;
  uint32_t* counts;
  if (!GetArgs(env, info, args) || !GetLanes(env, args[0], &lanes) ||
      !GetClasses(env, args[1], lanes.count, &classes) ||
      !GetDictionary(env, args[2], &dictionary)) {
    return nullptr;
  }
  const uint32_t contexts = classes == nullptr ? 1 : kContextsMax;
  if (!GetRoom(env, args[3], contexts * (kCells + dictionary.count), &counts)) return nullptr;
  CountSymbols(lanes, classes, contexts, dictionary, counts);
  return nullptr;
}

// encode(lanes, classes, dictionary, symbolBins, log, bases, widths, frequencies, target)
napi_value EncodeAll(napi_env env, napi_callback_info info) {
  napi_value args[9];
  Lanes lanes;
  const uint8_t* classes;
  Dictionary dictionary;
  uint8_t *symbol_bins, *target;
  ColumnModel model;
  if (!GetArgs(env, info, args) || !GetLanes(env, args[0], &lanes) ||
      !GetClasses(env, args[1], lanes.count, &classes) ||
      !GetDictionary(env, args[2], &dictionary) ||
      !GetRoom(env, args[3], kCells + dictionary.count, &symbol_bins) ||
      !GetModel(env, args + 4, &model) ||
      !GetRoom(env, args[8], EncodedBytesMax(lanes.count), &target)) {
    return nullptr;
  }
  const size_t bytes = EncodeResiduals(lanes, classes, dictionary, symbol_bins, model, target);
  return Number(env, static_cast<double>(bytes));
}

// decode(bytes, from, to, classes, log, bases, widths, frequencies, lanes, isWhole)
napi_value DecodeAllOf(napi_env env, napi_callback_info info) {
  napi_value args[10];
  Bytes source;
  size_t room;
  const uint8_t* classes;
  ColumnModel model;
  Lanes lanes;
  bool is_whole;
  if (!GetArgs(env, info, args) || !GetSource(env, args, &source, &room) ||
      !GetLanes(env, args[8], &lanes) || !GetClasses(env, args[3], lanes.count, &classes) ||
      !GetModel(env, args + 4, &model) || !GetBool(env, args[9], &is_whole)) {
    return nullptr;
  }
  const bool good =
      DecodeResiduals(source.data, source.length, room, classes, model, lanes, is_whole);
  return Boolean(env, good);
}

}  // namespace

void ExportColumns(napi_env env, napi_value exports) {
  SetFunction(env, exports, "columnRange", Range);
  SetFunction(env, exports, "columnFloatRange", FloatBounds);
  SetFunction(env, exports, "columnCommonDivisor", CommonDivisorOf);
  SetFunction(env, exports, "columnCommonBits", CommonBitsOf);
  SetFunction(env, exports, "columnOrderBits", OrderBitsOf);
  SetFunction(env, exports, "columnToDecimals", ToDecimalsOf);
  SetFunction(env, exports, "columnFromDecimals", FromDecimalsOf);
  SetFunction(env, exports, "columnDivide", DivideAll);
  SetFunction(env, exports, "columnMultiply", MultiplyAll);
  SetFunction(env, exports, "columnShiftRight", ShiftRightAll);
  SetFunction(env, exports, "columnShiftLeft", ShiftLeftAll);
  SetFunction(env, exports, "columnSubtractReference", SubtractReferenceOf);
  SetFunction(env, exports, "columnAddReference", AddReferenceOf);
  SetFunction(env, exports, "columnDifference", DifferenceOf);
  SetFunction(env, exports, "columnAccumulate", AccumulateAll);
  SetFunction(env, exports, "columnClassify", ClassifyAll);
  SetFunction(env, exports, "columnPack", PackAll);
  SetFunction(env, exports, "columnUnpack", UnpackAll);
  SetFunction(env, exports, "columnCountSymbols", CountAll);
  SetFunction(env, exports, "columnEncode", EncodeAll);
  SetFunction(env, exports, "columnDecode", DecodeAllOf);
}

}  // namespace holdfast
