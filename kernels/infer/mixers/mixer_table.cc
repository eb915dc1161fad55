// The list of the kinds of mixers for inference.
#include "infer/mixer_kind.h"

namespace edgefront {

extern const MixerKind kConvMixer, kAttentionMixer, kMamba2Mixer, kMamba2ConvMixer, kGdnMixer, kGdnConvMixer, kS4dMixer, kRtfMixer,
    kLs4Mixer, kMambaMixer, kMambaConvMixer, kCfcMixer, kLinMixer, kGlaMixer, kKdaMixer, kKdaConvMixer;

std::span<const MixerKind* const> MixerKinds() {
  // In the order of Mixer.
  static constexpr const MixerKind* kKinds[] = {
      &kConvMixer, &kAttentionMixer, &kMamba2Mixer,    &kMamba2ConvMixer, &kGdnMixer, &kGdnConvMixer, &kS4dMixer, &kRtfMixer,
      &kLs4Mixer,  &kMambaMixer,     &kMambaConvMixer, &kCfcMixer,        &kLinMixer, &kGlaMixer,     &kKdaMixer, &kKdaConvMixer};
  return kKinds;
}

const MixerKind& KindOf(Mixer mixer) { return *MixerKinds()[static_cast<size_t>(mixer)]; }

const MixerKind* FindMixer(std::string_view name) {
  for (const MixerKind* kind : MixerKinds())
    for (const std::string_view known : kind->names)
      if (known == name) return kind;
  return nullptr;
}

std::string MixerNames() {
  std::string all;
  for (const MixerKind* kind : MixerKinds())
    for (const std::string_view name : kind->names) all += (all.empty() ? "" : ", ") + std::string(name);
  return all;
}

}  // namespace edgefront
