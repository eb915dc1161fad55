// The gated short convolution in training: bch [rows, 3 width] (B | C | h), y = B * h, u = C * conv(y).
#include "train/layer_mixer.h"

namespace edgefront::train {
namespace {

static_assert(kMaxTaps <= kMostTaps, "a model may have more taps than conv_grad has room for");

class ConvMixer : public LayerMixer {
 public:
  explicit ConvMixer(const MixerContext& c)
      : in_(c.Tensor(ConvSpec::kIn)),
        taps_(c.Tensor(ConvSpec::kTaps)),
        k_(static_cast<int>(c.layer_spec().conv.taps)),
        length_(c.length),
        width_(c.width),
        ld_(Stride(c.width)),
        ldb_(Stride(3 * c.width)) {
    const size_t rows = static_cast<size_t>(c.rows);
    bch_ = c.arena.Take(rows * ldb_);
    y_ = c.arena.Take(rows * ld_);
    mixed_ = c.arena.Take(rows * ld_);
    mixed_ld_ = ld_;
    dbch_floats_ = rows * ldb_;
    work_floats_ = dbch_floats_ + static_cast<size_t>(c.length) * ld_;
  }

  void Forward(const MixerPass& p) const override {
    Project(p.math, p.weights, in_, p.sequences * length_, p.in, ld_, nullptr, p.arena + bch_, ldb_);
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      p.math.conv(length_, width_, k_, p.weights.flat + taps_.offset, p.arena + bch_ + row * ldb_, ldb_, p.arena + y_ + row * ld_,
                  p.arena + mixed_ + row * ld_, ld_);
    }
  }

  void Backward(const MixerPass& p, const MixerGradients& g) const override {
    const int rows = p.sequences * length_;
    float *dbch = p.work, *scratch = p.work + dbch_floats_;
    for (int s = 0; s < p.sequences; ++s) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(s) * length_;
      p.math.conv_grad(length_, width_, k_, p.weights.flat + taps_.offset, p.arena + bch_ + row * ldb_, ldb_, p.arena + y_ + row * ld_,
                       g.mixed + row * ld_, ld_, dbch + row * ldb_, g.params + taps_.offset, scratch);
    }
    WeightGrad(p.math, p.weights, in_, rows, dbch, ldb_, p.in, ld_, g.params, g.fresh);
    ProjectBack(p.math, p.weights, in_, rows, dbch, ldb_, nullptr, g.in, ld_);
  }

 private:
  const Param &in_, &taps_;
  int k_, length_, width_;
  ptrdiff_t ld_, ldb_;
  size_t bch_, y_, dbch_floats_;
};

}  // namespace

std::unique_ptr<LayerMixer> MakeConvMixer(const MixerContext& context) { return std::make_unique<ConvMixer>(context); }

}  // namespace edgefront::train
