// One block of anonymous zeroed memory, from which weights or buffers are carved. Parts are never freed
// singly.
#ifndef EDGEFRONT_INFER_ARENA_H_
#define EDGEFRONT_INFER_ARENA_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "include/edgefront/status.h"
#include "quant/panel.h"

namespace edgefront {

// Assigns offsets before memory exists, so that the same code computes the memory plan and the real layout.
class Carver {
 public:
  // Returns the offset of the next `bytes` bytes, on a 64-byte boundary.
  size_t Take(size_t bytes) {
    const size_t at = size_;
    size_ += RoundUp(bytes, 64);
    return at;
  }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
};

// A movable owner of one mapping, which the destructor unmaps.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena(Arena&& other) noexcept : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Arena& operator=(Arena&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Arena() {
    if (base_ != nullptr) munmap(base_, size_);
  }

  // Maps `bytes` zeroed bytes, or returns kOutOfMemory. `huge` asks for 2 MiB pages: each token streams all
  // weights, and small pages would cause TLB misses.
  Status Allocate(size_t bytes, bool huge) {
    size_ = RoundUp(bytes > 0 ? bytes : 1, 4096);
    void* p = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
      size_ = 0;
      return OutOfMemory("cannot map " + std::to_string(bytes) + " bytes");
    }
    base_ = static_cast<uint8_t*>(p);
#if defined(MADV_HUGEPAGE)
    if (huge) madvise(base_, size_, MADV_HUGEPAGE);  // a hint: a refusal only costs speed
#endif
    return Status::Ok();
  }
  template <class T>
  T* At(size_t offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }
  uint8_t* base() const { return base_; }
  size_t size() const { return size_; }

 private:
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_ARENA_H_
