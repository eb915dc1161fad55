// Parts that mixers with a state for each head share in training: copies of their channels, the norm and gate of
// their outputs, and low-rank projections.
#pragma once

#include "train/mixers/state_heads.h"

namespace edgefront::train {

// RMS norm of each head's channels, with one weight for all heads.
class HeadNorm {
 public:
  HeadNorm(const Param& weight, const HeadRows& in, const MixerContext& c) : weight_(weight), in_(in), eps_(c.spec.eps) {
    out = in.In(static_cast<size_t>(c.rows), c.arena);
    rstd_ = c.arena.Take(static_cast<size_t>(c.rows) * in.heads);
  }

  HeadRows out;  // in the arena, in the shape of the input

  void Forward(const MixerPass& p, int rows) const {
    for (int r = 0; r < rows; ++r) {
      p.math.rms_norm(in_.heads, in_.dim, in_.step, in_.Of(p.arena, r, 0), in_.step, p.weights.flat + weight_.offset, eps_,
                      out.Of(p.arena, r, 0), in_.step, p.arena + rstd_ + static_cast<ptrdiff_t>(r) * in_.heads);
    }
  }
  // Computes the gradient of the input from that of the output, which lies in the place of the output.
  void Backward(const MixerPass& p, int rows, const HeadRows& din, float* params) const {
    std::memset(p.work + din.at, 0, sizeof(float) * rows * din.ld);
    for (int r = 0; r < rows; ++r) {
      p.math.rms_norm_grad(in_.heads, in_.dim, in_.step, in_.Of(p.arena, r, 0), in_.step, p.weights.flat + weight_.offset,
                           p.arena + rstd_ + static_cast<ptrdiff_t>(r) * in_.heads, out.Of(p.arena, r, 0), in_.step, din.Of(p.work, r, 0),
                           in_.step, params + weight_.offset);
    }
  }

 private:
  const Param& weight_;
  HeadRows in_;
  float eps_;
  size_t rstd_;
};

// A projection through two matrices: b (a x).
class LowRank {
 public:
  LowRank(const Param& a, const Param& b, const MixerContext& c, ArenaPlan& work)
      : a_(a), b_(b), ld_in_(Stride(c.width)), ld_(Stride(a.padded_rows)) {
    mid_ = c.arena.Take(static_cast<size_t>(c.rows) * ld_);
    dmid_ = work.Take(static_cast<size_t>(c.rows) * ld_);
  }

  // Writes the products of p.in to `out` [rows, ld].
  void Forward(const MixerPass& p, int rows, float* out, ptrdiff_t ld) const {
    Project(p.math, p.weights, a_, rows, p.in, ld_in_, nullptr, p.arena + mid_, ld_);
    Project(p.math, p.weights, b_, rows, p.arena + mid_, ld_, nullptr, out, ld);
  }
  // Writes its part of the input's gradient plus `addend` (null or g.in) to g.in, and computes the gradients of both
  // matrices from that of the output, `dout` [rows, ld].
  void Backward(const MixerPass& p, const MixerGradients& g, int rows, const float* dout, ptrdiff_t ld, const float* addend) const {
    float* dmid = p.work + dmid_;
    WeightGrad(p.math, p.weights, b_, rows, dout, ld, p.arena + mid_, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, b_, rows, dout, ld, nullptr, dmid, ld_);
    WeightGrad(p.math, p.weights, a_, rows, dmid, ld_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, a_, rows, dmid, ld_, addend, g.in, ld_in_);
  }

 private:
  const Param &a_, &b_;
  ptrdiff_t ld_in_, ld_;
  size_t mid_, dmid_;
};

// Copies the channels of all heads between rows without padding, `ld` floats apart, and `heads` in `memory`.
inline void CopyToHeads(int rows, const float* from, ptrdiff_t ld, const HeadRows& heads, float* memory) {
  for (int r = 0; r < rows; ++r) {
    for (int h = 0; h < heads.heads; ++h)
      std::memcpy(heads.Of(memory, r, h), from + r * ld + static_cast<ptrdiff_t>(h) * heads.dim, sizeof(float) * heads.dim);
  }
}
inline void CopyFromHeads(int rows, const HeadRows& heads, float* memory, float* to, ptrdiff_t ld) {
  for (int r = 0; r < rows; ++r) {
    for (int h = 0; h < heads.heads; ++h)
      std::memcpy(to + r * ld + static_cast<ptrdiff_t>(h) * heads.dim, heads.Of(memory, r, h), sizeof(float) * heads.dim);
  }
}

}  // namespace edgefront::train
