// Faults that tests inject. In the shipped build every hook is an empty inline function.
#pragma once

#include <node_api.h>

#include <cstdint>

namespace holdfast::seam {

#ifdef HOLDFAST_TEST_SEAM
// Result of a durable write or sync as the kernel gave it; gives what the engine is to see.
int32_t FilterResult(int32_t result);
// How much of `length` is asked of the kernel: less makes a true short write.
uint32_t ClampLength(uint32_t length);
// 0, or the errno with which an io_uring_enter is to fail without having done anything.
int EnterFault();
// How many of `count` new entries one io_uring_enter may hand over.
uint32_t ClampSubmission(uint32_t count);
// Whether the kernel says that it has left posting to us; gives what the engine is to see.
bool Deferred(bool flag);
// 0, or the errno with which making a ring or a thread is refused.
int RingRefusal();
int ThreadRefusal();
void Export(napi_env env, napi_value exports);
#else
inline int32_t FilterResult(int32_t result) { return result; }
inline uint32_t ClampLength(uint32_t length) { return length; }
inline int EnterFault() { return 0; }
inline uint32_t ClampSubmission(uint32_t count) { return count; }
inline bool Deferred(bool flag) { return flag; }
inline int RingRefusal() { return 0; }
inline int ThreadRefusal() { return 0; }
inline void Export(napi_env, napi_value) {}
#endif

}  // namespace holdfast::seam
