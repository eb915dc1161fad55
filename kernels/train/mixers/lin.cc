// Linear attention in training. Each head has one more value, which is always 1, so that its last output is the sum
// of the keys times the query: the divisor of the others.
#include <cmath>
#include <memory>

#include "ops/delta/rates.h"
#include "train/mixers/head_parts.h"

namespace edgefront::train {
namespace {

class LinMixer : public LayerMixer {
 public:
  explicit LinMixer(const MixerContext& c) : LinMixer(c, ArenaPlan()) {}

  void Forward(const MixerPass& p) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    Project(p.math, p.weights, in_, rows, p.in, ld_in_, nullptr, a + qkv_, ld_qkv_);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < out_.heads; ++h) {
        const float *q = Projected(a, r, h), *k = q + Width(), *v = k + Width();
        float *to_q = states_.q.Of(a, r, h), *to_k = states_.k.Of(a, r, h), *to_v = states_.v.Of(a, r, h);
        for (int i = 0; i < out_.dim; ++i) {
          to_q[i] = EluPlusOne(q[i]);
          to_k[i] = EluPlusOne(k[i]);
          to_v[i] = v[i];
        }
        to_v[out_.dim] = 1.0f;
      }
    }
    states_.Forward(p);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < out_.heads; ++h) {
        const float* o = states_.o.Of(a, r, h);
        for (int i = 0; i < out_.dim; ++i) out_.Of(a, r, h)[i] = o[i] / (o[out_.dim] + kDivisorEpsilon);
      }
    }
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float* a = p.arena;
    std::memset(p.work + states_.dout.at, 0, sizeof(float) * rows * states_.dout.ld);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < out_.heads; ++h) {
        const float *out = out_.Of(a, r, h), *dmixed = g.mixed + (out - (a + mixed_));
        const float inverse = 1.0f / (states_.o.Of(a, r, h)[out_.dim] + kDivisorEpsilon);
        float *dout = states_.dout.Of(p.work, r, h), along = 0;
        for (int i = 0; i < out_.dim; ++i) {
          dout[i] = dmixed[i] * inverse;
          along += dout[i] * out[i];
        }
        dout[out_.dim] = -along;
      }
    }
    states_.Backward(p);
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < out_.heads; ++h) {
        float *dq = Projected(a, r, h), *dk = dq + Width(), *dv = dk + Width();  // in the place of the values
        for (int i = 0; i < out_.dim; ++i) {
          // The derivative of elu(x) + 1 is 1 where it is above 1, and else its value.
          dq[i] = states_.dq.Of(p.work, r, h)[i] * std::fmin(1.0f, states_.q.Of(a, r, h)[i]);
          dk[i] = states_.dk.Of(p.work, r, h)[i] * std::fmin(1.0f, states_.k.Of(a, r, h)[i]);
          dv[i] = states_.dv.Of(p.work, r, h)[i];
        }
      }
    }
    WeightGrad(p.math, p.weights, in_, rows, a + qkv_, ld_qkv_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, a + qkv_, ld_qkv_, nullptr, g.in, ld_in_);
  }

 private:
  LinMixer(const MixerContext& c, ArenaPlan work)
      : in_(c.Tensor(LinearSpec::kIn)),
        length_(c.length),
        ld_in_(Stride(c.width)),
        ld_qkv_(Stride(in_.padded_rows)),
        states_(HeadsOf(c), HeadsOf(c), DimOf(c), DimOf(c) + 1, HeadDecay::kNone, false, c, work),
        out_(HeadsOf(c), DimOf(c), PadUp(DimOf(c)), static_cast<size_t>(c.rows), c.arena) {
    qkv_ = c.arena.Take(static_cast<size_t>(c.rows) * ld_qkv_);
    mixed_ = out_.at;
    mixed_ld_ = static_cast<int>(out_.ld);
    work_floats_ = work.size();
  }

  static int HeadsOf(const MixerContext& c) { return static_cast<int>(c.layer_spec().linear.heads); }
  static int DimOf(const MixerContext& c) { return static_cast<int>(c.layer_spec().linear.value_dim); }
  static float EluPlusOne(float x) { return x > 0 ? x + 1 : std::exp(x); }

  ptrdiff_t Width() const { return static_cast<ptrdiff_t>(out_.heads) * out_.dim; }
  // The query of a head; its key and value follow, Width() floats apart.
  float* Projected(float* arena, int row, int head) const { return arena + qkv_ + row * ld_qkv_ + static_cast<ptrdiff_t>(head) * out_.dim; }

  const Param& in_;
  int length_;
  ptrdiff_t ld_in_, ld_qkv_;
  StateHeads states_;
  HeadRows out_;  // in the arena
  size_t qkv_;    // arena offset
};

}  // namespace

std::unique_ptr<LayerMixer> MakeLinMixer(const MixerContext& context) { return std::make_unique<LinMixer>(context); }

}  // namespace edgefront::train
