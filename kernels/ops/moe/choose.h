// The choice of a router of a mixture of experts, for inference and training. A token's scores are sigmoids. A
// bias for each expert changes the choice, but not the weights of the chosen experts, which are their scores
// divided by the scores' sum. Source: transformers modeling_lfm2_moe.py.
#ifndef EDGEFRONT_OPS_MOE_CHOOSE_H_
#define EDGEFRONT_OPS_MOE_CHOOSE_H_

#include <cmath>
#include <cstdint>

namespace edgefront {

inline constexpr float kScoreEpsilon = 1e-6f;  // added to the sum of the chosen scores

// Returns the score of an expert from its row of the router's product.
inline float ExpertScore(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

// Calls take(rank, expert) for the `used` experts with the largest score + bias, the largest first; of equals
// the lower index. scores, bias: [experts].
template <class Take>
void ChooseExperts(const float* scores, const float* bias, uint32_t experts, uint32_t used, const Take& take) {
  float last = INFINITY;
  uint32_t last_expert = 0;
  for (uint32_t rank = 0; rank < used; ++rank) {
    uint32_t best = rank;  // stays if no value is a number
    float most = -INFINITY;
    for (uint32_t i = 0; i < experts; ++i) {
      const float value = scores[i] + bias[i];
      const bool after = value < last || (value == last && i > last_expert);
      if (after && value > most) most = value, best = i;
    }
    take(rank, best);
    last = most;
    last_expert = best;
  }
}

}  // namespace edgefront

#endif  // EDGEFRONT_OPS_MOE_CHOOSE_H_
