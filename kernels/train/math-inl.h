// Builds the tables of train/math.h for the instruction set of the including file, which defines
// EDGEFRONT_ISA_* and the GEMM tile. Everything is in a namespace of its own and uses no inline function of
// the standard library. Otherwise the linker could merge code for a wide ISA into functions that a smaller
// machine runs.
#include <cstddef>
#include <cstdint>

#include "train/math.h"

namespace edgefront::train::EDGEFRONT_ISA_NAMESPACE {
namespace {

#include "train/vec-inl.h"
// (in this order)
#include "train/tile-inl.h"
#include "train/bf16-inl.h"
#ifndef EDGEFRONT_DOT_PAIRS
#include "train/gemm-inl.h"
#include "train/elementwise-inl.h"
#include "train/mamba-inl.h"
#include "train/modal-inl.h"
#include "train/rational-inl.h"
#include "train/short_conv-inl.h"
#include "train/gates-inl.h"
#include "train/attention-inl.h"
#include "train/triangular-inl.h"
#include "train/delta_chunks-inl.h"
#include "train/delta-inl.h"
#endif

}  // namespace

#ifdef EDGEFRONT_DOT_PAIRS
// An instruction set that only adds products to the table of another one.
extern const Products kPairs;
const Products kPairs = {EDGEFRONT_ISA_NAME, Precision::kBfloat16, &kPairPacking, RunGemmRounded<uint32_t>};
#else
extern const Products kRounded;
const Products kRounded = {EDGEFRONT_ISA_NAME, Precision::kBfloat16, &kRoundedPacking, RunGemmRounded<float>};

extern const Math kMath;
// clang-format off
const Math kMath = {{EDGEFRONT_ISA_NAME, Precision::kFloat32, &kExactPacking, RunGemm}, RunRmsNorm, RunRmsNormGrad, RunConv, RunConvGrad,
                    RunModal, RunModalGrad, RunRational, RunRationalGrad, RunConvSilu, RunConvSiluGrad, RunMamba, RunMambaGrad, RunDelta, RunDeltaGrad, RunDecays, RunDecaysGrad, RunSigmoidGate, RunSigmoidGateGrad, RunSwiGlu, RunSwiGluGrad, RunHeadRope, RunHeadRopeGrad, RunAttention, RunAttentionGrad, RunCrossEntropy, RunAdam, RunReduce};
// clang-format on
#endif

}  // namespace edgefront::train::EDGEFRONT_ISA_NAMESPACE
