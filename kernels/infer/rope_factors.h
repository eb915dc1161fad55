// The tensor rope_freqs.weight of lfm3, [head_dim / 2]: divisors of the RoPE frequencies of global attention.
// A divisor is 1 where a pair turns, else so large that the angle vanishes. The tensor holds no parameters.
#ifndef EDGEFRONT_INFER_ROPE_FACTORS_H_
#define EDGEFRONT_INFER_ROPE_FACTORS_H_

#include <cstdint>
#include <vector>

#include "infer/weights.h"

namespace edgefront {

inline constexpr const char* kRopeFactors = "rope_freqs.weight";

// Returns the number of channels of a head that turn: lfm3.rope.rotated_count, which our own files have, else
// as the tensor's data says. Without the key and without `source` (null), returns a whole head's channels.
// kUnsupported if other divisors scale the frequencies.
Result<uint32_t> RotatedChannels(const GgufFile& gguf, const DataSource* source);

// Returns the tensor's values; none in a layout without it.
std::vector<float> RopeFactors(const ModelSpec& spec);

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_ROPE_FACTORS_H_
