// The trainer's operators, forward and backward, as one table of functions for each instruction set, chosen
// at run time. A matrix is rows x width float32 with row stride "ld" in floats. `width` is a multiple of 16
// and columns past the logical size hold zeros in all arrays, so no loop has a tail. Reductions run in an
// order that depends on shapes only. Nothing here allocates, throws or uses threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgefront::train {

inline constexpr int kPad = 16;  // floats; also the width of a packed panel
[[gnu::always_inline]] inline constexpr int PadUp(int n) { return (n + kPad - 1) / kPad * kPad; }
// Returns the row stride of an activation: an odd number of 64-byte lines, so that a strip of columns spreads
// over all cache sets.
[[gnu::always_inline]] inline constexpr int Stride(int width) { return (width / kPad) % 2 == 0 ? width + kPad : width; }

inline constexpr int kDepthBlock = 256;   // depth that a tile covers at a time
inline constexpr int kRoundedRows = 144;  // rows of an operand rounded at a time: whole tiles of 6, 8 and 2
inline constexpr size_t kProductScratch = size_t{kRoundedRows} * (kDepthBlock + kPad) + size_t{2} * kPad * kDepthBlock;

// The type to which a product's operands are rounded. Sums and everything else in training are float32.
enum class Precision { kFloat32, kBfloat16 };
inline const char* PrecisionName(Precision p) { return p == Precision::kBfloat16 ? "bfloat16" : "float32"; }

// Rounds to nearest, ties to even; a NaN stays a NaN. Functions shared by code for several instruction sets
// must always be inlined.
[[gnu::always_inline]] inline constexpr float RoundToBfloat16(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x), up = bits + 0x7FFFu + ((bits >> 16) & 1u);
  return __builtin_bit_cast(float, (x == x ? up : bits | 0x400000u) & 0xFFFF0000u);
}
// Returns both numbers as bfloat16, with x0 in the low half.
[[gnu::always_inline]] inline constexpr uint32_t PairOfBfloat16(float x0, float x1) {
  return __builtin_bit_cast(uint32_t, RoundToBfloat16(x0)) >> 16 | __builtin_bit_cast(uint32_t, RoundToBfloat16(x1));
}

// C[m, n] = A[m, depth] B[depth, n] (+ addend[m, n]), n a multiple of 16.
//   A(i, p) = a[i * a_row + p * a_depth]; one of the two strides is 1.
//   B(p, j) = b[(j / 16) * b_panel + p * b_depth + j % 16]: a packed operand (b_depth 16, b_panel 16 * depth)
//   or a row-major one (b_depth ld, b_panel 16).
struct Gemm {
  int m, n, depth;
  const float* a;
  ptrdiff_t a_row, a_depth;
  const float* b;
  ptrdiff_t b_depth, b_panel;
  const float* addend;  // null, or [m, n] with stride ldc; may be c itself
  float* c;
  ptrdiff_t ldc;
  bool packed = false;       // b was packed by the `packing` of the same Products
  float* scratch = nullptr;  // kProductScratch floats, aligned to 64 bytes, for products in bfloat16
};

struct AdamStep {
  float rate, beta1, beta2, epsilon, decay;  // decay: learning rate * weight decay; 0: none
  float correction1, correction2;            // 1 - beta^t
  float scale;                               // factor of the gradient, for clipping and averaging
};

// Attention of one layer on one sequence. q, o, dq, dout: [length, heads * hd]; k, v, dk, dv: [length,
// kv_heads * hd]. hd is padded.
struct Attention {
  int length, heads, kv_heads, hd, window;  // window 0: none
  float scale;
  const float *q, *k, *v;
  ptrdiff_t ldq, ldkv;
  float* o;        // stride ldq
  float* lse;      // [heads, length]: log of the sum of exponentials, saved for the backward pass
  float* scratch;  // AttentionScratch(length, hd) floats
};
struct AttentionGrad {
  const float* dout;  // stride ldq
  float* dq;          // stride ldq, overwritten
  float *dk, *dv;     // stride ldkv, overwritten
};
inline constexpr int kQueryTile = 32;
inline constexpr int kMostTaps = 64;  // of a convolution: conv_grad keeps a sum for each
[[gnu::always_inline]] inline constexpr size_t AttentionScratch(int length, int hd) {
  return static_cast<size_t>(PadUp(length)) * (2 * hd + 2 * kQueryTile) + 2 * kQueryTile * static_cast<size_t>(Stride(hd)) + 1024;
}

