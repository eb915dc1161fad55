// Packs GGUF rows into panels while loading. Interleaving 16 rows means transposing blocks of four words. It
// uses 16-byte vectors, which every 64-bit x86 and Arm has, so loading runs at memory speed without a version
// for each instruction set.
#include <cstring>

#include "quant/panel.h"

namespace edgefront {
namespace {

constexpr size_t R = kPanelRows;

using Words = uint32_t __attribute__((vector_size(16)));
using Halves = uint16_t __attribute__((vector_size(16)));

template <class V>
V Load(const uint8_t* p) {
  V v;
  std::memcpy(&v, p, 16);
  return v;
}
template <class V>
void Store(uint8_t* p, V v) {
  std::memcpy(p, &v, 16);
}

#if defined(__clang__)
#define EDGEFRONT_SHUFFLE(Index, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define EDGEFRONT_SHUFFLE(Index, a, b, ...) __builtin_shuffle(a, b, Index{__VA_ARGS__})
#endif
Words LowWords(Words a, Words b) { return EDGEFRONT_SHUFFLE(Words, a, b, 0, 4, 1, 5); }
Words HighWords(Words a, Words b) { return EDGEFRONT_SHUFFLE(Words, a, b, 2, 6, 3, 7); }
Halves LowHalves(Halves a, Halves b) { return EDGEFRONT_SHUFFLE(Halves, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
Halves HighHalves(Halves a, Halves b) { return EDGEFRONT_SHUFFLE(Halves, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#undef EDGEFRONT_SHUFFLE

// Swaps word j of m[i] with word i of m[j].
void Transpose(Words m[4]) {
  const Words a = LowWords(m[0], m[2]), b = HighWords(m[0], m[2]), c = LowWords(m[1], m[3]), d = HighWords(m[1], m[3]);
  m[0] = LowWords(a, c);
  m[1] = HighWords(a, c);
  m[2] = LowWords(b, d);
  m[3] = HighWords(b, d);
}

// Loads the 16 bytes at `from` of four rows. Word j of each row goes to m[j].
void LoadTransposed(const uint8_t* from, size_t row_bytes, Words m[4]) {
  for (size_t r = 0; r < 4; ++r) m[r] = Load<Words>(from + r * row_bytes);
  Transpose(m);
}

void PackF32(size_t k, const uint8_t* rows, size_t row_bytes, uint8_t* panel) {
  size_t i = 0;
  for (; i + 4 <= k; i += 4) {
    for (size_t r = 0; r < R; r += 4) {
      Words m[4];
      LoadTransposed(rows + r * row_bytes + 4 * i, row_bytes, m);
      for (size_t j = 0; j < 4; ++j) Store(panel + 4 * ((i + j) * R + r), m[j]);
    }
  }
  for (; i < k; ++i)
    for (size_t r = 0; r < R; ++r) std::memcpy(panel + 4 * (i * R + r), rows + r * row_bytes + 4 * i, 4);
}

void PackF16(size_t k, const uint8_t* rows, size_t row_bytes, uint8_t* panel) {
  size_t i = 0;
  for (; i + 8 <= k; i += 8) {
    for (size_t r = 0; r < R; r += 8) {
      Words low[4], high[4];  // word: column i + j of rows r + 2 n and r + 2 n + 1
      for (size_t n = 0; n < 4; ++n) {
        const uint8_t* from = rows + (r + 2 * n) * row_bytes + 2 * i;
        const Halves a = Load<Halves>(from), b = Load<Halves>(from + row_bytes);
        low[n] = reinterpret_cast<Words>(LowHalves(a, b));
        high[n] = reinterpret_cast<Words>(HighHalves(a, b));
      }
      Transpose(low);
      Transpose(high);
      for (size_t j = 0; j < 4; ++j) {
        Store(panel + 2 * ((i + j) * R + r), low[j]);
        Store(panel + 2 * ((i + 4 + j) * R + r), high[j]);
      }
    }
  }
  for (; i < k; ++i)
    for (size_t r = 0; r < R; ++r) std::memcpy(panel + 2 * (i * R + r), rows + r * row_bytes + 2 * i, 2);
  const size_t used = 2 * R * k;
  std::memset(panel + used, 0, RoundUp(used, 64) - used);
}

// Packs Q4_0 or Q8_0. A block is an f16 scale and 16 * parts bytes; each word goes to its row's place in a
// vector.
template <size_t parts, size_t pair_bytes>
void PackPairs(size_t k, const uint8_t* rows, size_t row_bytes, uint8_t* panel) {
  const size_t blocks = k / 32;
  for (size_t b = 0; b < blocks; ++b, rows += 2 + 16 * parts) {
    uint8_t *scales = panel + PairScaleAt(pair_bytes, b), *quants = panel + PairQuantsAt(pair_bytes, b);
    for (size_t r = 0; r < R; ++r) std::memcpy(scales + 2 * r, rows + r * row_bytes, 2);
    for (size_t part = 0; part < parts; ++part) {
      for (size_t r = 0; r < R; r += 4) {
        Words m[4];
        LoadTransposed(rows + r * row_bytes + 2 + 16 * part, row_bytes, m);
        for (size_t j = 0; j < 4; ++j) Store(quants + 64 * (4 * part + j) + 4 * r, m[j]);
      }
    }
  }
  if (blocks % 2 != 0) {
    std::memset(panel + PairScaleAt(pair_bytes, blocks), 0, 32);
    std::memset(panel + PairQuantsAt(pair_bytes, blocks), 0, 256 * parts);
  }
}

// Packs half a Q6_K block of four rows: 128 values in four runs of 32. Run u takes its low nibbles from words
// 8 (u % 2) .. of ql, shifted by 4 (u / 2), and its high pairs from qh, shifted by 2 u. Each run is a
// 32-block of the panel, at 384 u.
void PackQ6Half(const uint8_t* ql, const uint8_t* qh, size_t row_bytes, uint8_t* out) {
  Words low[16], high[8];  // each word has a lane for each of the four rows
  for (size_t i = 0; i < 4; ++i) LoadTransposed(ql + 16 * i, row_bytes, low + 4 * i);
  for (size_t i = 0; i < 2; ++i) LoadTransposed(qh + 16 * i, row_bytes, high + 4 * i);
  for (int u = 0; u < 4; ++u) {
    for (int h = 0; h < 2; ++h) {
      Words q[4];
      for (int j = 0; j < 4; ++j) {
        q[j] = (low[8 * (u % 2) + 4 * h + j] >> (4 * (u / 2)) & 0x0F0F0F0F) | (high[4 * h + j] >> (2 * u) & 0x03030303) << 4;
      }
      uint8_t* to = out + 384 * u + 192 * h;
      for (int j = 0; j < 3; ++j) Store(to + 64 * j, q[j] | (q[3] >> (2 * j) & 0x03030303) << 6);
    }
  }
}

void PackQ6(size_t k, const uint8_t* rows, size_t row_bytes, uint8_t* panel) {
  for (size_t s = 0; s < k / 256; ++s, rows += 210, panel += kQ6SuperBytes) {
    uint8_t* body = panel + 64;
    std::memset(panel + 32, 0, 32);
    for (size_t r = 0; r < R; ++r) {
      const uint8_t* b = rows + r * row_bytes;
      std::memcpy(panel + 2 * r, b + 208, 2);
      for (size_t block = 0; block < 8; ++block) std::memcpy(body + 32 * block + 2 * r, b + 192 + 2 * block, 2);
    }
    for (size_t half = 0; half < 2; ++half) {
      for (size_t r = 0; r < R; r += 4) {
        const uint8_t* b = rows + r * row_bytes;
        PackQ6Half(b + 64 * half, b + 128 + 32 * half, row_bytes, body + 256 + 4 * 384 * half + 4 * r);
      }
    }
  }
}

}  // namespace

void PackPanel(DType type, size_t k, const uint8_t* rows, size_t row_bytes, uint8_t* panel) {
  switch (type) {
    case DType::kF32: return PackF32(k, rows, row_bytes, panel);
    case DType::kF16:
    case DType::kBF16: return PackF16(k, rows, row_bytes, panel);
    case DType::kQ4_0: return PackPairs<1, kQ4PairBytes>(k, rows, row_bytes, panel);
    case DType::kQ8_0: return PackPairs<2, kQ8PairBytes>(k, rows, row_bytes, panel);
    case DType::kQ6_K: return PackQ6(k, rows, row_bytes, panel);
  }
}

}  // namespace edgefront
