// The step from a mode's differential equation to its recurrence, shared by inference and training, and its
// derivatives.
#ifndef EDGEFRONT_OPS_MODAL_DISCRETISE_H_
#define EDGEFRONT_OPS_MODAL_DISCRETISE_H_

#include <algorithm>
#include <cmath>
#include <complex>

namespace edgefront {

using Complex = std::complex<double>;

// The largest logarithm of a step. A mode has long forgotten its state within a step of e^50; far above, the
// step would be infinite.
inline constexpr double kMostLogStep = 50.0;

// s' = a s + u over a step in which u is constant (zero-order hold): s <- decay s + input u.
struct DiscreteMode {
  double step;
  Complex decay, input;  // e^(step a), (decay - 1) / a
};

// Near 0 the quotients lose their digits, and their series take over.
inline bool NearZero(double step, Complex a) { return std::abs(step * a) < 1e-4; }

inline DiscreteMode Discretise(double log_step, Complex a) {
  const double step = std::exp(std::min(log_step, kMostLogStep));
  const Complex z = step * a, decay = std::exp(z);
  return {step, decay, NearZero(step, a) ? step * (1.0 + z / 2.0 + z * z / 6.0) : (decay - 1.0) / a};
}

// Returns the derivative of `input` with respect to a.
inline Complex InputSlope(const DiscreteMode& m, Complex a) {
  if (NearZero(m.step, a)) return m.step * m.step * (0.5 + m.step * a / 3.0);
  return (m.step * m.decay - m.input) / a;
}

// The factor of the input in Liquid-S4: s <- (decay + b u) s + b u with |u| < 1. Returns b = (1 - |decay|)
// factor / (1 + |factor|), with which |decay + b u| < 1: the state of a sequence of any length is at most
// |factor|. For a real rate a = -1 this is zero-order hold with the input factor / (1 + |factor|).
inline Complex LiquidInput(Complex decay, Complex factor) { return (1.0 - std::abs(decay)) * factor / (1.0 + std::abs(factor)); }

// The gradients of LiquidInput's arguments from that of its result. A gradient of z is (d/dRe z) + i (d/dIm
// z).
struct LiquidGrad {
  Complex decay, factor;
};

inline LiquidGrad LiquidInputGrad(Complex decay, Complex factor, Complex gradient) {
  const double size = std::abs(factor), modulus = std::abs(decay);
  const auto dot = [](Complex x, Complex y) { return (x * std::conj(y)).real(); };
  const Complex share = factor / (1.0 + size), d_share = (1.0 - modulus) * gradient;
  LiquidGrad out;
  out.factor = d_share / (1.0 + size);
  if (size > 0) out.factor -= factor * (dot(factor, d_share) / (size * (1.0 + size) * (1.0 + size)));
  out.decay = modulus > 0 ? -dot(share, gradient) / modulus * decay : Complex{};
  return out;
}

}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MODAL_DISCRETISE_H_
