// The time of a session by stage (infer/stage.h): wall time up to the stage's barrier, minimal bytes and
// operations. Worker 0 keeps the profile, and only on request.
#ifndef EDGEFRONT_INFER_PROFILE_H_
#define EDGEFRONT_INFER_PROFILE_H_

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace edgefront {

// The least cost of one operation. Each weight and each cached key counts once a step; a prefill chunk reads
// them again from the CPU's caches. A multiply-add counts as two operations.
struct OpCost {
  double bytes = 0, flops = 0;
  OpCost operator+(const OpCost& o) const { return {bytes + o.bytes, flops + o.flops}; }
};

// The sums of one stage over all steps.
struct OpProfile {
  const char* op;  // the stage's name
  uint64_t calls = 0;
  double ms = 0;
  OpCost cost = {};
};
// One line for each name, in the order of stages of a layout with every mixer.
// The stages:
//   embed; norm (RMS norm and int8 rounding, before each group of products and the logits);
//   conv-in, conv (gated convolution, int8 rounding), conv-out;
//   qkv, store-keys (QK-norm, RoPE, write to the cache), attend (with int8 rounding), attn-out;
//   m2-in, m2-conv (short convolution), m2-scan (recurrence), m2-norm (gate, norm, int8 rounding), m2-out;
//   gdn-in, gdn-conv (with SiLU), gdn-keys (unit length, rates and decays), gdn-state (the delta rule), gdn-gate (norm, gate,
//   int8 rounding), gdn-out;
//   s4d-in, s4d (gated filter, int8 rounding), s4d-out; rtf and ls4 likewise;
//   m1-in, m1-conv (with SiLU), m1-rates (steps, B and C), m1-scan (recurrence), m1-gate (with int8 rounding), m1-out;
//   cfc-in, cfc (the cell, token by token), cfc-round (int8 rounding), cfc-out;
//   route (scores of the experts, choice), gather (rows of the norm, sorted by expert);
//   lin-in, lin-keys (features of queries and keys), lin-sums (divisors), lin-state, lin-divide (with int8 rounding), lin-out;
//   gla-in, gla-decays (second product of the decays), gla-keys (decays, scale of queries), gla-state, gla-gate (norm, gate, int8
//   rounding), gla-out;
//   kda-in, kda-conv (with SiLU), kda-decays and kda-gates (second products), kda-keys (unit length, rates and decays), kda-state
//   (the delta rule), kda-gate (norm, gate, int8 rounding), kda-out;
//   gate-up (both products, SwiGLU, int8 rounding), down; logits.
using Profile = std::vector<OpProfile>;

// Returns a profile with every line at zero.
Profile EmptyProfile();
int ProfileLine(const Profile& profile, std::string_view op);  // returns the index of `op`

// Times the stages of a step. A null profile makes it do nothing.
class Stopwatch {
 public:
  explicit Stopwatch(Profile* profile) : profile_(profile) {
    if (profile_ != nullptr) last_ = Clock::now();
  }
  // Adds the time since the last call to line `line`. Called after a barrier. `cost` is called only if there
  // is a profile.
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
