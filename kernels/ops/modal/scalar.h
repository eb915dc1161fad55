// The reference of the bank of modes: the plainest correct version, with sums in double.
#ifndef EDGEFRONT_OPS_MODAL_SCALAR_H_
#define EDGEFRONT_OPS_MODAL_SCALAR_H_

#include <cmath>
#include <complex>

#include "targets/kernels.h"

namespace edgefront {
namespace {

inline void ScalarModal(const ModalArgs& g) {
  for (size_t c = g.c0; c < g.c1; ++c) {
    float* state = g.state + c / kFilterStrip * 2 * g.modes * kFilterStrip + c % kFilterStrip;
    for (size_t t = 0; t < g.n; ++t) {
      float* row = g.proj + t * 3 * g.d + c;
      const float in = row[0] * row[2 * g.d];
      const double u = g.b_re != nullptr ? std::tanh(static_cast<double>(in)) : in;
      double y = g.skip[c] * u;
      for (size_t i = 0; i < g.modes; ++i) {
        const size_t at = i * g.d + c;
        float *re = state + 2 * i * kFilterStrip, *im = re + kFilterStrip;
        std::complex<double> factor{g.a_re[at], g.a_im[at]}, added = u;
        if (g.b_re != nullptr) {
          added *= std::complex<double>{g.b_re[at], g.b_im[at]};
          factor += added;
        }
        const std::complex<double> s = factor * std::complex<double>{*re, *im} + added;
        *re = static_cast<float>(s.real());
        *im = static_cast<float>(s.imag());
        y += g.c_re[at] * s.real() - g.c_im[at] * s.imag();
      }
      row[g.d] = static_cast<float>(row[g.d] * y);
    }
  }
}

}  // namespace
}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MODAL_SCALAR_H_
