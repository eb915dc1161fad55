// The vector interface on AVX-512 (F, BW, DQ, VL) with VNNI: 16 lanes, one panel a vector.
// Included by one file in targets/ only; see vec_avx2.h.
// GCC 12 warns about its own _mm512_undefined_* wherever they are inlined (GCC bug 105593).
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
  static constexpr int kAccumulators = 16;

  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static F Set(float x) { return _mm512_set1_ps(x); }
  static F Zero() { return _mm512_setzero_ps(); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F LoadF16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F LoadBF16(const uint16_t* p) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
  }
  static F LoadI8(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static F ToFloat(I x) { return _mm512_cvtepi32_ps(x); }
  static I SetI(int32_t x) { return _mm512_set1_epi32(x); }
  static I AddI(I a, I b) { return _mm512_add_epi32(a, b); }
  static I MulI(I a, I b) { return _mm512_mullo_epi32(a, b); }
  static B LoadBytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static B Low4(B x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
  static B High4(B x) { return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(15)); }
  template <int f>
  static B Bits2To4(B x) {
    const __m512i s = f < 2 ? _mm512_slli_epi16(x, f < 2 ? 4 - 2 * f : 0) : _mm512_srli_epi16(x, f < 2 ? 0 : 2 * f - 4);
    return _mm512_and_si512(s, _mm512_set1_epi8(0x30));
  }
  static B Or(B a, B b) { return _mm512_or_si512(a, b); }
  static void LoadPairs(const int8_t* p, I* s0, I* s1) {
    const __m512i pairs = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    *s0 = _mm512_srai_epi32(_mm512_slli_epi32(pairs, 16), 16);
    *s1 = _mm512_srai_epi32(pairs, 16);
  }

  static B Group(const int8_t* a) {
    int32_t x;
    std::memcpy(&x, a, 4);
    return _mm512_set1_epi32(x);
  }
  static I DotU4(const B w[8], const int8_t* a, I init) {
    I x = init;
    for (int v = 0; v < 8; ++v) x = _mm512_dpbusd_epi32(x, w[v], Group(a + 4 * v));
    return x;
  }
  static I DotU6(const B w[4], const int8_t* a, I init) {
    I x = init;
    for (int v = 0; v < 4; ++v) x = _mm512_dpbusd_epi32(x, w[v], Group(a + 4 * v));
    return x;
  }
  // Signed weights: w + 128 is unsigned, and 128 * sum(a) is subtracted; sum8 = -8 * sum(a).
  static B PrepareS8(B w) { return _mm512_xor_si512(w, _mm512_set1_epi8(-128)); }
  static I DotS8(const B w[8], const int8_t* a, int32_t sum8) { return DotU4(w, a, SetI(16 * sum8)); }
};

}  // namespace
}  // namespace edgefront
