// Durable writes through io_uring.
//
// A slot has one write in flight at most. Where the method needs a sync after the write, both are
// handed over as a linked pair, and the slot is settled when both have reported.
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "engine.h"
#include "ring.h"
#include "seam.h"

namespace holdfast {
namespace {

// io_uring_enter fails for a moment when memory is short. Each try yields the processor, so this is
// seconds, after which it is reported rather than waited for.
constexpr int kEnterTries = 1 << 20;
constexpr int kInterruptedTries = 1 << 10;

// Which of the two requests of a slot a completion belongs to: lowest bit of user_data.
constexpr uint64_t kWriteTag = 0;
constexpr uint64_t kSyncTag = 1;

struct Operation {
  Write write;
  uint32_t done = 0;
  uint32_t reports_due = 0;
  bool wrote = false;   // this round has a write
  bool synced = false;  // this round has a sync
  int32_t write_result = 0;
  int32_t sync_result = 0;
  int interrupted = 0;
};

class RingEngine final : public WriteEngine {
 public:
  ~RingEngine() override {
    ring_.Close();
    if (event_fd_ >= 0) close(event_fd_);
    delete[] operations_;
  }

  int Open(uint32_t slot_count, int lock_fd);
  int Submit(uint32_t slot, const Write& write) override;
  uint32_t Reap(Completion* completions) override;
  void Wait() override;
  int poll_fd() const override { return event_fd_; }

 private:
  int Start(uint32_t slot);
  int StartSync(uint32_t slot);
  int HandOver(uint32_t count);
  void TakeSignals();
  bool Settle(uint32_t slot, int32_t* error);
  bool SettleWrite(Operation* operation, int32_t* error);

