// The list of the kinds of mixers for training.
#include "train/layer_mixer.h"

namespace edgefront::train {

// One function for each kind, in train/mixers/<op>.cc.
std::unique_ptr<LayerMixer> MakeConvMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeAttentionMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeMamba2Mixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeGdnMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeMambaMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeCfcMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeModalMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeRtfMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeLinMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeGlaMixer(const MixerContext& context);
std::unique_ptr<LayerMixer> MakeKdaMixer(const MixerContext& context);

std::unique_ptr<LayerMixer> MakeLayerMixer(const MixerContext& context) {
  // The order is that of Mixer.
  constexpr std::unique_ptr<LayerMixer> (*kMake[])(const MixerContext&) = {
      MakeConvMixer,  MakeAttentionMixer, MakeMamba2Mixer, MakeMamba2Mixer, MakeGdnMixer, MakeGdnMixer, MakeModalMixer, MakeRtfMixer,
      MakeModalMixer, MakeMambaMixer,     MakeMambaMixer,  MakeCfcMixer,    MakeLinMixer, MakeGlaMixer, MakeKdaMixer,   MakeKdaMixer};
  return kMake[static_cast<size_t>(context.layer_spec().mixer)](context);
}

}  // namespace edgefront::train
