// Where a session's time goes: wall time of each stage (infer/stage.h) up to the barrier that ends it, with the bytes it had to touch and the
// operations it had to do. Kept by worker 0; off unless asked for. Names:
//   embed; norm (RMS norm and its int8 view, before each group of products and the logits); conv-in, conv (the gated convolution, and its
//   output to int8), conv-out; qkv, store-keys (QK-norm, RoPE and the cache's write), attend (and its output to int8), attn-out; gate-up (both
//   products, SwiGLU, and the middle to int8), down; logits.
#ifndef EDGEFRONT_INFER_PROFILE_H_
#define EDGEFRONT_INFER_PROFILE_H_

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace edgefront {

// What one operation costs at least: each weight and cached key once a step (a prefill chunk reads them again from the CPU's caches),
// a multiplication and an addition counted as two.
struct OpCost {
  double bytes = 0, flops = 0;
  OpCost operator+(const OpCost& o) const { return {bytes + o.bytes, flops + o.flops}; }
};

struct OpProfile {
  const char* op;  // the stage's name
  uint64_t calls = 0;
  double ms = 0;
  OpCost cost = {};
};
using Profile = std::vector<OpProfile>;  // a line a name, in the order of the stages of a layout with every mixer

Profile EmptyProfile();
int ProfileLine(const Profile& profile, std::string_view op);  // its index

class Stopwatch {
 public:
  explicit Stopwatch(Profile* profile) : profile_(profile) {
    if (profile_ != nullptr) last_ = Clock::now();
  }
  // The stage that ended at the barrier just passed. `cost` is called only where a profile is kept.
  template <class Cost>
  void Lap(int line, Cost&& cost) {
    if (profile_ == nullptr) return;
    const Clock::time_point now = Clock::now();
    OpProfile& p = (*profile_)[line];
    p.ms += std::chrono::duration<double, std::milli>(now - last_).count();
    ++p.calls;
    p.cost = p.cost + cost();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Profile* profile_;
  Clock::time_point last_;
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_PROFILE_H_
