// The inputs of the delta rule in training: queries and keys of unit length, values, and rates sigmoid(beta x), one
// for each head.
#pragma once

#include <cmath>

#include "ops/delta/rates.h"
#include "train/mixers/head_parts.h"

namespace edgefront::train {

class DeltaKeys {
 public:
  DeltaKeys(const Param& beta, const StateHeads& states, const MixerContext& c)
      : beta_(beta), states_(states), ld_in_(Stride(c.width)), ld_(Stride(beta.padded_rows)) {
    b_ = c.arena.Take(static_cast<size_t>(c.rows) * ld_);
  }

  // Sets queries, keys, values and rates of `states`. Rows of `qkv` [rows, ld] hold q, k and v without padding.
  void Forward(const MixerPass& p, int rows, const float* qkv, ptrdiff_t ld) const {
    Project(p.math, p.weights, beta_, rows, p.in, ld_in_, nullptr, p.arena + b_, ld_);
    const int heads = states_.v.heads;
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < states_.q.heads; ++h) {
        const float* q = qkv + r * ld + static_cast<ptrdiff_t>(h) * states_.q.dim;
        Unit(q, QueryScale(), states_.q.Of(p.arena, r, h));
        Unit(q + Width(), 1.0, states_.k.Of(p.arena, r, h));
      }
      for (int h = 0; h < heads; ++h) *states_.rate.Of(p.arena, r, h) = Sigmoid(p.arena[b_ + r * ld_ + h]);
    }
    CopyToHeads(rows, qkv + 2 * Width(), ld, states_.v, p.arena);
  }

  // Computes the gradient of `qkv` in `dqkv`, and that of beta from the gradients in `states`. Adds to g.in.
  void Backward(const MixerPass& p, const MixerGradients& g, int rows, const float* qkv, float* dqkv, ptrdiff_t ld) const {
    for (int r = 0; r < rows; ++r) {
      for (int h = 0; h < states_.q.heads; ++h) {
        const ptrdiff_t at = r * ld + static_cast<ptrdiff_t>(h) * states_.q.dim;
        UnitGrad(qkv + at, states_.dq.Of(p.work, r, h), QueryScale(), dqkv + at);
        UnitGrad(qkv + at + Width(), states_.dk.Of(p.work, r, h), 1.0, dqkv + at + Width());
      }
      for (int h = 0; h < states_.v.heads; ++h) {
        const float rate = *states_.rate.Of(p.arena, r, h);
        p.arena[b_ + r * ld_ + h] = *states_.drate.Of(p.work, r, h) * rate * (1 - rate);
      }
    }
    CopyFromHeads(rows, states_.dv, p.work, dqkv + 2 * Width(), ld);
    WeightGrad(p.math, p.weights, beta_, rows, p.arena + b_, ld_, p.in, ld_in_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, beta_, rows, p.arena + b_, ld_, g.in, g.in, ld_in_);
  }

 private:
  ptrdiff_t Width() const { return static_cast<ptrdiff_t>(states_.q.heads) * states_.q.dim; }
  double QueryScale() const { return 1.0 / std::sqrt(static_cast<double>(states_.q.dim)); }

  // Writes x [dim] with the length `scale`.
  void Unit(const float* x, double scale, float* to) const {
    const double factor = scale * InverseLength(x, states_.q.dim);
    for (int i = 0; i < states_.q.dim; ++i) to[i] = static_cast<float>(x[i] * factor);
  }

  // Computes the gradient of x [dim] from that of scale * x / |x|, `dy`.
  void UnitGrad(const float* x, const float* dy, double scale, float* dx) const {
    const double inverse = InverseLength(x, states_.q.dim);
    double along = 0;
    for (int i = 0; i < states_.q.dim; ++i) along += static_cast<double>(x[i]) * dy[i];
    along *= inverse * inverse;
    for (int i = 0; i < states_.q.dim; ++i) dx[i] = static_cast<float>(scale * inverse * (dy[i] - x[i] * along));
  }

  const Param& beta_;
  const StateHeads& states_;
  ptrdiff_t ld_in_, ld_;
  size_t b_;  // arena offset
};

}  // namespace edgefront::train
