// The vector interface on AVX-512 (F, BW, DQ, VL) with VNNI: 16 lanes, so a vector holds all rows of a panel.
// Only one file in targets/ includes this; see vec_avx2.h. GCC 12 warns about its own _mm512_undefined_*
// wherever they are inlined (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace edgefront {
namespace {

struct Simd {
  using F = __m512;
  using I = __m512i;
  using B = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kTokens = 8;
  static constexpr bool kPairs = false;  // no product takes two tokens at once
  static constexpr bool kSplits = false;
  static constexpr bool kWide = true;  // see ops/matmul/wide_blocks.h
  static constexpr int kAccumulators = 16;

  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static F Set(float x) { return _mm512_set1_ps(x); }
  static F Zero() { return _mm512_setzero_ps(); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static float Sum(F x) { return _mm512_reduce_add_ps(x); }
  static F LoadF16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F LoadBF16(const uint16_t* p) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
  }
  static F LoadI8(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  // Faster forms of two loops in plain_loops.h, with the same results.
  static float LargestOf32(const float* v) {
    const F abs = _mm512_castsi512_ps(_mm512_set1_epi32(0x7FFFFFFF));
    const F both = _mm512_max_ps(_mm512_and_ps(Load(v), abs), _mm512_and_ps(Load(v + 16), abs));
    return _mm512_reduce_max_ps(_mm512_max_ps(both, Zero()));  // NaN counts as zero
  }
  static void Round32(const float* v, float inverse, int8_t* q, int32_t sums[2]) {
    for (int h = 0; h < 2; ++h) {
      const F nearest = _mm512_roundscale_ps(Mul(Load(v + 16 * h), Set(inverse)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      // The operands' order turns NaN into 127, before its conversion to an integer.
      const I rounded = _mm512_cvtps_epi32(_mm512_max_ps(_mm512_min_ps(nearest, Set(127.0f)), Set(-127.0f)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16 * h), _mm512_cvtepi32_epi8(rounded));
      sums[h] = _mm512_reduce_add_epi32(rounded);
    }
  }
  static F ToFloat(I x) { return _mm512_cvtepi32_ps(x); }
  static I SetI(int32_t x) { return _mm512_set1_epi32(x); }
  static I AddI(I a, I b) { return _mm512_add_epi32(a, b); }
  static B LoadBytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static B Low4(B x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
  static B High4(B x) { return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(15)); }
  static B Low6(B x) { return _mm512_and_si512(x, _mm512_set1_epi8(63)); }
  static B High2(B x, B y, B z) {
    constexpr int kOrAnd = 0xF8;  // a | (b & c)
    const __m512i a = _mm512_and_si512(_mm512_srli_epi16(x, 6), _mm512_set1_epi8(0x03));
    const __m512i b = _mm512_ternarylogic_epi32(a, _mm512_srli_epi16(y, 4), _mm512_set1_epi8(0x0C), kOrAnd);
    return _mm512_ternarylogic_epi32(b, _mm512_srli_epi16(z, 2), _mm512_set1_epi8(0x30), kOrAnd);
  }
  struct Scales6 {  // scales of 16 rows: both in 16 bits each; the first; the second
    I pairs, first, second;
  };
  static Scales6 LoadScales6(const int8_t* p) {
    const __m512i pairs = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {pairs, _mm512_srai_epi32(_mm512_slli_epi32(pairs, 16), 16), _mm512_srai_epi32(pairs, 16)};
  }
  static I DotQ6(const B w[8], const int8_t* a, const int16_t* sums, const Scales6& s) {
    I x = _mm512_setzero_si512(), y = x;
    for (int v = 0; v < 4; ++v) x = _mm512_dpbusd_epi32(x, w[v], Group(a + 4 * v));
    for (int v = 4; v < 8; ++v) y = _mm512_dpbusd_epi32(y, w[v], Group(a + 4 * v));
    int32_t both;
    std::memcpy(&both, sums, 4);
    const __m512i offset = _mm512_slli_epi32(_mm512_madd_epi16(s.pairs, _mm512_set1_epi32(both)), 5);
    return _mm512_sub_epi32(_mm512_add_epi32(_mm512_mullo_epi32(x, s.first), _mm512_mullo_epi32(y, s.second)), offset);
  }

  static B Group(const int8_t* a) {
    int32_t x;
    std::memcpy(&x, a, 4);
    return _mm512_set1_epi32(x);
  }
  static I AddDots(I acc, B w, B a) { return _mm512_dpbusd_epi32(acc, w, a); }
  static I DotU4(const B w[8], const int8_t* a, I init) {
    I x = init;
    for (int v = 0; v < 8; ++v) x = AddDots(x, w[v], Group(a + 4 * v));
    return x;
  }
  // Makes weights unsigned by adding 128; DotS8 subtracts 128 * sum(a). sum8 = -8 * sum(a).
  static B PrepareS8(B w) { return _mm512_xor_si512(w, _mm512_set1_epi8(-128)); }
  static I DotS8(const B w[8], const int8_t* a, int32_t sum8) { return DotU4(w, a, SetI(16 * sum8)); }
};

}  // namespace
}  // namespace edgefront
