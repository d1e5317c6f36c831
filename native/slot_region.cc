#include "slot_region.h"

#include <sys/mman.h>

#include <new>

namespace holdfast {

SlotRegion* SlotRegion::New(size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // A child process has no use for it, and without this every fork would make each page of it cost
  // a copy when it is next written to.
  madvise(memory, bytes, MADV_DONTFORK);
  SlotRegion* region = new (std::nothrow) SlotRegion(static_cast<char*>(memory), bytes);
  if (region == nullptr) munmap(memory, bytes);
  return region;
}

void SlotRegion::Unref() {
  if (--references_ > 0) return;
  munmap(data_, bytes_);
  delete this;
}

}  // namespace holdfast
