// The list of the kinds of FFNs for inference, and the kind of layers that have none.
#include "infer/ffn_kind.h"

namespace edgefront {

extern const FfnKind kSwigluFfn, kMoeFfn;

namespace {

void NoTensors(const ModelSpec&, const LayerSpec&, LayerTensors*) {}
void NoPlan(const ModelSpec&, const LayerSpec&, Program*, LayerPlan*) {}

const FfnKind kAbsentFfn = {Ffn::kAbsent, "no FFN", NoTensors, NoPlan, {}};

}  // namespace

std::span<const FfnKind* const> FfnKinds() {
  static constexpr const FfnKind* kKinds[] = {&kAbsentFfn, &kSwigluFfn, &kMoeFfn};  // in the order of Ffn
  return kKinds;
}

const FfnKind& KindOf(Ffn ffn) { return *FfnKinds()[static_cast<size_t>(ffn)]; }

}  // namespace edgefront
