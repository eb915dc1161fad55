// The names and order of the lines of a profile.
#include "infer/profile.h"

#include "infer/engine.h"
#include "infer/ffn_kind.h"
#include "infer/mixer_kind.h"

namespace edgefront {

int ProfileLine(const Profile& profile, std::string_view op) {
  size_t line = 0;
  while (line < profile.size() && profile[line].op != op) ++line;
  return static_cast<int>(line);
}

Profile EmptyProfile() {
  Profile profile;
  const auto add = [&](const char* op) {
    if (static_cast<size_t>(ProfileLine(profile, op)) == profile.size()) profile.push_back({op});
  };
  add(kEmbedStage.name);
  add(kMixerNormStage.name);
  for (const MixerKind* kind : MixerKinds()) {
    for (const Stage& stage : kind->stages) add(stage.name);
    add(kind->out_stage);
  }
  for (const FfnKind* kind : FfnKinds())
    for (const Stage& stage : kind->stages) add(stage.name);
  for (const Stage* stage : {&kFinalNormStage, &kLogitsStage}) add(stage->name);
  return profile;
}

}  // namespace edgefront
