// An io_uring by raw system calls: no policy, no bookkeeping of what the entries mean.
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>

namespace holdfast {

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { Close(); }

  // `entries` submissions; twice as many completions fit, so that with at most `entries` requests
  // in flight the completion queue cannot overflow. 0 or a negative errno.
  int Open(uint32_t entries);
  // Keeps the open file behind `fd` open until the ring and all that is in flight in it is gone,
  // even if the process is killed.
  int HoldFile(int fd);
  int RegisterEventFd(int fd);
  void Close();

  // The next free entry, zeroed. There must be room.
  io_uring_sqe* Next();
  // Entries got from Next and not taken by the kernel.
  uint32_t Unsubmitted() const;
  // Gives the newest `count` unsubmitted entries up.
  void Withdraw(uint32_t count);
  // Hands unsubmitted entries over. The number taken, or a negative errno and none was.
  int Submit(uint32_t count);
  // Blocks until a completion is there. 0 or a negative errno.
  int WaitForCompletion();
  // Lets the kernel post what is finished, where that is left to us. 0 or a negative errno.
  int PostDeferred();
  // Completions that were posted, ever, modulo 2^32.
  uint32_t Posted() const;
  // Something is finished and not posted; may also stay true when all of it has been.
  bool HasDeferred() const;
  // The oldest completion, or null.
  const io_uring_cqe* Peek() const;
  void Advance();

  int fd() const { return fd_; }

 private:
  int Map(const io_uring_params& params);
  int Enter(uint32_t submit, uint32_t wait, uint32_t flags);

  int fd_ = -1;
  bool defers_ = false;
  bool holds_file_ = false;
  void* sq_memory_ = nullptr;
  size_t sq_bytes_ = 0;
  void* cq_memory_ = nullptr;
  size_t cq_bytes_ = 0;
  io_uring_sqe* sqes_ = nullptr;
  size_t sqes_bytes_ = 0;
  uint32_t* sq_head_ = nullptr;
  uint32_t* sq_tail_ = nullptr;
  uint32_t* sq_flags_ = nullptr;
  uint32_t* sq_array_ = nullptr;
  uint32_t sq_mask_ = 0;
  uint32_t* cq_head_ = nullptr;
  uint32_t* cq_tail_ = nullptr;
  uint32_t cq_mask_ = 0;
  io_uring_cqe* cqes_ = nullptr;
};

}  // namespace holdfast
