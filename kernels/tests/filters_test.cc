// Recursive filters between two gates: every kernel table of this machine against the scalar one, in one and
// in two calls, with decays of 0 and 1, and over long sequences.
#include <cmath>
#include <vector>

#include "ops/modal/discretise.h"
#include "ops/rational/stabilise.h"
#include "tests/kernel_inputs.h"

namespace edgefront::testing {
namespace {

size_t Strips(size_t d) { return (d + kFilterStrip - 1) / kFilterStrip; }

// Rows of B, C, h for n tokens, and the state of a filter.
struct GatedInputs {
  size_t d, n;
  std::vector<float> proj, state;

  GatedInputs(size_t width, size_t tokens, size_t state_floats) : d(width), n(tokens), proj(Uniform(3 * d * n + 1, d + n)) {
    state = Uniform(Strips(d) * kFilterStrip * state_floats, 5);
  }
  // Calls `kernel` on tokens [first, first + count), in two parts of the channels.
  template <class Args>
  void Run(void (*kernel)(const Args&), Args g, size_t first, size_t count) {
    g.proj = proj.data() + 3 * d * first;
    g.state = state.data();
    g.n = count;
    g.d = d;
    const size_t half = Strips(d) / 2 * kFilterStrip;
    g.c0 = 0, g.c1 = half;
    kernel(g);
    g.c0 = half, g.c1 = d;
    kernel(g);
  }
};

template <class Args>
void CheckAgrees(const char* what, const GatedInputs& in, const Args& g, void (*Kernels::*kernel)(const Args&), float bound) {
  GatedInputs want = in;
  want.Run(ScalarKernels().*kernel, g, 0, in.n);
  for (const Kernels* table : FastTables()) {
    GatedInputs got = in, split = in;
    got.Run(table->*kernel, g, 0, in.n);
    ExpectClose(what, table->isa, got.proj, want.proj, std::vector<float>(got.proj.size(), bound));
    split.Run(table->*kernel, g, 0, in.n / 3);
    split.Run(table->*kernel, g, in.n / 3, in.n - in.n / 3);
    CHECK_MSG(split.proj == got.proj, what << " in two calls on " << IsaName(table->isa));
  }
}

// Modes with the given decays, in turn, and evenly spread angles. `liquid` adds b, which keeps |a + b| <= 1.
struct Modes {
  size_t d, modes;
  std::vector<float> a_re, a_im, b_re, b_im, c_re = Uniform(modes * d, 3), c_im = Uniform(modes * d, 4), skip = Uniform(d, 5);
  bool liquid;

  Modes(size_t width, size_t count, bool with_b, const std::vector<double>& decays) : d(width), modes(count), liquid(with_b) {
    for (size_t i = 0; i < modes * d; ++i) {
      const Complex a = std::polar(decays[i % decays.size()], 0.7 * static_cast<double>(i));
      const Complex b = LiquidInput(a, std::polar(1.5, 0.3 * static_cast<double>(i)));
      a_re.push_back(static_cast<float>(a.real()));
      a_im.push_back(static_cast<float>(a.imag()));
      b_re.push_back(static_cast<float>(b.real()));
      b_im.push_back(static_cast<float>(b.imag()));
    }
  }
  ModalArgs Args() const {
    ModalArgs g;
    g.a_re = a_re.data(), g.a_im = a_im.data();
    g.b_re = liquid ? b_re.data() : nullptr, g.b_im = liquid ? b_im.data() : nullptr;
    g.c_re = c_re.data(), g.c_im = c_im.data();
    g.skip = skip.data();
    g.modes = modes;
    return g;
  }
};

// The coefficients of a rational transfer function, bounded as those of a model.
struct Coefficients {
  size_t d, order;
  std::vector<float> minus_a, b, h0 = Uniform(d, 8);

