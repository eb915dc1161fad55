// The CfC cell in training (infer/mixers/cfc.cc describes it). A product takes one token of all sequences of
// a microbatch at a time: rows `length` apart.
#include <cstring>

#include "ops/cfc/cell.h"
#include "train/layer_mixer.h"

namespace edgefront::train {
namespace {

using C = CfcSpec;

class CfcMixer : public LayerMixer {
 public:
  explicit CfcMixer(const MixerContext& c) : in_(c.Tensor(C::kIn)), state_(c.Tensor(C::kState)), in_bias_(c.Tensor(C::kInBias)) {
    constexpr C::Slot kSlots[][2] = {{C::kF1, C::kF1Bias}, {C::kF2, C::kF2Bias}, {C::kTimeA, C::kTimeABias}, {C::kTimeB, C::kTimeBBias}};
    width_ = c.width;
    length_ = c.length;
    ld_ = Stride(c.width);
    const size_t floats = static_cast<size_t>(c.rows) * ld_;
    z_ = c.arena.Take(floats);
    before_ = c.arena.Take(floats);
    mixed_ = c.arena.Take(floats);
    mixed_ld_ = static_cast<int>(ld_);
    ArenaPlan work;
    dz_ = work.Take(floats);
    for (int i = 0; i < kHeads; ++i) {
      heads_[i] = {&c.Tensor(kSlots[i][0]), &c.Tensor(kSlots[i][1]), c.arena.Take(floats), work.Take(floats)};
    }
    work_floats_ = work.size();
  }

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *z = a + z_, *before = a + before_, *h = a + mixed_;
    Project(p.math, p.weights, in_, rows, p.in, ld_, nullptr, z, ld_);
    for (int t = 0; t < length_; ++t) {
      if (t == 0) {
        ForToken(p, t, [&](ptrdiff_t at, int) { before[at] = 0; });
      } else {
        ForToken(p, t, [&](ptrdiff_t at, int) { before[at] = h[at - ld_]; });
        Product(p, state_, t, before, z, z);
      }
      ForToken(p, t, [&](ptrdiff_t at, int i) { z[at] = CfcBackbone(z[at] + p.weights.flat[in_bias_.offset + i]); });
      for (const Head& head : heads_) Product(p, *head.weight, t, z, nullptr, a + head.out);
      ForToken(p, t, [&](ptrdiff_t at, int i) {
        for (const Head& head : heads_) a[head.out + at] += p.weights.flat[head.bias->offset + i];
        float &f1 = a[heads_[kF1].out + at], &f2 = a[heads_[kF2].out + at], &gate = a[heads_[kTimeA].out + at];
        f1 = std::tanh(f1);
        f2 = std::tanh(f2);
        gate = CfcGate(gate + a[heads_[kTimeB].out + at]);
        h[at] = CfcMix(f1, f2, gate);
      });
    }
  }

  // The gradients of both halves of the gate are equal, so that of time_a serves both.
  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *a = p.arena, *z = a + z_, *dz = p.work + dz_, *dh = g.mixed;
    for (int t = length_; t-- > 0;) {
      ForToken(p, t, [&](ptrdiff_t at, int) {
        const float f1 = a[heads_[kF1].out + at], f2 = a[heads_[kF2].out + at], gate = a[heads_[kTimeA].out + at], d = dh[at];
        p.work[heads_[kF1].gradient + at] = d * (1 - gate) * (1 - f1 * f1);
        p.work[heads_[kF2].gradient + at] = d * gate * (1 - f2 * f2);
        p.work[heads_[kTimeA].gradient + at] = p.work[heads_[kTimeB].gradient + at] = d * (f2 - f1) * gate * (1 - gate);
      });
      for (const Head& head : heads_) ProductBack(p, *head.weight, t, p.work + head.gradient, &head == heads_ ? nullptr : dz, dz);
      ForToken(p, t, [&](ptrdiff_t at, int) { dz[at] *= CfcBackboneSlope(z[at]); });
      if (t > 0) ProductBack(p, state_, t, dz, dh - ld_, dh - ld_);  // of the row before
    }
    for (const Head& head : heads_) {
      WeightGrad(p.math, p.weights, *head.weight, rows, p.work + head.gradient, ld_, z, ld_, g.params, g.fresh);
      AddRows(rows, p.work + head.gradient, g.params + head.bias->offset);
    }
    AddRows(rows, dz, g.params + in_bias_.offset);
    WeightGrad(p.math, p.weights, state_, rows, dz, ld_, a + before_, ld_, g.params, g.fresh);
    WeightGrad(p.math, p.weights, in_, rows, dz, ld_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dz, ld_, nullptr, g.in, ld_);
  }

 private:
  enum { kF1, kF2, kTimeA, kTimeB, kHeads };
  struct Head {
    const Param *weight, *bias;
    size_t out, gradient;  // offsets in the arena and in the work area, [rows, ld_]
  };

  // Calls f(place in [rows, ld_], column) for token t of every sequence.
  template <class F>
  void ForToken(const MixerPass& p, int t, const F& f) const {
    for (int s = 0; s < p.sequences; ++s) {
      for (int i = 0; i < width_; ++i) f((static_cast<ptrdiff_t>(s) * length_ + t) * ld_ + i, i);
    }
  }
  // Products of token t of every sequence. All arrays are [rows, ld_].
  void Product(const MixerPass& p, const Param& w, int t, const float* x, const float* addend, float* y) const {
    const ptrdiff_t at = t * ld_;
    Project(p.math, p.weights, w, p.sequences, x + at, length_ * ld_, addend ? addend + at : nullptr, y + at, length_ * ld_);
  }
  void ProductBack(const MixerPass& p, const Param& w, int t, const float* dy, const float* addend, float* dx) const {
    const ptrdiff_t at = t * ld_;
    ProjectBack(p.math, p.weights, w, p.sequences, dy + at, length_ * ld_, addend ? addend + at : nullptr, dx + at, length_ * ld_);
  }
  void AddRows(int rows, const float* x, float* sum) const {
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < width_; ++i) sum[i] += x[r * ld_ + i];
    }
  }

  const Param &in_, &state_, &in_bias_;
  Head heads_[kHeads];
  int width_, length_;
  ptrdiff_t ld_;
  size_t z_, before_;  // arena offsets: backbone, and the state before each token
  size_t dz_;          // work offset
};

}  // namespace

std::unique_ptr<LayerMixer> MakeCfcMixer(const MixerContext& context) { return std::make_unique<CfcMixer>(context); }

}  // namespace edgefront::train
