// The table of hot loops of one instruction set, and how to get it. The engine calls only through this table.
// Each file in targets/ instantiates the loops from the templates in ops/ and simd/.
#ifndef EDGEFRONT_TARGETS_KERNELS_H_
#define EDGEFRONT_TARGETS_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "include/edgefront/dtype.h"
#include "include/edgefront/isa.h"

namespace edgefront {

// Inputs of a product: n tokens of k values. Float weights read `f32`. Quantised weights read the int8 view,
// in blocks of 32: value = scale * q, |q| <= 127.
struct Activations {
  const float* f32 = nullptr;  // token t at f32 + t * stride
  size_t stride = 0;
  const int8_t* q = nullptr;       // [n][k]
  const float* scale = nullptr;    // [n][k/32]
  const int32_t* sum8 = nullptr;   // [n][k/32]  -8 * sum of the block's q
  const int16_t* sum16 = nullptr;  // [n][k/16]  sum of each half block's q
};

enum class KvFormat { kF16, kQ8, kF32 };

// One KV head of one layer's cache: a ring of `ring` slots (multiple of 64), position p in slot p % ring.
// `hd` is the padded head size (multiple of 16; of 32 for Q8). Keys lie in panels of 16 slots, so that one
// lane is one key.
struct KvHead {
  KvFormat format;
  size_t ring, hd;
  void* k;            // f16, int8 or f32 [ring/16][hd][16]
  void* v;            // f16, int8 or f32 [ring][hd]
  uint16_t* k_scale;  // Q8: f16 [ring/16][hd/32][16]
  uint16_t* v_scale;  // Q8: f16 [ring][hd/32]
};

inline constexpr int kAttendRows = 8;    // most query rows of a call
inline constexpr int kAttendBlock = 64;  // keys processed together

// Attention of up to 8 query rows over the keys first[r] .. last[r] in [begin, end), in blocks of 64
// positions; `begin` is a multiple of 64. There are two calls, because weights are rounded after division by
// their sum over all keys. `attend_weights` computes exp(s - max) for these keys (0 for keys that a row does
// not see), and `max` and `sum` of each row. `attend_values` multiplies these weights by the caller's
// `factor` and sums the values. With an F16 cache both operands are F16: weights are rounded to F16, as in
// ggml, and the caller rounds q.
struct AttendArgs {
  KvHead kv;
  int rows;
  float scale;            // factor of scores: 1/sqrt(head size)
  const float* q;         // [rows][hd], zero padded
  const uint32_t* first;  // [rows]
  const uint32_t* last;   // [rows], inclusive
  uint32_t begin, end;
  float* weights;       // [blocks of 64][rows][64]
  float* max;           // [rows]
  float* sum;           // [rows]
  const float* factor;  // [rows]
  float* out;           // [rows][hd]
  float* scratch;       // [8][64]
};

// A filter between two gates, over channels [c0, c1) of n consecutive tokens. Rows of proj hold B, C, h, each
// [d]. The filter reads u = B * h, and C * y replaces C, where y is its output.
struct GatedArgs {
  float* proj;   // [n][3d]
  float* state;  // of the filter; updated
  size_t n, d, c0, c1;
};

// Causal convolution: y_t = sum_j taps[j] u_{t-k+1+j}. `state` [k-1][d] holds the previous values of u,
// oldest first.
struct ConvArgs : GatedArgs {
  const float* taps;  // [k][d]
  size_t k;
};

inline constexpr size_t kFilterStrip = 16;  // channels whose state lies together in the filters below; c0 is a multiple

// A bank of complex modes: s_i = a_i s_i + u, y = skip u + Re(sum_i c_i s_i). With b (Liquid-S4), v = tanh(u)
// takes the place of u, and s_i = (a_i + b_i v) s_i + b_i v. `state` [strips][modes][2][16] holds real and
// imaginary parts.
struct ModalArgs : GatedArgs {
  const float *a_re, *a_im, *c_re, *c_im;  // [modes][d]
  const float *b_re, *b_im;                // [modes][d], or null
  const float* skip;                       // [d]
  size_t modes;
};

inline constexpr size_t kMostOrder = 256;  // of a rational transfer function

// A rational transfer function: y = h0 u + sum_i b_i x_{t-i}, x_t = u + sum_i minus_a_i x_{t-i}, with i from
// 1 to `order`. `state` [strips][order][16] holds x, oldest first.
struct RationalArgs : GatedArgs {
  const float *minus_a, *b;  // [order][d], i = 1 first
  const float* h0;           // [d]
  size_t order;
};

inline constexpr size_t kMostConvTaps = 64;  // of conv_silu

// Causal depthwise convolution and SiLU over channels [c0, c1) of n consecutive tokens, in place: x_t becomes
// silu(bias + sum_j taps[j] x_{t-k+1+j}). `state` holds the previous values of x, oldest first, and is
// updated.
struct ConvSiluArgs {
  float* x;  // [d]: token t at x + t * stride
  size_t stride;
  const float* taps;  // [k][d]
  const float* bias;  // [d], or null
  float* state;       // [k-1][d]
  size_t n, d, k, c0, c1;
};

// Mamba-2's recurrence of one head over n consecutive tokens. With dt_t = softplus(dt[t] + dt_bias), the
// state S becomes e^(a dt_t) S + dt_t x_t B_t^T, and y_t = S C_t + d x_t replaces x_t. Token t's vectors lie
// at pointer + t * stride.
struct SsmArgs {
  float* x;            // [channels]
  const float *b, *c;  // [states]
  const float* dt;     // [1]
  size_t stride;
  float dt_bias, a, d;  // a: at most 0
  float* state;         // [channels][states]
  size_t n, channels, states;
};

// Mamba's recurrence over channels [c0, c1) of n consecutive tokens. With dt = softplus(dt[t] + dt_bias),
// each state element becomes s_i = e^(a_i dt) s_i + dt x B_i, and y = sum_i C_i s_i + skip x replaces x.
// Token t's vectors lie at pointer + t * stride.
struct MambaArgs {
  float* x;            // [d]
  const float* dt;     // [d]
  const float *b, *c;  // [states]
  size_t stride;
  const float *dt_bias, *skip;  // [d]
  const float* a;               // [states][d], at most 0
  float* state;                 // [strips][states][16]
  size_t n, d, states, c0, c1;  // c0: a multiple of 16
};

inline constexpr size_t kDeltaStrip = 16;   // value channels of a head whose state lies together
inline constexpr size_t kMostKeyDim = 512;  // of `delta`

// The state of linear attention of one head over n consecutive tokens, for a strip of its value channels. For
// each token: state = decay * state; state += k v^T, or with the delta rule k (rate * (v - state^T k))^T; the
// output state^T q replaces v. Keys of the delta rule are normalised. Element j of token t is at pointer[t *
// stride + j].
struct DeltaArgs {
  float* state;  // [key_dim][16]; columns from `channels` on hold zeros
  size_t n, key_dim, channels;
  size_t stride;
  const float *q, *k;  // [key_dim]
  float* v;            // [channels]
  const float* decay;  // [key_dim] if `per_channel`, else [1]; null: none
  bool per_channel;
  const float *rate, *key_query;  // [1], [1] k . q; null: no delta rule
};

struct Kernels {
  Isa isa;
  // Multiplies panels that lie one after the other: out [n][16 panels], out[i][r] = sum_j w[r][j] * a[t0+i][j],
  // where w has the rows of all panels. a: k values a token.
  void (*panel_mul)(DType type, size_t k, const uint8_t* panel, size_t panels, const Activations& a, size_t t0, size_t n, float* out);
  // Rounds x [k] to its int8 view (see Activations). `share` values (32 or 256) have one scale; k is a
  // multiple of `share`.
  void (*quantise)(const float* x, size_t k, size_t share, int8_t* q, float* scale, int32_t* sum8, int16_t* sum16);
  void (*rmsnorm)(const float* x, const float* weight, size_t n, float eps, float* out);  // out may be x
  void (*swiglu)(const float* gate, const float* up, size_t n, float* out);               // out = silu(gate) * up
  void (*sigmoid_gate)(const float* gate, const float* up, size_t n, float* out);         // out = sigmoid(gate) * up
  void (*elu_plus_one)(float* x, size_t n);                                               // x = elu(x) + 1
  // Computes x = e^(rate softplus(sign (x + bias))), with rate at most 0.
  void (*decays)(const float* bias, float sign, float rate, size_t n, float* x);
  void (*rope)(float* x, const float* cos_sin, size_t head_dim, bool interleaved);  // cos_sin [hd/2][2]
  void (*conv)(const ConvArgs& args);
  void (*modal)(const ModalArgs& args);
  void (*rational)(const RationalArgs& args);
  void (*conv_silu)(const ConvSiluArgs& args);
  void (*ssm)(const SsmArgs& args);
  void (*mamba)(const MambaArgs& args);
  void (*delta)(const DeltaArgs& args);
  // Writes k [head_dim] and v [head_dim] into slot `slot` of the cache.
  void (*store_kv)(const KvHead& kv, size_t slot, const float* k, const float* v, size_t head_dim);
  void (*attend_weights)(const AttendArgs& args);
  void (*attend_values)(const AttendArgs& args);
};

// Returns the table of `isa`, or null if it is not compiled in or this CPU cannot run it. kAuto: the table of
// BestIsa().
const Kernels* GetKernels(Isa isa);

const Kernels& ScalarKernels();
#if defined(__x86_64__)
const Kernels& Avx2Kernels();
const Kernels& AvxVnniKernels();
const Kernels& Avx512Kernels();
#elif defined(__aarch64__)
const Kernels& NeonKernels();
const Kernels& DotprodKernels();
const Kernels& I8mmKernels();
#endif

}  // namespace edgefront

#endif  // EDGEFRONT_TARGETS_KERNELS_H_
