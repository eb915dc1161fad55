// The short convolution of recurrent mixers in training, with its buffers. Rows are those of a microbatch,
// `ld` floats apart.
#pragma once

#include <cstring>

#include "train/layer_mixer.h"

namespace edgefront::train {

// Copies `columns` columns of [rows], between arrays of different strides.
inline void CopyColumns(int rows, int columns, const float* from, ptrdiff_t ld_from, float* to, ptrdiff_t ld_to) {
  for (int r = 0; r < rows; ++r) std::memcpy(to + r * ld_to, from + r * ld_from, sizeof(float) * static_cast<size_t>(columns));
}

class ShortConv {
 public:
  // Plans for rows of `channels` channels. `bias` may be null.
  ShortConv(const Param& taps, const Param* bias, int channels, const MixerContext& c)
      : taps_(taps), bias_(bias), k_(taps.cols), length_(c.length), width_(PadUp(channels)), ld_(Stride(width_)) {
    for (size_t* buffer : {&in_, &z_, &out_}) *buffer = c.arena.Take(static_cast<size_t>(c.rows) * ld_);
  }

  size_t in() const { return in_; }    // offset in the arena of [rows, ld]. The mixer writes it; padding stays zero
  size_t out() const { return out_; }  // offset in the arena of [rows, ld]: silu(convolution of `in`)
  int width() const { return width_; }
  ptrdiff_t ld() const { return ld_; }

  void Forward(const MixerPass& p) const {
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(s) * length_ * ld_;
      p.math.conv_silu(length_, width_, k_, p.weights.flat + taps_.offset, bias_ ? p.weights.flat + bias_->offset : nullptr,
                       p.arena + in_ + at, p.arena + z_ + at, p.arena + out_ + at, ld_);
    }
  }
  // Turns `g` [rows, ld] from the gradient of `out` into that of `in`, and adds to the gradients of the
  // parameters. Padding of `g` must be zero.
  void Backward(const MixerPass& p, float* g, float* gradients) const {
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(s) * length_ * ld_;
      p.math.conv_silu_grad(length_, width_, k_, p.weights.flat + taps_.offset, p.arena + in_ + at, p.arena + z_ + at, g + at, ld_,
                            gradients + taps_.offset, bias_ ? gradients + bias_->offset : nullptr);
    }
  }

 private:
  const Param& taps_;
  const Param* bias_;
  int k_, length_, width_;
  ptrdiff_t ld_;
  size_t in_, z_, out_;
};

}  // namespace edgefront::train
