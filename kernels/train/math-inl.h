// Assembles one table of train/math.h for the instruction set of the including file, which defines EDGEFRONT_ISA_* and the GEMM tile.
// Everything lives in a namespace of its own and uses no inline function of the standard library: code compiled for a wide ISA must
// never be merged by the linker into one a smaller machine runs.
#include <cstddef>
#include <cstdint>

#include "train/math.h"

namespace edgefront::train::EDGEFRONT_ISA_NAMESPACE {
namespace {

#include "train/vec-inl.h"
// (in this order)
#include "train/gemm-inl.h"
#include "train/elementwise-inl.h"
#include "train/attention-inl.h"

}  // namespace

extern const Math kMath;
const Math kMath = {EDGEFRONT_ISA_NAME, RunGemm,     RunRmsNorm,  RunRmsNormGrad,  RunConv,      RunConvGrad,      RunSwiGlu, RunSwiGluGrad,
                    RunHeadRope,        RunHeadRopeGrad, RunAttention, RunAttentionGrad, RunCrossEntropy, RunAdam, RunReduce};

}  // namespace edgefront::train::EDGEFRONT_ISA_NAMESPACE
