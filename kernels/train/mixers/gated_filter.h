// The block of LFM2's gated short convolution in training, with any filter: bch [rows, 3 width] (B | C | h) =
// in(x), u = B * h, mixed = C * filter(u).
#pragma once

#include <cstring>

#include "train/layer_mixer.h"

namespace edgefront::train {

// The products around the gates. A derived class does the gates and the filter of one sequence, whose first
// row is `row`.
class GatedMixer : public LayerMixer {
 public:
  void Forward(const MixerPass& p) const override {
    Project(p.math, p.weights, in_, p.sequences * length_, p.in, ld_, nullptr, p.arena + bch_, ldb_);
    Prepare(p);
    for (int s = 0; s < p.sequences; ++s) Sequence(p, static_cast<ptrdiff_t>(s) * length_);
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    float* dbch = p.work;
    std::memset(p.work + dbch_floats_, 0, sizeof(float) * (work_floats_ - dbch_floats_));
    for (int s = 0; s < p.sequences; ++s) SequenceBackward(p, g, static_cast<ptrdiff_t>(s) * length_, dbch);
    Finish(p, g);
    const int rows = p.sequences * length_;
    WeightGrad(p.math, p.weights, in_, rows, dbch, ldb_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dbch, ldb_, nullptr, g.in, ld_);
  }

 protected:
  // Plans the block; `work` counts the floats that the derived class needs in a backward pass.
  GatedMixer(const MixerContext& c, size_t work)
      : length_(c.length), width_(c.width), ld_(Stride(c.width)), ldb_(Stride(3 * c.width)), in_(c.Tensor(0)) {
    const size_t rows = static_cast<size_t>(c.rows);
    bch_ = c.arena.Take(rows * ldb_);
    u_ = c.arena.Take(rows * ld_);
    mixed_ = c.arena.Take(rows * ld_);
    mixed_ld_ = static_cast<int>(ld_);
    dbch_floats_ = rows * ldb_;
    work_floats_ = dbch_floats_ + work;
  }

  virtual void Prepare(const MixerPass&) const {}  // before the sequences of a forward pass
  virtual void Sequence(const MixerPass& p, ptrdiff_t row) const = 0;
  // Writes the rows of dbch [rows, 3 width] from those of g.mixed.
  virtual void SequenceBackward(const MixerPass& p, const MixerGradients& g, ptrdiff_t row, float* dbch) const = 0;
  virtual void Finish(const MixerPass&, const MixerGradients&) const {}    // after the sequences of a backward pass
  float* Work(const MixerPass& p) const { return p.work + dbch_floats_; }  // zero before the first sequence

  int length_, width_;
  ptrdiff_t ld_, ldb_;
  size_t bch_, u_;  // arena offsets: [rows, ldb_]; [rows, ld_]

 private:
  const Param& in_;
  size_t dbch_floats_;
};

// The gates around a filter that maps u [length, width] to y [length, width], both with the stride ld_.
class FilterMixer : public GatedMixer {
 protected:
  FilterMixer(const MixerContext& c, size_t work) : GatedMixer(c, work), y_(c.arena.Take(static_cast<size_t>(c.rows) * ld_)) {}

  // Computes y of one sequence. May change u.
  virtual void Filter(const MixerPass& p, ptrdiff_t row, float* u, float* y) const = 0;
  // Turns g from the gradient of y into that of u, and adds to the gradients of the filter's weights.
  virtual void FilterBackward(const MixerPass& p, const MixerGradients& gradients, ptrdiff_t row, float* u, float* g) const = 0;

 private:
  void Sequence(const MixerPass& p, ptrdiff_t row) const override {
    const float* bch = p.arena + bch_ + row * ldb_;
    float *u = p.arena + u_ + row * ld_, *y = p.arena + y_ + row * ld_, *mixed = p.arena + mixed_ + row * ld_;
    for (int t = 0; t < length_; ++t) {
      for (int i = 0; i < width_; ++i) u[t * ld_ + i] = bch[t * ldb_ + i] * bch[t * ldb_ + 2 * width_ + i];
    }
    Filter(p, row, u, y);
    for (int t = 0; t < length_; ++t) {
      for (int i = 0; i < width_; ++i) mixed[t * ld_ + i] = bch[t * ldb_ + width_ + i] * y[t * ld_ + i];
    }
  }

  void SequenceBackward(const MixerPass& p, const MixerGradients& gradients, ptrdiff_t row, float* dbch) const override {
    const float *bch = p.arena + bch_ + row * ldb_, *y = p.arena + y_ + row * ld_;
    float *d = dbch + row * ldb_, *g = gradients.mixed + row * ld_;
    for (int t = 0; t < length_; ++t) {
      for (int i = 0; i < width_; ++i) {
        d[t * ldb_ + width_ + i] = g[t * ld_ + i] * y[t * ld_ + i];
        g[t * ld_ + i] *= bch[t * ldb_ + width_ + i];
      }
    }
    FilterBackward(p, gradients, row, p.arena + u_ + row * ld_, g);
    for (int t = 0; t < length_; ++t) {
      for (int i = 0; i < width_; ++i) {
        d[t * ldb_ + i] = g[t * ld_ + i] * bch[t * ldb_ + 2 * width_ + i];
        d[t * ldb_ + 2 * width_ + i] = g[t * ld_ + i] * bch[t * ldb_ + i];
      }
    }
  }

  size_t y_;
};

}  // namespace edgefront::train
