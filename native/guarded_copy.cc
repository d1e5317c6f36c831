#include "guarded_copy.h"

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace holdfast {
namespace {

struct Guard {
  const char* begin;
  const char* end;
  sigjmp_buf back;
};

// The handler must not allocate, which the ordinary way of reaching a thread-local variable of a
// loaded library may do. musl does not offer the other way, and never allocates there.
#ifdef __GLIBC__
__attribute__((tls_model("initial-exec")))
#endif
thread_local Guard* guard = nullptr;

struct sigaction previous;

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // Not ours: the instruction faults again and has the effect it would have had without us. One
    // that was sent does not come again by itself.
    ::signal(signal, SIG_DFL);
    if (info->si_code <= 0) raise(signal);
  }
}

void OnFault(int signal, siginfo_t* info, void* context) {
  Guard* active = guard;
  const char* address = static_cast<const char*>(info->si_addr);
  if (active == nullptr || address < active->begin || address >= active->end) {
    PassOn(signal, info, context);
    return;
  }
  siglongjmp(active->back, 1);
}

int Install() {
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  // Without blocking the signal meanwhile: the jump back would leave it blocked, and saving the
  // signal mask for each copy would cost a system call.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  return sigaction(SIGBUS, &action, &previous) == 0 ? 0 : -errno;
}

}  // namespace

int InstallFaultHandler() {
  static std::mutex mutex;
  static bool installed = false;
  std::lock_guard<std::mutex> hold(mutex);
  if (installed) return 0;
  int error = Install();
  installed = error == 0;
  return error;
}

bool GuardedCopy(char* to, const char* from, size_t length) {
  Guard mine;
  mine.begin = from;
  mine.end = from + length;
  if (sigsetjmp(mine.back, 0) != 0) {
    guard = nullptr;
    return false;
  }
  guard = &mine;
  // The compiler does not see that the copy may jump, and must not move it out from between.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, from, length);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  guard = nullptr;
  return true;
}

}  // namespace holdfast
