#include "ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "seam.h"

// Newer than the oldest kernel headers this is compiled against; the kernel decides at run time.
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif
#ifndef IORING_SQ_TASKRUN
#define IORING_SQ_TASKRUN (1U << 2)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

namespace holdfast {
namespace {

// Best first; what an older kernel does not know, it refuses with EINVAL.
const uint32_t kSetupFlags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN,
    0,
};

int Setup(uint32_t entries, io_uring_params* params) {
  if (int refused = seam::RingRefusal()) return -refused;
  for (uint32_t flags : kSetupFlags) {
    std::memset(params, 0, sizeof *params);
    params->flags = flags;
    long fd = syscall(__NR_io_uring_setup, entries, params);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno != EINVAL) return -errno;
  }
  return -EINVAL;
}

int Register(int ring, unsigned what, const void* argument, unsigned count) {
  long result = syscall(__NR_io_uring_register, ring, what, argument, count);
  return result < 0 ? -errno : 0;
}

void* MapRing(int fd, size_t bytes, off_t offset) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  return memory == MAP_FAILED ? nullptr : memory;
}

uint32_t* At(void* memory, uint32_t offset) {
  return reinterpret_cast<uint32_t*>(static_cast<char*>(memory) + offset);
}

}  // namespace

int Ring::Open(uint32_t entries) {
  io_uring_params params;
  int fd = Setup(entries, &params);
  if (fd < 0) return fd;
  fd_ = fd;
  defers_ = (params.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
  int error = Map(params);
  // Stands for 5.6, which has IORING_OP_WRITE and does not drop completions.
  const uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS;
  if (error == 0 && (params.features & needed) != needed) error = -ENOSYS;
  if (error != 0) Close();
  return error;
}

int Ring::Map(const io_uring_params& params) {
  sq_bytes_ = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  cq_bytes_ = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  sqes_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
  sq_memory_ = MapRing(fd_, sq_bytes_, IORING_OFF_SQ_RING);
  cq_memory_ = MapRing(fd_, cq_bytes_, IORING_OFF_CQ_RING);
  sqes_ = static_cast<io_uring_sqe*>(MapRing(fd_, sqes_bytes_, IORING_OFF_SQES));
  if (sq_memory_ == nullptr || cq_memory_ == nullptr || sqes_ == nullptr) return -ENOMEM;
  sq_head_ = At(sq_memory_, params.sq_off.head);
  sq_tail_ = At(sq_memory_, params.sq_off.tail);
  sq_array_ = At(sq_memory_, params.sq_off.array);
  sq_flags_ = At(sq_memory_, params.sq_off.flags);
  sq_mask_ = *At(sq_memory_, params.sq_off.ring_mask);
  cq_head_ = At(cq_memory_, params.cq_off.head);
  cq_tail_ = At(cq_memory_, params.cq_off.tail);
  cq_mask_ = *At(cq_memory_, params.cq_off.ring_mask);
  cqes_ = reinterpret_cast<io_uring_cqe*>(At(cq_memory_, params.cq_off.cqes));
  return 0;
}

int Ring::HoldFile(int fd) {
  int error = Register(fd_, IORING_REGISTER_FILES, &fd, 1);
  holds_file_ = error == 0;
  return error;
}

int Ring::RegisterEventFd(int fd) { return Register(fd_, IORING_REGISTER_EVENTFD, &fd, 1); }

void Ring::Close() {
  if (fd_ < 0) return;
  // The ring itself is taken down behind our back, some time after close. The lock must be free by
  // the time its owner gives it up, so it is let go here and now.
  if (holds_file_) Register(fd_, IORING_UNREGISTER_FILES, nullptr, 0);
  if (sqes_ != nullptr) munmap(sqes_, sqes_bytes_);
  if (cq_memory_ != nullptr) munmap(cq_memory_, cq_bytes_);
  if (sq_memory_ != nullptr) munmap(sq_memory_, sq_bytes_);
  close(fd_);
  fd_ = -1;
}

io_uring_sqe* Ring::Next() {
  uint32_t tail = *sq_tail_;
  uint32_t index = tail & sq_mask_;
  io_uring_sqe* entry = &sqes_[index];
  std::memset(entry, 0, sizeof *entry);
  sq_array_[index] = index;
  // The kernel looks only inside io_uring_enter, so the entry may still be filled in after this.
  __atomic_store_n(sq_tail_, tail + 1, __ATOMIC_RELEASE);
  return entry;
}

uint32_t Ring::Unsubmitted() const {
  return *sq_tail_ - __atomic_load_n(sq_head_, __ATOMIC_ACQUIRE);
}

void Ring::Withdraw(uint32_t count) {
  __atomic_store_n(sq_tail_, *sq_tail_ - count, __ATOMIC_RELEASE);
}

int Ring::Enter(uint32_t submit, uint32_t wait, uint32_t flags) {
  if (int fault = seam::EnterFault()) return -fault;
  long result = syscall(__NR_io_uring_enter, fd_, submit, wait, flags, nullptr, 0);
  return result < 0 ? -errno : static_cast<int>(result);
}

int Ring::Submit(uint32_t count) { return Enter(seam::ClampSubmission(count), 0, 0); }

int Ring::WaitForCompletion() {
  if (Peek() != nullptr) return 0;
  int result = Enter(0, 1, IORING_ENTER_GETEVENTS);
  return result < 0 ? result : 0;
}

int Ring::PostDeferred() {
  int result = defers_ ? Enter(0, 0, IORING_ENTER_GETEVENTS) : 0;
  return result < 0 ? result : 0;
}

uint32_t Ring::Posted() const { return __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE); }

bool Ring::HasDeferred() const {
  return seam::Deferred((__atomic_load_n(sq_flags_, __ATOMIC_ACQUIRE) & IORING_SQ_TASKRUN) != 0);
}

const io_uring_cqe* Ring::Peek() const {
  uint32_t head = *cq_head_;
  if (head == __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE)) return nullptr;
  return &cqes_[head & cq_mask_];
}

void Ring::Advance() { __atomic_store_n(cq_head_, *cq_head_ + 1, __ATOMIC_RELEASE); }

}  // namespace holdfast