// Mamba's recurrence on one sequence: dt = softplus(raw + dt_bias), s_t = e^(a dt) s_{t-1} + dt x_t B_t, y_t = sum
// C_t s_t + skip x_t, for each channel with a state [states].
struct MambaScan {
  int length, width, states;  // width: channels
  const float* x;             // [length, width], stride ldx
  ptrdiff_t ldx;
  const float* raw;  // [length, width], stride ld
  float* dt;         // stride ld: written by the forward pass, read by the backward pass
  ptrdiff_t ld;
  const float *b, *c;  // [length, states], stride ldb
  ptrdiff_t ldb;
  const float *dt_bias, *skip;  // [width]
  const float* a;               // [states, width]
  float* scratch;               // MambaScratch floats, for the backward pass
};
struct MambaGrad {
  const float* dy;        // [length, width], stride ld
  float* dx;              // stride ldx, overwritten
  float* draw;            // stride ld, overwritten
  float *db, *dc;         // stride ldb, added to
  float *dt_bias, *skip;  // [width], added to
  float* a;               // [states, width], added to
};
[[gnu::always_inline]] inline constexpr size_t MambaScratch(int length) { return (2 * static_cast<size_t>(length) + 1) * kPad; }

// The states of linear attention on one sequence, of the heads that share keys. With a head's S [key_dim, 16 strips],
// zero before the first token: S = decay S; S += k u^T with u = v, or with the delta rule u = rate (v - S^T k); o = S^T q.
struct Delta {
  int length, heads, key_dim, strips;  // strips of 16 value channels, padding included. per_channel: one head
  const float *q, *k;                  // [length, PadUp(key_dim)], stride ldk
  const float* v;                      // [length, heads, 16 strips], stride ldv
  const float* decay;                  // [length, heads], or [length, key_dim] if per_channel, stride ldd; null: none
  const float* rate;                   // [length, heads], stride ldh; null: no delta rule
  ptrdiff_t ldk, ldv, ldd, ldh;
  bool per_channel;
  float* o;        // in the shape of v
  float* error;    // in the shape of v: v - S^T k, saved for the backward pass; null if per_channel or without the delta rule
  float* kept;     // DeltaKept floats: states saved for the backward pass; null if per_channel
  float* scratch;  // DeltaScratch floats, or DeltaChannelScratch if per_channel
};
struct DeltaGrad {
  const float* dout;  // stride ldv
  float *dq, *dk;     // stride ldk, added to
  float* dv;          // stride ldv, overwritten
  float* ddecay;      // in the shape of decay, overwritten; null without decay
  float* drate;       // in the shape of rate, overwritten; null without the delta rule
};
// Returns the tokens of a chunk. Longer chunks have fewer products with states, and more within the chunk.
[[gnu::always_inline]] inline constexpr int DeltaBlock(int key_dim) { return key_dim <= 16 ? 16 : key_dim <= 32 ? 32 : 64; }
[[gnu::always_inline]] inline constexpr size_t DeltaKept(int length, int heads, int key_dim, int strips) {
  const int block = DeltaBlock(key_dim);
  return static_cast<size_t>((length + block - 1) / block) * heads * PadUp(key_dim) * strips * kPad;
}
[[gnu::always_inline]] inline constexpr size_t DeltaScratch(int heads, int key_dim, int strips) {
  const size_t block = DeltaBlock(key_dim), keys = PadUp(key_dim), values = static_cast<size_t>(strips) * kPad;
  return block * (9 * block + 4 + 3 * values + keys) + heads * keys * values + (block + keys) * (keys + values);
}
inline constexpr int kDeltaStates = 32;  // tokens whose states the backward pass keeps at a time, if per_channel
[[gnu::always_inline]] inline constexpr size_t DeltaChannelScratch(int length, int key_dim) {
  return static_cast<size_t>((length + kDeltaStates - 1) / kDeltaStates + kDeltaStates + 1) * key_dim * kPad;
}

