// The rational transfer function in training (infer/mixers/rtf.cc describes it).
#include <cmath>

#include "ops/rational/stabilise.h"
#include "train/mixers/gated_filter.h"

namespace edgefront::train {
namespace {

using R = RationalSpec;

class RtfMixer : public FilterMixer {
 public:
  explicit RtfMixer(const MixerContext& c)
      : FilterMixer(c, RationalScratch(c.length) + Weights(c)),
        a_(c.Tensor(R::kA)),
        b_(c.Tensor(R::kB)),
        slack_(c.Tensor(R::kSlack)),
        h0_(c.Tensor(R::kH0)),
        order_(static_cast<int>(c.layer_spec().rational.order)) {
    minus_a_ = c.arena.Take(Weights(c));
    x_ = c.arena.Take(static_cast<size_t>(c.rows) * ld_);
  }

 private:
  static size_t Weights(const MixerContext& c) { return size_t{c.layer_spec().rational.order} * c.width; }
  double Bound(const MixerPass& p, int channel) const {
    return DenominatorBound(p.weights.flat + a_.offset + channel, order_, width_, p.weights.flat[slack_.offset + channel]);
  }

  void Prepare(const MixerPass& p) const override {
    for (int c = 0; c < width_; ++c) {
      const double bound = Bound(p, c);
      for (int i = 0; i < order_; ++i) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(i) * width_ + c;
        p.arena[minus_a_ + at] = static_cast<float>(-p.weights.flat[a_.offset + at] / bound);
      }
    }
  }

  RationalFilter Of(const MixerPass& p, ptrdiff_t row, float* u) const {
    return {length_,
            width_,
            order_,
            p.arena + minus_a_,
            p.weights.flat + b_.offset,
            p.weights.flat + h0_.offset,
            u,
            ld_,
            p.arena + x_ + row * ld_,
            Work(p) + static_cast<ptrdiff_t>(order_) * width_};
  }

  void Filter(const MixerPass& p, ptrdiff_t row, float* u, float* y) const override { p.math.rational(Of(p, row, u), y); }

  void FilterBackward(const MixerPass& p, const MixerGradients& gradients, ptrdiff_t row, float* u, float* g) const override {
    p.math.rational_grad(Of(p, row, u), {g, Work(p), gradients.params + b_.offset, gradients.params + h0_.offset});
  }

  // With q = a / bound: da = (dq - sign(a) sum(dq q)) / bound, and the slack shares the last term.
  void Finish(const MixerPass& p, const MixerGradients& g) const override {
    const float *a = p.weights.flat + a_.offset, *dminus = Work(p);
    for (int c = 0; c < width_; ++c) {
      const double bound = Bound(p, c);
      double along = 0;
      for (int i = 0; i < order_; ++i) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(i) * width_ + c;
        along += static_cast<double>(dminus[at]) * p.arena[minus_a_ + at];
      }
      for (int i = 0; i < order_; ++i) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(i) * width_ + c;
        g.params[a_.offset + at] += static_cast<float>((-dminus[at] - Sign(a[at]) * along) / bound);
      }
      g.params[slack_.offset + c] += static_cast<float>(-Sign(p.weights.flat[slack_.offset + c]) * along / bound);
    }
  }

  static double Sign(float x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

  const Param &a_, &b_, &slack_, &h0_;
  int order_;
  size_t minus_a_, x_;
};

}  // namespace

std::unique_ptr<LayerMixer> MakeRtfMixer(const MixerContext& context) { return std::make_unique<RtfMixer>(context); }

}  // namespace edgefront::train
