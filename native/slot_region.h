// The memory writes are made from: aligned, zeroed, given by the system page by page when touched.
#pragma once

#include <cstddef>

namespace holdfast {

// Shared by a queue and the ArrayBuffer that JavaScript sees. Either may go first: the memory stays
// until no write can need it and no JavaScript can reach it. Only touched on the JavaScript thread.
class SlotRegion {
 public:
  // Null when out of memory.
  static SlotRegion* New(size_t bytes);
  void Ref() { references_++; }
  void Unref();
  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  SlotRegion(char* data, size_t bytes) : data_(data), bytes_(bytes) {}
  char* data_;
  size_t bytes_;
  int references_ = 1;
};

}  // namespace holdfast
