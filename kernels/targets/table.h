// Builds the kernel table of one instruction set. Include this after a simd/vec_*.h, then call
// EDGEFRONT_KERNEL_TABLE. The scalar table does not use it, because it is the independent reference
// (targets/scalar.cc).
#include "ops/attention/forward.h"
#include "ops/attention/store_kv.h"
#include "ops/conv/forward.h"
#include "ops/conv_silu/forward.h"
#include "ops/delta/forward.h"
#include "ops/gates/forward.h"
#include "ops/mamba/forward.h"
#include "ops/matmul/forward.h"
#include "ops/modal/forward.h"
#include "ops/rational/forward.h"
#include "ops/rmsnorm/forward.h"
#include "ops/rope/forward.h"
#include "ops/ssm/forward.h"
#include "ops/swiglu/forward.h"
#include "simd/plain_loops.h"
#include "targets/kernels.h"

// clang-format off
#define EDGEFRONT_KERNEL_TABLE(isa) \
  {isa, PanelMul, QuantiseActivations<Simd>, RmsNorm, SwiGlu, SigmoidGate, EluPlusOne, Decays, Rope, ShortConv, Modal, Rational, ConvSilu, \
   Ssm, Mamba, Delta, StoreKv, AttendWeights, AttendValues}
// clang-format on
