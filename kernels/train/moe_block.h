// A mixture of experts in training (infer/ffns/moe.cc has its formulas). Gradients flow through the chosen
// experts and their weights, but neither through the choice nor to the router's biases. A bias's place in the
// gradient holds the load instead: the number of tokens that chose its expert. The optimiser (session.cc) moves
// biases by the load, which balances it without a loss of its own (arXiv 2408.15664).
#pragma once

#include <vector>

#include "train/ffn_block.h"
#include "train/residual_product.h"

namespace edgefront::train {

class MoeBlock : public FfnBlock {
 public:
  MoeBlock(const ModelSpec& spec, const Params& params, int layer, int rows, int width, ArenaPlan* arena);

  void Forward(const Math& math, const Weights& w, int rows, const float* x, float* out, float* arena) const override;
  void Backward(const Math& math, const Weights& w, int rows, const float* x, float* dx, float* dn, float* work, float* arena,
                float* gradient, bool fresh) const override;

 private:
  struct Expert {
    const Param *gate, *up, *down;
  };
  // The arrays of a pass in the arena. An assignment is a token with one of its experts.
  struct Pass {
    float *n, *rstd, *scores, *weight, *in, *gate, *up, *act, *out;
    int32_t *chosen, *place, *first;
  };
  Pass In(float* arena) const;
  void Choose(const float* bias, int rows, const Pass& p) const;
  void ScoreGrad(int rows, const float* dsum, const Pass& p, float* dlogits) const;
  void ExpertGrad(const Math& math, const Weights& w, const Expert& expert, int first, int rows, const Pass& p, float* dact, float* din,
                  float* gradient, bool fresh) const;

  MoeSpec spec_;
  const Param *norm_, *router_, *bias_;
  std::vector<Expert> experts_;
  ResidualNorm post_norm_;
  int d_, width_;
  ptrdiff_t ld_, ld_scores_, ld_act_;
  float eps_;
  // Arena offsets. Assignments are sorted by expert in `in`, `gate`, `up`, `act` and `out` [rows * used, ...].
  size_t n_, rstd_, scores_, chosen_, place_, weight_, first_, in_, gate_, up_, act_, out_;
  size_t dact_size_, din_size_;  // floats of the first parts of the work buffer
};

}  // namespace edgefront::train
