// Small helpers around Node-API. Every function here that gives false has thrown into JavaScript.
//
// Convention of the whole addon: operations give 0 or a count, or a negative errno. TypeScript
// makes system errors of them. Only misuse (wrong types, ranges) throws from here.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace holdfast {

inline bool ThrowMisuse(napi_env env, const char* message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

template <size_t N>
inline bool GetArgs(napi_env env, napi_callback_info info, napi_value (&args)[N]) {
  size_t count = N;
  if (napi_get_cb_info(env, info, &count, args, nullptr, nullptr) != napi_ok || count < N) {
    return ThrowMisuse(env, "too few arguments");
  }
  return true;
}

inline bool ThrowRange(napi_env env, const char* message) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
  return false;
}

// Integers in [0, most]. Not by the conversions of Node-API, which wrap and round in silence.
inline bool GetInteger(napi_env env, napi_value value, double most, double* out) {
  if (napi_get_value_double(env, value, out) != napi_ok) {
    return ThrowMisuse(env, "expected a number");
  }
  if (*out >= 0 && *out <= most && *out == static_cast<double>(static_cast<uint64_t>(*out))) {
    return true;
  }
  return ThrowRange(env, "expected an integer that is not negative and not too large");
}

inline bool GetUint32(napi_env env, napi_value value, uint32_t* out) {
  double number = 0;
  if (!GetInteger(env, value, 4294967295.0, &number)) return false;
  *out = static_cast<uint32_t>(number);
  return true;
}

inline bool GetInt32(napi_env env, napi_value value, int32_t* out) {
  if (napi_get_value_int32(env, value, out) == napi_ok) return true;
  return ThrowMisuse(env, "expected an integer");
}

// Offsets and lengths: safe integers.
inline bool GetOffset(napi_env env, napi_value value, uint64_t* out) {
  double number = 0;
  if (!GetInteger(env, value, 9007199254740991.0, &number)) return false;
  *out = static_cast<uint64_t>(number);
  return true;
}

// A path owned by the caller; free with std::free. Null after throwing.
inline char* GetPath(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    ThrowMisuse(env, "expected a path");
    return nullptr;
  }
  char* path = static_cast<char*>(std::malloc(length + 1));
  if (path == nullptr) {
    napi_throw_error(env, "ENOMEM", "out of memory");
    return nullptr;
  }
  napi_get_value_string_utf8(env, value, path, length + 1, &length);
  return path;
}

inline napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

inline napi_value Number(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

inline napi_value Int32(napi_env env, int32_t number) {
  napi_value value = nullptr;
  napi_create_int32(env, number, &value);
  return value;
}

inline void SetNumber(napi_env env, napi_value object, const char* name, double number) {
  napi_set_named_property(env, object, name, Number(env, number));
}

inline void SetString(napi_env env, napi_value object, const char* name, const char* text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, object, name, value);
}

inline void SetFunction(napi_env env, napi_value object, const char* name,
                        napi_callback function) {
  napi_value value = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
  napi_set_named_property(env, object, name, value);
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// Of any view. Cheaper than napi_get_typedarray_info, which also looks the kind up and makes a
// handle for the buffer.
inline bool GetBytes(napi_env env, napi_value value, Bytes* bytes) {
  void* data = nullptr;
  if (napi_get_buffer_info(env, value, &data, &bytes->length) != napi_ok) {
    return ThrowMisuse(env, "expected a Uint8Array");
  }
  bytes->data = static_cast<uint8_t*>(data);
  return true;
}

// What is handed to JavaScript as an opaque handle begins with its kind, so that a handle of
// another kind is refused rather than misread.
struct Handle {
  explicit Handle(uint32_t handle_kind) : kind(handle_kind) {}
  const uint32_t kind;
};

template <typename T>
inline T* GetHandle(napi_env env, napi_value value) {
  void* pointer = nullptr;
  if (napi_get_value_external(env, value, &pointer) != napi_ok || pointer == nullptr ||
      static_cast<Handle*>(pointer)->kind != T::kKind) {
    ThrowMisuse(env, "not a handle of that kind");
    return nullptr;
  }
  return static_cast<T*>(static_cast<Handle*>(pointer));
}

}  // namespace holdfast