  Coefficients(size_t width, size_t n, float slack) : d(width), order(n), minus_a(Uniform(n * width, 6)), b(Uniform(n * width, 7)) {
    for (size_t c = 0; c < d; ++c) {
      const double bound = DenominatorBound(minus_a.data() + c, order, d, slack);
      for (size_t i = 0; i < order; ++i) minus_a[i * d + c] = static_cast<float>(minus_a[i * d + c] / bound);
    }
  }
  RationalArgs Args() const {
    RationalArgs g;
    g.minus_a = minus_a.data();
    g.b = b.data();
    g.h0 = h0.data();
    g.order = order;
    return g;
  }
};

float LargestOf(const std::vector<float>& x) {
  float largest = 0;
  for (const float v : x) largest = std::fabs(v) <= largest ? largest : std::fabs(v);  // a NaN stays
  return largest;
}

}  // namespace

TEST(FilterModalAgrees) {
  for (const bool liquid : {false, true}) {
    for (const size_t d : {1, 19, 48}) {
      for (const size_t modes : {1, 3, 32}) {
        for (const size_t n : {0, 1, 2, 65, 130}) {
          const Modes m(d, modes, liquid, {0.9, 1.0, 0.0, 0.5, 1e-30});
          CheckAgrees(liquid ? "ls4" : "s4d", GatedInputs(d, n, 2 * modes), m.Args(), &Kernels::modal,
                      static_cast<float>(modes * (n + 8)) * kEps);
        }
      }
    }
  }
}

TEST(FilterRationalAgrees) {
  for (const size_t d : {1, 19, 48}) {
    for (const size_t order : {1, 2, 16, 256}) {
      for (const size_t n : {0, 1, 2, 65, 130}) {
        const Coefficients c(d, order, 0.5f);
        CheckAgrees("rtf", GatedInputs(d, n, order), c.Args(), &Kernels::rational, static_cast<float>(order * (n + 8)) * kEps);
      }
    }
  }
}

// A mode without decay adds up its inputs; a bounded filter stays within its bound.
TEST(FilterLongSequences) {
  const size_t d = 16, n = 32768;
  for (const Isa isa : TestedIsas()) {
    const Kernels& table = *GetKernels(isa);
    GatedInputs sums(d, n, 2), liquid(d, n, 4), rational(d, n, 3);
    for (GatedInputs* in : {&sums, &liquid, &rational}) {
      std::fill(in->proj.begin(), in->proj.end(), 1.0f);
      std::fill(in->state.begin(), in->state.end(), 0.0f);
    }
    Modes still(d, 1, false, {1.0});
    std::fill(still.a_re.begin(), still.a_re.end(), 1.0f);
    std::fill(still.a_im.begin(), still.a_im.end(), 0.0f);
    sums.Run(table.modal, still.Args(), 0, n);
    for (size_t c = 0; c < d; ++c) CHECK_MSG(sums.state[c] == static_cast<float>(n), "a sum of ones on " << IsaName(isa));
    liquid.Run(table.modal, Modes(d, 2, true, {0.999, 1.0}).Args(), 0, n);
    CHECK_MSG(LargestOf(liquid.state) <= 1.5f, "the state of ls4 is " << LargestOf(liquid.state) << " on " << IsaName(isa));
    rational.Run(table.rational, Coefficients(d, 3, 0.01f).Args(), 0, n);
    CHECK_MSG(LargestOf(rational.state) <= 500.0f, "the state of rtf is " << LargestOf(rational.state) << " on " << IsaName(isa));
  }
}

// Steps and rates at their extremes give modes that are finite and do not grow.
TEST(FilterDiscretise) {
  for (const double log_step : {-1e4, -40.0, -3.0, 0.0, 60.0, 1e4}) {
    for (const Complex a : {Complex{-0.5, 3.0}, Complex{-1e-9, 0.0}, Complex{0.0, 0.0}, Complex{-1e9, 1e9}}) {
      const DiscreteMode m = Discretise(log_step, a);
      CHECK_MSG(std::abs(m.decay) <= 1.0 + 1e-12, "decay " << std::abs(m.decay) << " at step " << log_step);
      CHECK(std::isfinite(std::abs(m.input)) && std::isfinite(std::abs(InputSlope(m, a))));
      const Complex b = LiquidInput(m.decay, {1e6, -1e6});
      CHECK_MSG(std::abs(m.decay) + std::abs(b) <= 1.0 + 1e-12, "the liquid factor grows at step " << log_step);
    }
  }
  // Both sides of the place where the series takes over.
  const DiscreteMode series = Discretise(0.0, {-0.99e-4, 0.0}), exact = Discretise(0.0, {-1.01e-4, 0.0});
  CHECK_NEAR(series.input.real() - exact.input.real(), 1e-6, 1e-9);
  CHECK_NEAR(InputSlope(series, {-0.99e-4, 0.0}).real(), InputSlope(exact, {-1.01e-4, 0.0}).real(), 1e-5);
}

}  // namespace edgefront::testing
