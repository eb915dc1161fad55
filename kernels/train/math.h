// The trainer's operators, forward and backward, as a table of functions: one table per instruction set, chosen at run time.
// Conventions: float32, and products in either precision; a matrix is rows x width with a row stride ("ld") in floats; `width` is a multiple of 16 and columns past the
// logical size hold zeros, in weights, activations and gradients alike, so no loop has a tail. Every reduction runs in an order
// that depends on the shapes only. Nothing here allocates, throws or knows about threads: the network hands out the work.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgefront::train {

inline constexpr int kPad = 16;  // floats; also the width of a packed panel
[[gnu::always_inline]] inline constexpr int PadUp(int n) { return (n + kPad - 1) / kPad * kPad; }
// Row stride of an activation: an odd number of 64-byte lines, so that a column strip of many rows spreads over all cache sets.
[[gnu::always_inline]] inline constexpr int Stride(int width) { return (width / kPad) % 2 == 0 ? width + kPad : width; }

inline constexpr int kDepthBlock = 256;   // of a product's depth that a tile goes through at a time
inline constexpr int kRoundedRows = 144;  // rows of an operand rounded at a time: whole tiles of 6, 8 and 2
inline constexpr size_t kProductScratch = size_t{kRoundedRows} * (kDepthBlock + kPad) + size_t{2} * kPad * kDepthBlock;

// What a product's operands are rounded to; its sums are float32 in both, and so is everything else of training.
enum class Precision { kFloat32, kBfloat16 };
inline const char* PrecisionName(Precision p) { return p == Precision::kBfloat16 ? "bfloat16" : "float32"; }

// To nearest, ties to even; a NaN stays one. Always inlined, as all that code for several instruction sets has in common must be.
[[gnu::always_inline]] inline constexpr float RoundToBfloat16(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x), up = bits + 0x7FFFu + ((bits >> 16) & 1u);
  return __builtin_bit_cast(float, (x == x ? up : bits | 0x400000u) & 0xFFFF0000u);
}
// x0 in the low half.
[[gnu::always_inline]] inline constexpr uint32_t PairOfBfloat16(float x0, float x1) {
  return __builtin_bit_cast(uint32_t, RoundToBfloat16(x0)) >> 16 | __builtin_bit_cast(uint32_t, RoundToBfloat16(x1));
}

// C[m, n] = A[m, depth] B[depth, n] (+ addend[m, n]), n a multiple of 16.
// A(i, p) = a[i * a_row + p * a_depth], one of the two strides being 1; B(p, j) = b[(j / 16) * b_panel + p * b_depth + j % 16], which
// describes a packed operand (b_depth 16, b_panel 16 * depth) and a plain row-major one (b_depth ld, b_panel 16).
struct Gemm {
  int m, n, depth;
  const float* a;
  ptrdiff_t a_row, a_depth;
  const float* b;
  ptrdiff_t b_depth, b_panel;
  const float* addend;  // null, or [m, n] with stride ldc; may be c itself
  float* c;
  ptrdiff_t ldc;
  bool packed = false;       // b is what the packing of the same products made
  float* scratch = nullptr;  // kProductScratch floats, aligned to 64 bytes, for products in bfloat16
};

struct AdamStep {
  float rate, beta1, beta2, epsilon, decay;  // decay: learning rate * weight decay, 0 where none applies
  float correction1, correction2;            // 1 - beta^t
  float scale;                               // of the gradient: clipping and averaging
};

// One attention layer of one sequence. q, o, dq, dout: [length, heads * hd]; k, v, dk, dv: [length, kv_heads * hd], hd padded.
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
[[gnu::always_inline]] inline constexpr size_t AttentionScratch(int length, int hd) {
  return static_cast<size_t>(PadUp(length)) * (2 * hd + 2 * kQueryTile) + 2 * kQueryTile * static_cast<size_t>(Stride(hd)) + 1024;
}

struct CrossEntropyResult {
  double loss = 0;  // summed over rows, nats
  int right = 0;    // rows whose largest logit is the target
};