  Ring ring_;
  int event_fd_ = -1;
  Operation* operations_ = nullptr;
};

int RingEngine::Open(uint32_t slot_count, int lock_fd) {
  operations_ = new (std::nothrow) Operation[slot_count];
  if (operations_ == nullptr) return -ENOMEM;
  if (int error = ring_.Open(slot_count * 2)) return error;
  if (int error = ring_.HoldFile(lock_fd)) return error;
  event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd_ < 0) return -errno;
  return ring_.RegisterEventFd(event_fd_);
}

int RingEngine::Submit(uint32_t slot, const Write& write) {
  Operation& operation = operations_[slot];
  operation.write = write;
  operation.done = 0;
  operation.interrupted = 0;
  return Start(slot);
}

// Hands the newest `count` entries over. Gives how many the kernel took; those it did not take are
// withdrawn. A negative errno means it took none.
int RingEngine::HandOver(uint32_t count) {
  int error = 0;
  for (int tries = 0; tries < kEnterTries; tries++) {
    int taken = ring_.Submit(count);
    if (taken > 0) {
      ring_.Withdraw(ring_.Unsubmitted());
      return taken;
    }
    error = taken == 0 ? -EAGAIN : taken;
    if (error != -EINTR && error != -EAGAIN && error != -EBUSY) break;
    if (error != -EINTR) sched_yield();
  }
  ring_.Withdraw(ring_.Unsubmitted());
  return error;
}

// Writes what is left of a slot.
int RingEngine::Start(uint32_t slot) {
  Operation& operation = operations_[slot];
  const Write& write = operation.write;
  bool with_sync = write.method == WriteMethod::kBufferedFdatasync;
  io_uring_sqe* entry = ring_.Next();
  entry->opcode = IORING_OP_WRITE;
  entry->fd = write.fd;
  entry->addr = reinterpret_cast<uint64_t>(write.data + operation.done);
  entry->len = seam::ClampLength(write.length - operation.done);
  entry->off = write.offset + operation.done;
  entry->rw_flags = with_sync ? 0 : RWF_DSYNC;
  entry->user_data = uint64_t{slot} << 1 | kWriteTag;
  if (with_sync) {
    entry->flags = IOSQE_IO_LINK;
    io_uring_sqe* sync = ring_.Next();
    sync->opcode = IORING_OP_FSYNC;
    sync->fd = write.fd;
    sync->fsync_flags = IORING_FSYNC_DATASYNC;
    sync->user_data = uint64_t{slot} << 1 | kSyncTag;
  }
  int taken = HandOver(with_sync ? 2 : 1);
  if (taken < 0) return taken;
  operation.wrote = true;
  // A pair of which only the first was taken is no pair: the sync would not wait for the write. It
  // was withdrawn, and follows when the write has reported.
  operation.synced = taken == 2;
  operation.reports_due = static_cast<uint32_t>(taken);
  return 0;
}

int RingEngine::StartSync(uint32_t slot) {
  Operation& operation = operations_[slot];
  io_uring_sqe* sync = ring_.Next();
  sync->opcode = IORING_OP_FSYNC;
  sync->fd = operation.write.fd;
  sync->fsync_flags = IORING_FSYNC_DATASYNC;
  sync->user_data = uint64_t{slot} << 1 | kSyncTag;
  int taken = HandOver(1);
  if (taken < 0) return taken;
  operation.wrote = false;
  operation.synced = true;
  operation.reports_due = 1;
  return 0;
}

// Where posting is left to us, the kernel signals twice: when a write is finished, and when we have
// it posted. Read in between, each commit would wake the event loop a second time for nothing. So
// the signals are taken after posting; what finishes between the two shows in HasDeferred, and what
// finishes later signals again.
//
// The kernel sets that flag after it has queued what is to be posted, and clears it only where
// there is something to post: if we are in between, the flag stays until the next completion comes.
// So a post behind which nothing new stands is the last one, and no signal is taken after it.
void RingEngine::TakeSignals() {
  ring_.PostDeferred();
  for (;;) {
    uint64_t signals;
    [[maybe_unused]] ssize_t ignored = read(event_fd_, &signals, sizeof signals);
    if (!ring_.HasDeferred()) return;
    uint32_t before = ring_.Posted();
    int error = ring_.PostDeferred();
    bool passing = error == -EINTR || error == -EAGAIN || error == -EBUSY;
    if (ring_.Posted() == before && !passing) return;
  }
}

uint32_t RingEngine::Reap(Completion* completions) {
  TakeSignals();
  uint32_t count = 0;
  while (const io_uring_cqe* report = ring_.Peek()) {
    uint32_t slot = static_cast<uint32_t>(report->user_data >> 1);
    Operation& operation = operations_[slot];
    int32_t result = seam::FilterResult(report->res);
    if ((report->user_data & 1) == kWriteTag) {
      operation.write_result = result;
    } else {
      operation.sync_result = result;
    }
    ring_.Advance();
    if (--operation.reports_due > 0) continue;
    int32_t error = 0;
    if (Settle(slot, &error)) completions[count++] = {static_cast<int32_t>(slot), error};
  }
  return count;
}

// All requests of a round have reported. True when the slot is finished, with its error.
bool RingEngine::Settle(uint32_t slot, int32_t* error) {
  Operation& operation = operations_[slot];
  if (operation.wrote) {
    if (SettleWrite(&operation, error)) return true;
    if (operation.done < operation.write.length) {
      *error = Start(slot);
      return *error != 0;
    }
  }
  *error = 0;
  if (operation.write.method != WriteMethod::kBufferedFdatasync) return true;
  // The pair is broken up by the kernel when the write is short or interrupted.
  if (!operation.synced || (operation.wrote && operation.sync_result == -ECANCELED)) {
    *error = StartSync(slot);
    return *error != 0;
  }
  *error = operation.sync_result < 0 ? operation.sync_result : 0;
  return true;
}

// Takes note of how far the write came. True when the slot is finished, with an error.
bool RingEngine::SettleWrite(Operation* operation, int32_t* error) {
  int32_t result = operation->write_result;
  bool again = result == -EINTR || result == -EAGAIN;
  if (again && ++operation->interrupted < kInterruptedTries) return false;
  *error = result;
  if (result < 0) return true;
  uint32_t reached =
      Progress(operation->write, operation->done, static_cast<uint32_t>(result));
  *error = -EIO;
  if (reached == operation->done) return true;
  operation->done = reached;
  return false;
}

void RingEngine::Wait() {
  // Interruptions and passing shortages: the caller looks and comes again.
  if (ring_.WaitForCompletion() == -EAGAIN) sched_yield();
}

}  // namespace

WriteEngine* NewRingEngine(uint32_t slot_count, int lock_fd, int* error) {
  RingEngine* engine = new (std::nothrow) RingEngine();
  *error = engine == nullptr ? -ENOMEM : engine->Open(slot_count, lock_fd);
  if (*error == 0) return engine;
  delete engine;
  return nullptr;
}

int ProbeRing() {
  Ring ring;
  return ring.Open(2);
}

}  // namespace holdfast
