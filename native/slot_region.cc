#include "slot_region.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace holdfast {

SlotRegion* SlotRegion::New(size_t slot_bytes, size_t slot_count) {
  size_t bytes = slot_bytes * slot_count;
  // Pages of the ordinary size: a slot then takes what its largest frame did. With huge ones each took
  // 2 MiB at once, and a put cost the same, also where a thousand of them shared a frame.
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* memory = static_cast<char*>(mapped);
  // A child process has no use for it, and without this every fork would make each page of it cost
  // a copy when it is next written to.
  madvise(memory, bytes, MADV_DONTFORK);
  SlotRegion* region = new (std::nothrow) SlotRegion(memory, slot_bytes, bytes);
  if (region == nullptr) munmap(memory, bytes);
  return region;
}

void SlotRegion::Unref() {
  if (--references_ > 0) return;
  munmap(data_, bytes_);
  delete this;
}

}  // namespace holdfast
