// Tensors of a gated short convolution, by the slots they have in LayerWeights and Params.
#ifndef EDGEFRONT_INFER_MIXERS_CONV_H_
#define EDGEFRONT_INFER_MIXERS_CONV_H_

namespace edgefront::conv {

enum Slot { kIn, kTaps };

}  // namespace edgefront::conv

#endif  // EDGEFRONT_INFER_MIXERS_CONV_H_
