// The step size and the decay of Mamba-2's recurrence, shared by its scalar and fast versions, so that both
// decay alike. Builtins, because an inline function of the standard library could be merged with a copy that
// was compiled for another instruction set.
#ifndef EDGEFRONT_OPS_SSM_STEP_SIZE_H_
#define EDGEFRONT_OPS_SSM_STEP_SIZE_H_

namespace edgefront {
namespace {

// Computes ln(1 + e^x). Above 20 the result is x to the last bit, and e^x would overflow above 88.
inline float Softplus(float x) { return x > 20.0f ? x : __builtin_log1pf(__builtin_expf(x)); }

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_SSM_STEP_SIZE_H_
