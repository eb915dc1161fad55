// The vector interface on AVX2 + FMA + F16C, with 8 lanes; with AVX-VNNI also its dot product. Only one file
// in targets/ includes this. Everything is in an anonymous namespace, so that no two instruction sets mix.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace edgefront {
namespace {

struct Simd {
  using F = __m256;   // 8 floats
  using I = __m256i;  // 8 int32
  using B = __m256i;  // 8 groups of 4 bytes
  static constexpr int kLanes = 8;
  // Columns of an int8 tile: 8 weight vectors, 4 accumulators and temporaries fill 16 registers.
  static constexpr int kTokens = 4;
  static constexpr bool kPairs = false;  // no product takes two tokens at once
  static constexpr bool kWide = false;   // see ops/matmul/wide_blocks.h: too few registers
  static constexpr int kAccumulators = 8;

  static F Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static F Set(float x) { return _mm256_set1_ps(x); }
  static F Zero() { return _mm256_setzero_ps(); }
  static F Mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static float Sum(F x) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  static F LoadF16(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static F LoadBF16(const uint16_t* p) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
  }
  static F LoadI8(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static F ToFloat(I x) { return _mm256_cvtepi32_ps(x); }
  static I SetI(int32_t x) { return _mm256_set1_epi32(x); }
  static I AddI(I a, I b) { return _mm256_add_epi32(a, b); }
  static B LoadBytes(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static B Low4(B x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
  static B High4(B x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
  // Unpacks the bytes of Q6_K (quant/panel.h): each has six bits of one group. The high pairs of bits of
  // three bytes form the fourth group.
  static B Low6(B x) { return _mm256_and_si256(x, _mm256_set1_epi8(63)); }
  static B High2(B x, B y, B z) {
    const __m256i a = _mm256_and_si256(_mm256_srli_epi16(x, 6), _mm256_set1_epi8(0x03));
    const __m256i b = _mm256_and_si256(_mm256_srli_epi16(y, 4), _mm256_set1_epi8(0x0C));
    const __m256i c = _mm256_and_si256(_mm256_srli_epi16(z, 2), _mm256_set1_epi8(0x30));
    return _mm256_or_si256(_mm256_or_si256(a, b), c);
  }
  // Computes 32 * (first scale * sums[0] + second scale * sums[1]) in each row. The caller subtracts it,
  // because Q6_K's values are q - 32.
  static I Offset6(I pairs, const int16_t* sums) {
    int32_t x;
    std::memcpy(&x, sums, 4);
    return _mm256_slli_epi32(_mm256_madd_epi16(pairs, _mm256_set1_epi32(x)), 5);
  }

  static B Group(const int8_t* a) {  // 4 activations in every lane
    int32_t x;
    std::memcpy(&x, a, 4);
    return _mm256_set1_epi32(x);
  }

#if defined(EDGEFRONT_AVXVNNI)
  static constexpr bool kSplits = false;  // not used: no such processor was available to measure its effect
  static I Dot4(I acc, B u, B s) { return _mm256_dpbusd_avx_epi32(acc, u, s); }
  static I DotU4(const B w[8], const int8_t* a, I init) {
    I x = init;
    for (int v = 0; v < 8; ++v) x = Dot4(x, w[v], Group(a + 4 * v));
    return x;
  }
  struct Scales6 {  // scales of 8 rows: both in 16 bits each; the first; the second
    I pairs, first, second;
  };
  static Scales6 LoadScales6(const int8_t* p) {
    const __m256i pairs = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {pairs, _mm256_srai_epi32(_mm256_slli_epi32(pairs, 16), 16), _mm256_srai_epi32(pairs, 16)};
  }
  static I DotQ6(const B w[8], const int8_t* a, const int16_t* sums, const Scales6& s) {
    I x = _mm256_setzero_si256(), y = x;
    for (int v = 0; v < 4; ++v) x = Dot4(x, w[v], Group(a + 4 * v));
    for (int v = 4; v < 8; ++v) y = Dot4(y, w[v], Group(a + 4 * v));
    const __m256i sum = _mm256_add_epi32(_mm256_mullo_epi32(x, s.first), _mm256_mullo_epi32(y, s.second));
    return _mm256_sub_epi32(sum, Offset6(s.pairs, sums));
  }
  // Makes weights unsigned by adding 128; DotS8 subtracts 128 * sum(a). sum8 = -8 * sum(a).
  static B PrepareS8(B w) { return _mm256_xor_si256(w, _mm256_set1_epi8(-128)); }
  static I DotS8(const B w[8], const int8_t* a, int32_t sum8) { return DotU4(w, a, SetI(16 * sum8)); }
#else
  // Products of bytes w < 16 with a, pairs added. Eight of these sums fit an int16 (see DotU4).
  static constexpr bool kSplits = true;
  using Pairs = __m256i;
  static Pairs MulPairs(B w, B a) { return _mm256_maddubs_epi16(w, a); }
  static Pairs AddPairs(Pairs a, Pairs b) { return _mm256_add_epi16(a, b); }
  static I SumPairs(Pairs p) { return _mm256_madd_epi16(p, _mm256_set1_epi16(1)); }
  static void StoreBytes(uint8_t* p, B x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
  // Keeps a value in a register at this point. Without it, GCC computes a block's products before their sums
  // and spills them.
  static void Keep(__m256i& x) { asm("" : "+x"(x)); }
  // Weights are below 16 and |a| <= 127, so a pair's sum is at most 3810. Eight of these fit an int16
  // (30480), so one widening multiply-add serves 32 products in each lane.
  static I DotU4(const B w[8], const int8_t* a, I init) {
    __m256i x = _mm256_maddubs_epi16(w[0], Group(a));
    __m256i y = _mm256_maddubs_epi16(w[1], Group(a + 4));
    for (int v = 2; v < 8; v += 2) {
      x = _mm256_add_epi16(x, _mm256_maddubs_epi16(w[v], Group(a + 4 * v)));
      y = _mm256_add_epi16(y, _mm256_maddubs_epi16(w[v + 1], Group(a + 4 * v + 4)));
    }
    return _mm256_add_epi32(_mm256_madd_epi16(_mm256_add_epi16(x, y), _mm256_set1_epi16(1)), init);
  }
  struct Scales6 {  // scales of 8 rows in 16 bits: both; the first twice; the second twice
    I pairs, first, second;
  };
  static Scales6 LoadScales6(const int8_t* p) {
    const __m256i pairs = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256i even = _mm256_set1_epi64x(0x0504050401000100), odd = _mm256_set1_epi64x(0x0706070603020302);
    const __m256i high = _mm256_set_epi64x(0x0808080808080808, 0, 0x0808080808080808, 0);
    return {pairs, _mm256_shuffle_epi8(pairs, _mm256_or_si256(even, high)), _mm256_shuffle_epi8(pairs, _mm256_or_si256(odd, high))};
  }
  // Weights are below 64, so a pair's sum is at most 16002 and two of them fit an int16. The widening
  // multiply-add applies the scale.
  static I DotQ6(const B w[8], const int8_t* a, const int16_t* sums, const Scales6& s) {
    __m256i p[4];
    for (int v = 0; v < 8; v += 2)
      p[v / 2] = _mm256_add_epi16(_mm256_maddubs_epi16(w[v], Group(a + 4 * v)), _mm256_maddubs_epi16(w[v + 1], Group(a + 4 * v + 4)));
    const __m256i x = _mm256_add_epi32(_mm256_madd_epi16(p[0], s.first), _mm256_madd_epi16(p[1], s.first));
    const __m256i y = _mm256_add_epi32(_mm256_madd_epi16(p[2], s.second), _mm256_madd_epi16(p[3], s.second));
    return _mm256_sub_epi32(_mm256_add_epi32(x, y), Offset6(s.pairs, sums));
  }
  // Multiplies |w|, unsigned, with a that has the sign of w. A pair's sum is at most 128 * 127 * 2 = 32512.
  static B PrepareS8(B w) { return w; }
  static I DotS8(const B w[8], const int8_t* a, int32_t) {
    const __m256i one = _mm256_set1_epi16(1);
    __m256i x = _mm256_setzero_si256();
    for (int v = 0; v < 8; ++v) {
      const __m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(w[v]), _mm256_sign_epi8(Group(a + 4 * v), w[v]));
      x = _mm256_add_epi32(x, _mm256_madd_epi16(p, one));
    }
    return x;
  }
#endif
};

}  // namespace
}  // namespace edgefront
