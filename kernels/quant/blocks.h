// Rows of each tensor type in GGUF layout: the plain definitions of quantising and dequantising. Fast code
// uses panels instead (quant/panel.h).
#ifndef EDGEFRONT_QUANT_BLOCKS_H_
#define EDGEFRONT_QUANT_BLOCKS_H_

#include <cstddef>
#include <cstdint>

#include "include/edgefront/dtype.h"

namespace edgefront {

// Quantises x [n] into RowBytes(type, n) bytes at `row`. n is a multiple of the block.
void QuantiseRow(DType type, const float* x, size_t n, uint8_t* row);
// Computes x [n] from a row in GGUF layout: the inverse of QuantiseRow, up to rounding.
void DequantiseRow(DType type, const uint8_t* row, size_t n, float* x);

}  // namespace edgefront

#endif  // EDGEFRONT_QUANT_BLOCKS_H_