// How weights are laid out for products, in words of 4 bytes that hold one float of the depth, or a pair of bfloat16 of it.
struct Packing {
  int depth_per_word;  // 1 or 2
  // W [rows, stride ld] -> panels of 16 outputs: out[(j / 16) * 16 * depth + p * 16 + j % 16] = W[j][p]. In pairs a word holds W[j][2 p] and
  // W[j][2 p + 1] (0 past the depth), and a panel 16 * ceil(depth / 2) words.
  void (*transposed)(const float* w, int rows, int depth, ptrdiff_t ld, int first_panel, int last_panel, float* out);
  // W [rows, stride ld] -> panels of 16 columns: out[(c / 16) * 16 * rows + r * 16 + c % 16] = W[r][c]; pairs are of two rows.
  void (*columns)(const float* w, int rows, ptrdiff_t ld, int first_panel, int last_panel, float* out);
};
extern const Packing kExactPacking, kRoundedPacking, kPairPacking;  // floats; floats that are bfloat16; pairs of bfloat16

// How matrices are multiplied.
struct Products {
  const char* isa;
  Precision precision;
  const Packing* packing;
  void (*gemm)(const Gemm& g);
};

struct Math : Products {
  // y = x / rms(x) * weight; rstd[rows] is kept for the backward pass. Mean over d, the logical width (Zhang and Sennrich, 2019).
  void (*rms_norm)(int rows, int d, int width, const float* x, ptrdiff_t ldx, const float* weight, float epsilon, float* y, ptrdiff_t ldy,
                   float* rstd);
  // dx += ..., dweight += ...
  void (*rms_norm_grad)(int rows, int d, int width, const float* x, ptrdiff_t ldx, const float* weight, const float* rstd, const float* dy,
                        ptrdiff_t ldy, float* dx, ptrdiff_t lddx, float* dweight);
  // Gated short convolution of one sequence: bch [length, 3 * width] (B | C | h), y = B h, z_t = sum_j taps[j] y_{t-(k-1-j)}, u = C z.
  void (*conv)(int length, int width, int k, const float* taps, const float* bch, ptrdiff_t ldb, float* y, float* u, ptrdiff_t ldu);
  // du -> dbch (overwritten), dtaps [k, width] +=; scratch [length, width of ldu].
  void (*conv_grad)(int length, int width, int k, const float* taps, const float* bch, ptrdiff_t ldb, const float* y, const float* du,
                    ptrdiff_t ldu, float* dbch, float* dtaps, float* scratch);
  void (*swiglu)(int rows, int width, const float* gate, const float* up, ptrdiff_t ld, float* act);
  // Overwrites gate and up with their gradients.
  void (*swiglu_grad)(int rows, int width, float* gate, float* up, ptrdiff_t ld, const float* dact);
  // Per head: optional RMS norm (weight null: none), then RoPE by the tables [length, hd_logical / 2]. x and y share their stride.
  void (*head_rope)(int length, int heads, int hd_logical, int hd, const float* x, float* y, ptrdiff_t ld, const float* weight,
                    float epsilon, float* rstd, const float* cosines, const float* sines, bool interleaved);
  // In place on the gradient; dweight +=.
  void (*head_rope_grad)(int length, int heads, int hd_logical, int hd, const float* x, float* dy, ptrdiff_t ld, const float* weight,
                         const float* rstd, const float* cosines, const float* sines, bool interleaved, float* dweight);
  void (*attention)(const Attention& a);
  void (*attention_grad)(const Attention& a, const AttentionGrad& g);
  // logits [rows, vocab padded] become the gradient of scale * loss.
  CrossEntropyResult (*cross_entropy)(int rows, int vocab, float* logits, ptrdiff_t ld, const uint16_t* targets, float scale);
  void (*adam)(size_t n, float* p, const float* g, float* m, float* v, const AdamStep& s);
  // out = sum of lanes in order; returns the sum of squares.
  double (*reduce)(size_t n, int lanes, const float* const* in, size_t offset, float* out);
};

// Tables compiled into this binary, best first; `SelectMath("auto")` is the best one this machine can run, null if `isa` is not
// available here. In bfloat16 the best may be a table of that precision only (avx512bf16, neonbf16); the others round for themselves.
const Math* SelectMath(const char* isa, Precision precision = Precision::kFloat32);

}  // namespace edgefront::train
