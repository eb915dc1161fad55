// Kimi Delta Attention in training, or its short-convolution part.
#include <memory>

#include "train/mixers/channel_decays.h"
#include "train/mixers/delta_mixer.h"

namespace edgefront::train {
namespace {

struct Kda {
  using Spec = LinearSpec;
  static const Spec& SpecOf(const MixerContext& c) { return c.layer_spec().linear; }
  static DeltaShape ShapeOf(const Spec& s) { return {s.heads, s.key_dim > 0 ? s.heads : 0, s.key_dim, s.value_dim, HeadDecay::kChannel}; }

  struct Decays : ChannelDecays {
    Decays(const StateHeads& states, const MixerContext& c, ArenaPlan& work) : ChannelDecays(states, &c.Tensor(Spec::kRate), c, work) {}
  };

  struct Gate : LowRank {
    Gate(const MixerContext& c, ArenaPlan& work) : LowRank(c.Tensor(Spec::kGateA), c.Tensor(Spec::kGateB), c, work) {}
    void Backward(const MixerPass& p, const MixerGradients& g, int rows, const float* dz, ptrdiff_t ld) const {
      LowRank::Backward(p, g, rows, dz, ld, nullptr);
    }
    static auto Apply(const Math& math) { return math.sigmoid_gate; }
    static auto ApplyGrad(const Math& math) { return math.sigmoid_gate_grad; }
  };
};

}  // namespace

std::unique_ptr<LayerMixer> MakeKdaMixer(const MixerContext& context) { return std::make_unique<DeltaMixer<Kda>>(context); }

}  // namespace edgefront::train
