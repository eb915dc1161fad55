// The vector interface on NEON: 4 lanes. EDGEFRONT_DOTPROD adds the four-way dot product. EDGEFRONT_I8MM adds
// the 2x8 by 8x2 matrix product, which takes tokens in pairs. Only one file in targets/ includes this; see
// vec_avx2.h.
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace edgefront {
namespace {

struct Simd {
  using F = float32x4_t;
  using I = int32x4_t;
  using B = int8x16_t;
  static constexpr int kLanes = 4;
  static constexpr int kTokens = 8;
  static constexpr bool kWide = false;  // see ops/matmul/wide_blocks.h
  static constexpr int kAccumulators = 16;

  static F Load(const float* p) { return vld1q_f32(p); }
  static void Store(float* p, F x) { vst1q_f32(p, x); }
  static F Set(float x) { return vdupq_n_f32(x); }
  static F Zero() { return vdupq_n_f32(0); }
  static F Mul(F a, F b) { return vmulq_f32(a, b); }
  static F Fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static float Sum(F x) { return vaddvq_f32(x); }
  static F LoadF16(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
  static F LoadBF16(const uint16_t* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
  static F LoadI8(const int8_t* p) {
    uint32_t x;
    std::memcpy(&x, p, 4);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(x)))));
  }
  static F ToFloat(I x) { return vcvtq_f32_s32(x); }
  static I SetI(int32_t x) { return vdupq_n_s32(x); }
  static I AddI(I a, I b) { return vaddq_s32(a, b); }
  static B LoadBytes(const uint8_t* p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
  static B Low4(B x) { return vandq_s8(x, vdupq_n_s8(15)); }
  static B High4(B x) { return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(x), 4)); }
  static B Low6(B x) { return vandq_s8(x, vdupq_n_s8(63)); }
  static B High2(B x, B y, B z) {
    const auto top = [](B b) { return vshrq_n_u8(vreinterpretq_u8_s8(b), 6); };
    return vreinterpretq_s8_u8(vsliq_n_u8(vsliq_n_u8(top(x), top(y), 2), top(z), 4));
  }
  struct Scales6 {  // scales of 4 rows
    I first, second;
  };
  static Scales6 LoadScales6(const int8_t* p) {
    const int32x4_t pairs = vreinterpretq_s32_s16(vmovl_s8(vld1_s8(p)));
    return {vshrq_n_s32(vshlq_n_s32(pairs, 16), 16), vshrq_n_s32(pairs, 16)};
  }
  static I DotQ6(const B w[8], const int8_t* a, const int16_t* sums, const Scales6& s) {
    const I x = DotU6(w, a, vdupq_n_s32(-32 * sums[0])), y = DotU6(w + 4, a + 16, vdupq_n_s32(-32 * sums[1]));
    return vmlaq_s32(vmulq_s32(x, s.first), y, s.second);
  }
  static B PrepareS8(B w) { return w; }

#if defined(EDGEFRONT_DOTPROD)
  // Adds 16 products in each lane: four groups of weights with the 16 activations at a.
  static I Dot16(const B* w, const int8_t* a, I x) {
    const int8x16_t v = vld1q_s8(a);
    x = vdotq_laneq_s32(x, w[0], v, 0);
    x = vdotq_laneq_s32(x, w[1], v, 1);
    x = vdotq_laneq_s32(x, w[2], v, 2);
    return vdotq_laneq_s32(x, w[3], v, 3);
  }
  static I DotU4(const B w[8], const int8_t* a, I init) { return Dot16(w + 4, a + 16, Dot16(w, a, init)); }
  static I DotU6(const B w[4], const int8_t* a, I init) { return Dot16(w, a, init); }
  static I DotS8(const B w[8], const int8_t* a, int32_t) { return DotU4(w, a, vdupq_n_s32(0)); }
#else
  static B Group(const int8_t* a) {
    int32_t x;
    std::memcpy(&x, a, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(x));
  }
  static I Fold(int16x8_t low, int16x8_t high) { return vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)); }
  // Multiplies n groups. Their sums fit an int16: 8 x 15 x 127 = 15240, 4 x 63 x 127 = 32004, 2 x 128 x 127 =
  // 32512.
  template <int n>
  static I DotNarrow(const B* w, const int8_t* a) {
    int16x8_t low = vdupq_n_s16(0), high = low;
    for (int v = 0; v < n; ++v) {
      const int8x16_t g = Group(a + 4 * v);
      low = vmlal_s8(low, vget_low_s8(w[v]), vget_low_s8(g));
      high = vmlal_high_s8(high, w[v], g);
    }
    return Fold(low, high);
  }
  static I DotU4(const B w[8], const int8_t* a, I init) { return vaddq_s32(init, DotNarrow<8>(w, a)); }
  static I DotU6(const B w[4], const int8_t* a, I init) { return vaddq_s32(init, DotNarrow<4>(w, a)); }
  static I DotS8(const B w[8], const int8_t* a, int32_t) {
    I x = vdupq_n_s32(0);
    for (int v = 0; v < 8; v += 2) x = vaddq_s32(x, DotNarrow<2>(w + v, a + 4 * v));
    return x;
  }
#endif

#if defined(EDGEFRONT_I8MM)
  static constexpr bool kPairs = true;
  static constexpr bool kSplits = false;
  // Rearranges groups 2j and 2j+1 of four rows into rows 0, 1 by 8 columns and rows 2, 3 by 8 columns.
  static void ArrangePairs(B w[8]) {
    for (int j = 0; j < 8; j += 2) {
      const int32x4_t x = vreinterpretq_s32_s8(w[j]), y = vreinterpretq_s32_s8(w[j + 1]);
      w[j] = vreinterpretq_s8_s32(vzip1q_s32(x, y));
      w[j + 1] = vreinterpretq_s8_s32(vzip2q_s32(x, y));
    }
  }
  // Computes 32 products of four rows with each of two tokens.
  static void PairDot(const B w[8], const int8_t* a0, const int8_t* a1, I* d0, I* d1) {
    int32x4_t top = vdupq_n_s32(0), bottom = top;  // [row][token] of rows 0, 1 and 2, 3
    for (int j = 0; j < 4; ++j) {
      const int8x16_t a = vcombine_s8(vld1_s8(a0 + 8 * j), vld1_s8(a1 + 8 * j));
      top = vmmlaq_s32(top, w[2 * j], a);
      bottom = vmmlaq_s32(bottom, w[2 * j + 1], a);
    }
    *d0 = vuzp1q_s32(top, bottom);
    *d1 = vuzp2q_s32(top, bottom);
  }
#else
  static constexpr bool kPairs = false;
  static constexpr bool kSplits = false;
#endif
};

}  // namespace
}  // namespace edgefront
