// The gated short convolution in training (gated_filter.h): mixed = C * conv(u).
#include "train/mixers/gated_filter.h"

namespace edgefront::train {
namespace {

static_assert(kMaxTaps <= kMostTaps, "a model may have more taps than conv_grad has room for");

class ConvMixer : public GatedMixer {
 public:
  explicit ConvMixer(const MixerContext& c)
      : GatedMixer(c, static_cast<size_t>(c.length) * Stride(c.width)),
        taps_(c.Tensor(ConvSpec::kTaps)),
        k_(static_cast<int>(c.layer_spec().conv.taps)) {}

 private:
  void Sequence(const MixerPass& p, ptrdiff_t row) const override {
    p.math.conv(length_, width_, k_, p.weights.flat + taps_.offset, p.arena + bch_ + row * ldb_, ldb_, p.arena + u_ + row * ld_,
                p.arena + mixed_ + row * ld_, ld_);
  }

  void SequenceBackward(const MixerPass& p, const MixerGradients& g, ptrdiff_t row, float* dbch) const override {
    p.math.conv_grad(length_, width_, k_, p.weights.flat + taps_.offset, p.arena + bch_ + row * ldb_, ldb_, p.arena + u_ + row * ld_,
                     g.mixed + row * ld_, ld_, dbch + row * ldb_, g.params + taps_.offset, Work(p));
  }

  const Param& taps_;
  int k_;
};

}  // namespace

std::unique_ptr<LayerMixer> MakeConvMixer(const MixerContext& context) { return std::make_unique<ConvMixer>(context); }

}  // namespace edgefront::train
