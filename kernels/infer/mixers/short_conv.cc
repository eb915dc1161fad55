// Shares the channels of a short convolution among the workers.
#include "infer/mixers/short_conv.h"

namespace edgefront {

static_assert(kMaxTaps <= kMostConvTaps, "a model may have more taps than conv_silu has room for");

// Each worker takes strips of 16 channels.
void RunShortConv(const StageRun& r, const ShortConv& conv) {
  const Engine& e = r.engine;
  const LayerPlan& plan = e.program.layers[r.layer];
  const Part strips = PartOf((conv.channels + 15) / 16, r.worker, r.workers);
  ConvSiluArgs g;
  g.stride = plan.width;
  g.taps = conv.taps;
  g.bias = conv.bias;
  g.d = conv.channels;
  g.k = conv.k;
  g.c0 = std::min<size_t>(conv.channels, strips.begin * 16);
  g.c1 = std::min<size_t>(conv.channels, strips.end * 16);
  g.n = e.decode ? 1 : e.n;
  for (uint32_t i = 0; i < (e.decode ? e.n : 1); ++i) {
    g.x = e.ProjRow(plan, i) + conv.column;
    g.state = reinterpret_cast<float*>(e.State(plan, e.SequenceOf(i)) + conv.state_at);
    e.kernels->conv_silu(g);
  }
}

// Each input is read once and replaced; the state counts once for each sequence.
OpCost ShortConvCost(const Engine& e, size_t channels, size_t k) {
  const double values = static_cast<double>(e.n) * static_cast<double>(channels);
  const double state = static_cast<double>((e.decode ? e.n : 1) * (k - 1) * channels);
  return {4 * (2 * values + 2 * state), values * static_cast<double>(2 * k + 4)};
}

}  // namespace edgefront
