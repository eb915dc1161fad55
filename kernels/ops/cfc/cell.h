// Small functions of the CfC cell. Inference and training share them.
#ifndef EDGEFRONT_OPS_CFC_CELL_H_
#define EDGEFRONT_OPS_CFC_CELL_H_

#include <cmath>

namespace edgefront {

// The scaled tanh of LeCun, "Efficient BackProp" (1998), which keeps the variance of its input.
inline float CfcBackbone(float x) { return 1.7159f * std::tanh(0.666f * x); }
// Its derivative, from its value.
inline float CfcBackboneSlope(float z) { return 0.666f * (1.7159f - z * z / 1.7159f); }

// Large |x| gives 0 or 1, without overflow.
inline float CfcGate(float x) { return 0.5f + 0.5f * std::tanh(0.5f * x); }

inline float CfcMix(float f1, float f2, float t) { return f1 * (1.0f - t) + f2 * t; }

}  // namespace edgefront

#endif  // EDGEFRONT_OPS_CFC_CELL_H_
