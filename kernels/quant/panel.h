// Panels: the layout of weights in memory. 16 rows are interleaved, so one lane of a vector is one row. No
// product needs a horizontal sum, and every instruction set reads the same bytes.
#ifndef EDGEFRONT_QUANT_PANEL_H_
#define EDGEFRONT_QUANT_PANEL_H_

#include <cstddef>
#include <cstdint>

#include "include/edgefront/dtype.h"

namespace edgefront {

// A panel has R = 16 rows and K columns. "Group v" is columns 4v .. 4v+3 of a block of 32.
//   F32, F16, BF16: [K][R].
//   Q4_0: pairs of blocks, 576 bytes: f16 scale [2][R], then 4 vectors of 64 bytes for each block.
//     Byte 4r+c of vector j has row r, column c: group j in the low nibble, group j+4 in the high one.
//   Q8_0: pairs of blocks, 1088 bytes: f16 scale [2][R], then 8 vectors for each block.
//     Byte 4r+c of vector v has row r, group v, column c.
//   Q6_K: superblocks, 3392 bytes: f16 d [R], 32 unused bytes, int8 scale [8][R][2] (32-block, row, half).
//     Then 6 vectors for each 32-block, 3 for each half. Vector j of half h has group 4h+j in its low six
//     bits, and bits 2j, 2j+1 of group 4h+3 in its high two. Three groups need one mask each, the fourth
//     three shifts.
// Scales lie beside their quants, so that a panel and a whole matrix are one sequential stream of 64-byte
// lines. An odd last block leaves half a pair unused. Panels start on 64 bytes. Rows beyond the matrix and
// unused bytes are zero.
inline constexpr size_t kPanelRows = 16;

inline constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }
inline constexpr size_t PanelCount(size_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

inline constexpr size_t kQ4PairBytes = 64 + 2 * 256, kQ8PairBytes = 64 + 2 * 512, kQ6SuperBytes = 64 + 3328;

// Offsets of the scales (f16 [R]) and quants of block b in a Q4_0 or Q8_0 panel.
inline constexpr size_t PairScaleAt(size_t pair_bytes, size_t b) { return b / 2 * pair_bytes + b % 2 * 32; }
inline constexpr size_t PairQuantsAt(size_t pair_bytes, size_t b) { return b / 2 * pair_bytes + 64 + b % 2 * ((pair_bytes - 64) / 2); }

// Returns the bytes of a panel of 16 rows with k columns.
inline constexpr size_t PanelBytes(DType type, size_t k) {
  switch (type) {
    case DType::kF32: return RoundUp(4 * kPanelRows * k, 64);
    case DType::kF16:
    case DType::kBF16: return RoundUp(2 * kPanelRows * k, 64);
    case DType::kQ4_0: return (k / 32 + 1) / 2 * kQ4PairBytes;
    case DType::kQ8_0: return (k / 32 + 1) / 2 * kQ8PairBytes;
    case DType::kQ6_K: return k / 256 * kQ6SuperBytes;
  }
  return 0;
}

// Packs 16 rows in GGUF layout, `row_bytes` apart, into PanelBytes(type, k) bytes. The caller fills rows
// beyond the matrix with zero bytes.
void PackPanel(DType type, size_t k, const uint8_t* rows, size_t row_bytes, uint8_t* panel);
// Writes columns [c, c + n) of row r as floats to out [n].
void UnpackColumns(DType type, const uint8_t* panel, size_t r, size_t c, size_t n, float* out);

}  // namespace edgefront

#endif  // EDGEFRONT_QUANT_PANEL_H_