// A bank of complex modes in each channel, on one sequence: s_t = a s_{t-1} + u_t, y_t = skip u_t + Re(sum c
// s_t). With b (Liquid-S4), u_t is first replaced by its tanh, and s_t = (a + b u_t) s_{t-1} + b u_t.
struct ModalBank {
  int length, width, modes;
  const float *a_re, *a_im, *c_re, *c_im, *b_re, *b_im;  // [modes, width]; b is null or both are given
  const float* skip;                                     // [width]
  float* u;                                              // [length, width], stride ld
  ptrdiff_t ld;
  float* scratch;  // ModalScratch floats, for the backward pass

  bool liquid() const { return b_re != nullptr; }
};
struct ModalGrad {
  float* g;                                        // gradient of y, becomes that of u; stride ld
  float *a_re, *a_im, *c_re, *c_im, *b_re, *b_im;  // [modes, width], added to
  float* skip;                                     // [width], added to
};
[[gnu::always_inline]] inline constexpr size_t ModalScratch(int length) { return (3 * static_cast<size_t>(length) + 2) * kPad; }

// A rational transfer function in each channel, on one sequence: x_t = u_t + sum_i minus_a_i x_{t-i}, y_t = h0
// u_t + sum_i b_i x_{t-i}, with i from 1 to `order`.
struct RationalFilter {
  int length, width, order;
  const float *minus_a, *b;  // [order, width], i = 1 first
  const float* h0;           // [width]
  const float* u;            // [length, width], stride ld
  ptrdiff_t ld;
  float* x;        // stride ld: written by the forward pass, read by the backward pass
  float* scratch;  // RationalScratch floats, for the backward pass
};
struct RationalGrad {
  float* g;            // gradient of y, becomes that of u; stride ld
  float *minus_a, *b;  // [order, width], added to
  float* h0;           // [width], added to
};
[[gnu::always_inline]] inline constexpr size_t RationalScratch(int length) { return static_cast<size_t>(length) * kPad; }

struct CrossEntropyResult {
  double loss = 0;  // summed over rows, nats
  int right = 0;    // rows in which the target's logit exceeds all others
};

// The layout of weights for products, in words of 4 bytes. A word holds one float of the depth, or two
// bfloat16.
struct Packing {
  int depth_per_word;  // 1 or 2
  // Packs W [rows, stride ld] into panels of 16 outputs: out[(j / 16) * 16 * depth + p * 16 + j % 16] =
  // W[j][p]. With pairs, a word holds W[j][2p] and W[j][2p + 1] (0 past the depth), and a panel has 16 *
  // ceil(depth / 2) words.
  void (*transposed)(const float* w, int rows, int depth, ptrdiff_t ld, int first_panel, int last_panel, float* out);
  // Packs W [rows, stride ld] into panels of 16 columns: out[(c / 16) * 16 * rows + r * 16 + c % 16] =
  // W[r][c]. Pairs are of two rows.
  void (*columns)(const float* w, int rows, ptrdiff_t ld, int first_panel, int last_panel, float* out);
};
// Floats; bfloat16 in floats; pairs of bfloat16.
extern const Packing kExactPacking, kRoundedPacking, kPairPacking;

// The functions that multiply matrices in one precision.
struct Products {
  const char* isa;
  Precision precision;
  const Packing* packing;
  void (*gemm)(const Gemm& g);
};

