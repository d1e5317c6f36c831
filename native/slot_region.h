// The memory writes are made from: aligned, zeroed, given by the system page by page when touched.
#pragma once

#include <cstddef>

namespace holdfast {

// Shared by a queue and the ArrayBuffers that JavaScript sees, one for each slot that it has asked for.
// Any may go first: the memory stays until no write can need it and no JavaScript can reach it. Only
// touched on the JavaScript thread.
class SlotRegion {
 public:
  // Null when out of memory.
  static SlotRegion* New(size_t slot_bytes, size_t slot_count);
  void Ref() { references_++; }
  void Unref();
  char* slot(size_t index) const { return data_ + index * slot_bytes_; }
  size_t slot_bytes() const { return slot_bytes_; }

 private:
  SlotRegion(char* data, size_t slot_bytes, size_t bytes)
      : data_(data), slot_bytes_(slot_bytes), bytes_(bytes) {}
  char* data_;
  size_t slot_bytes_;
  size_t bytes_;
  int references_ = 1;
};

}  // namespace holdfast
