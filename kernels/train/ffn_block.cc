// The list of the kinds of FFNs for training.
#include "train/ffn_block.h"

#include "train/moe_block.h"
#include "train/swiglu_block.h"

namespace edgefront::train {

std::unique_ptr<FfnBlock> MakeFfnBlock(const ModelSpec& spec, const Params& params, int layer, int rows, int width, ArenaPlan* arena) {
  switch (spec.layers[layer].ffn_kind()) {
    case Ffn::kSwiglu: return std::make_unique<SwigluBlock>(spec, params, layer, rows, width, arena);
    case Ffn::kMoe: return std::make_unique<MoeBlock>(spec, params, layer, rows, width, arena);
    case Ffn::kAbsent: break;
  }
  return nullptr;
}

}  // namespace edgefront::train
