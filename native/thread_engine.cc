// Durable writes by threads, for where io_uring is not to be had. Same guarantees, more switching.
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <new>

#include "engine.h"
#include "seam.h"

namespace holdfast {
namespace {

constexpr uint32_t kMostThreads = 16;
constexpr size_t kStackBytes = 256 * 1024;

class ThreadEngine final : public WriteEngine {
 public:
  ~ThreadEngine() override;
  int Open(uint32_t slot_count);
  int Submit(uint32_t slot, const Write& write) override;
  uint32_t Reap(Completion* completions) override;
  void Wait() override;
  int poll_fd() const override { return event_fd_; }

 private:
  static void* Enter(void* engine);
  int StartThread();
  void Run();

  int event_fd_ = -1;
  uint32_t slot_count_ = 0;
  pthread_t threads_[kMostThreads] = {};
  uint32_t thread_count_ = 0;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable finished_;
  // All below under the mutex. Both queues hold at most every slot once.
  bool stopping_ = false;
  Write* writes_ = nullptr;
  uint32_t* queue_ = nullptr;
  uint32_t queue_head_ = 0;
  uint32_t queue_count_ = 0;
  Completion* done_ = nullptr;
  uint32_t done_count_ = 0;
};

int ThreadEngine::Open(uint32_t slot_count) {
  slot_count_ = slot_count;
  writes_ = new (std::nothrow) Write[slot_count];
  queue_ = new (std::nothrow) uint32_t[slot_count];
  done_ = new (std::nothrow) Completion[slot_count];
  if (writes_ == nullptr || queue_ == nullptr || done_ == nullptr) return -ENOMEM;
  event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd_ < 0) return -errno;
  uint32_t wanted = std::min(slot_count, kMostThreads);
  while (thread_count_ < wanted) {
    int error = StartThread();
    // One thread keeps every promise; more only make it faster.
    if (error != 0) return thread_count_ > 0 ? 0 : error;
  }
  return 0;
}

int ThreadEngine::StartThread() {
  if (int refused = seam::ThreadRefusal()) return -refused;
  pthread_attr_t attributes;
  if (int error = pthread_attr_init(&attributes)) return -error;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals are for the threads that expect them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&threads_[thread_count_], &attributes, Enter, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) thread_count_++;
  return -error;
}

ThreadEngine::~ThreadEngine() {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (uint32_t i = 0; i < thread_count_; i++) pthread_join(threads_[i], nullptr);
  if (event_fd_ >= 0) close(event_fd_);
  delete[] writes_;
  delete[] queue_;
  delete[] done_;
}

void* ThreadEngine::Enter(void* engine) {
  static_cast<ThreadEngine*>(engine)->Run();
  return nullptr;
}

void ThreadEngine::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    while (queue_count_ == 0 && !stopping_) work_.wait(lock);
    // What was submitted is written even when stopping.
    if (queue_count_ == 0) return;
    uint32_t slot = queue_[queue_head_];
    queue_head_ = (queue_head_ + 1) % slot_count_;
    queue_count_--;
    Write write = writes_[slot];
    lock.unlock();
    int error = WriteDurably(write);
    lock.lock();
    done_[done_count_++] = {static_cast<int32_t>(slot), error};
    finished_.notify_one();
    // Under the mutex: once it is released, the engine may be found idle and be deleted.
    uint64_t one = 1;
    [[maybe_unused]] ssize_t ignored = ::write(event_fd_, &one, sizeof one);
  }
}

int ThreadEngine::Submit(uint32_t slot, const Write& write) {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    writes_[slot] = write;
    queue_[(queue_head_ + queue_count_) % slot_count_] = slot;
    queue_count_++;
  }
  work_.notify_one();
  return 0;
}

uint32_t ThreadEngine::Reap(Completion* completions) {
  uint64_t signals;
  [[maybe_unused]] ssize_t ignored = read(event_fd_, &signals, sizeof signals);
  std::lock_guard<std::mutex> guard(mutex_);
  std::copy(done_, done_ + done_count_, completions);
  uint32_t count = done_count_;
  done_count_ = 0;
  return count;
}

void ThreadEngine::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (done_count_ == 0) finished_.wait(lock);
}

}  // namespace

WriteEngine* NewThreadEngine(uint32_t slot_count, int* error) {
  ThreadEngine* engine = new (std::nothrow) ThreadEngine();
  *error = engine == nullptr ? -ENOMEM : engine->Open(slot_count);
  if (*error == 0) return engine;
  delete engine;
  return nullptr;
}

}  // namespace holdfast