struct Math : Products {
  // Computes y = x / rms(x) * weight with the mean over d, the logical width (Zhang and Sennrich, 2019). rstd
  // [rows] is kept for the backward pass.
  void (*rms_norm)(int rows, int d, int width, const float* x, ptrdiff_t ldx, const float* weight, float epsilon, float* y, ptrdiff_t ldy,
                   float* rstd);
  // Adds to dx [rows, width] and dweight [width].
  void (*rms_norm_grad)(int rows, int d, int width, const float* x, ptrdiff_t ldx, const float* weight, const float* rstd, const float* dy,
                        ptrdiff_t ldy, float* dx, ptrdiff_t lddx, float* dweight);
  // Gated short convolution of one sequence: bch [length, 3 * width] (B | C | h), y = B h, z_t = sum_j
  // taps[j] y_{t-(k-1-j)}, u = C z. taps: [k, width].
  void (*conv)(int length, int width, int k, const float* taps, const float* bch, ptrdiff_t ldb, float* y, float* u, ptrdiff_t ldu);
  // Computes dbch (overwritten) from du, and adds to dtaps [k, width]. scratch: [length], stride ldu. k: at most kMostTaps.
  void (*conv_grad)(int length, int width, int k, const float* taps, const float* bch, ptrdiff_t ldb, const float* y, const float* du,
                    ptrdiff_t ldu, float* dbch, float* dtaps, float* scratch);
  void (*modal)(const ModalBank& m, float* y);                 // y: [length, width], stride ld
  void (*modal_grad)(const ModalBank& m, const ModalGrad& g);  // reads u as the forward pass left it
  void (*rational)(const RationalFilter& f, float* y);         // y: [length, width], stride ld
  void (*rational_grad)(const RationalFilter& f, const RationalGrad& g);
  // Short convolution and SiLU of one sequence, with x, z and y [length, width]: z_t = bias + sum_j taps[j]
  // x_{t-(k-1-j)}, y = silu(z). taps: [k, width]; bias: [width] or null.
  void (*conv_silu)(int length, int width, int k, const float* taps, const float* bias, const float* x, float* z, float* y, ptrdiff_t ld);
  // Turns g from the gradient of y into that of x, and adds to dtaps [k, width] and dbias [width] (or null). k: at most kMostTaps.
  void (*conv_silu_grad)(int length, int width, int k, const float* taps, const float* x, const float* z, float* g, ptrdiff_t ld,
                         float* dtaps, float* dbias);
  void (*mamba)(const MambaScan& m, float* y);  // y: [length, width], stride ld
  void (*mamba_grad)(const MambaScan& m, const MambaGrad& g);
  void (*delta)(const Delta& d);
  void (*delta_grad)(const Delta& d, const DeltaGrad& g);  // reads neither d.o nor its content
  // y = e^(rate softplus(sign (x + bias))), all [n], with rate at most 0.
  void (*decays)(int n, const float* bias, float sign, float rate, const float* x, float* y);
  // Turns x [n] into its gradient, from y and that of y, `dy`. Returns the gradient of ln(-rate).
  float (*decays_grad)(int n, const float* bias, float sign, float rate, const float* y, const float* dy, float* x);
  // act = sigmoid(gate) * up, all [rows, width].
  void (*sigmoid_gate)(int rows, int width, const float* gate, const float* up, ptrdiff_t ld, float* act);
  // Overwrites gate and up with their gradients.
  void (*sigmoid_gate_grad)(int rows, int width, float* gate, float* up, ptrdiff_t ld, const float* dact);
  // act = silu(gate) * up, all [rows, width].
  void (*swiglu)(int rows, int width, const float* gate, const float* up, ptrdiff_t ld, float* act);
  // Overwrites gate and up with their gradients.
  void (*swiglu_grad)(int rows, int width, float* gate, float* up, ptrdiff_t ld, const float* dact);
  // For each head: optional RMS norm (null weight: none), then RoPE by the tables [length, hd_logical / 2]. x
  // and y have the same stride.
  void (*head_rope)(int length, int heads, int hd_logical, int hd, const float* x, float* y, ptrdiff_t ld, const float* weight,
                    float epsilon, float* rstd, const float* cosines, const float* sines, bool interleaved);
  // Turns dy into the gradient of x in place, and adds to dweight [hd].
  void (*head_rope_grad)(int length, int heads, int hd_logical, int hd, const float* x, float* dy, ptrdiff_t ld, const float* weight,
                         const float* rstd, const float* cosines, const float* sines, bool interleaved, float* dweight);
  void (*attention)(const Attention& a);
  void (*attention_grad)(const Attention& a, const AttentionGrad& g);
  // Turns logits [rows, vocab padded] into the gradient of scale * loss.
  CrossEntropyResult (*cross_entropy)(int rows, int vocab, float* logits, ptrdiff_t ld, const uint16_t* targets, float scale);
  // Updates p [n] by AdamW from the gradient g [n] and the moments m, v [n]. n is a multiple of 16.
  void (*adam)(size_t n, float* p, const float* g, float* m, float* v, const AdamStep& s);
  // Computes out [n] as the sum of in[lane][offset ..], in the order of lanes. Returns the sum of squares of
  // `out`.
  double (*reduce)(size_t n, int lanes, const float* const* in, size_t offset, float* out);
};

// Returns the table of `isa`, or null if it is not available here; "auto" is the best one that this machine
// can run. For bfloat16 the best may be a table of that precision only (avx512bf16, neonbf16). The other
// tables round operands in software.
const Math* SelectMath(const char* isa, Precision precision = Precision::kFloat32);

}  // namespace edgefront::train
