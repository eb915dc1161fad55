// Where a session's time goes: wall time of each kind of operation between the barriers that end it, with the bytes it had to touch and
// the operations it had to do. Kept by worker 0; off unless asked for.
#ifndef EDGEFRONT_INFER_PROFILE_H_
#define EDGEFRONT_INFER_PROFILE_H_

#include <array>
#include <chrono>
#include <cstdint>

namespace edgefront {

enum class ProfiledOp {
  kEmbed,
  kNorm,       // RMS norm and int8 activations, before each group of products and the logits
  kConvIn,
  kConv,       // the gated convolution itself, and its output to int8
  kConvOut,
  kQkv,
  kStoreKeys,  // QK-norm, RoPE and the cache's write
  kAttend,     // and its output to int8
  kAttnOut,
  kGateUp,     // both products, SwiGLU, and the middle to int8
  kDown,
  kLogits,
  kCount
};
inline constexpr int kProfiledOps = static_cast<int>(ProfiledOp::kCount);

inline constexpr std::array<const char*, kProfiledOps> kProfiledOpNames = {
    "embed", "norm", "conv-in", "conv", "conv-out", "qkv", "store-keys", "attend", "attn-out", "gate-up", "down", "logits"};

// What one operation costs at least: each weight and cached key once a step (a prefill chunk reads them again from the CPU's caches),
// a multiplication and an addition counted as two.
struct OpCost {
  double bytes = 0, flops = 0;
  OpCost operator+(const OpCost& o) const { return {bytes + o.bytes, flops + o.flops}; }
};

struct OpProfile {
  uint64_t calls = 0;
  double ms = 0;
  OpCost cost;
};
using Profile = std::array<OpProfile, kProfiledOps>;

class Stopwatch {
 public:
  explicit Stopwatch(Profile* profile) : profile_(profile) {
    if (profile_ != nullptr) last_ = Clock::now();
  }
  // The operation that ended at the barrier just passed. `cost` is called only where a profile is kept.
  template <class Cost>
  void Lap(ProfiledOp op, Cost&& cost) {
    if (profile_ == nullptr) return;
    const Clock::time_point now = Clock::now();
    OpProfile& p = (*profile_)[static_cast<int>(op)];
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
