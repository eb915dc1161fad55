// One worker's forward and backward pass over a microbatch of sequences. All buffers of a worker come from one arena whose plan is made
// once from the layout, so a step allocates nothing. Workers share the weights (read only) and write gradients to a lane each is given:
// who runs a lane never changes what is in it, which makes training independent of the number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "infer/model_spec.h"
#include "train/distill.h"
#include "train/params.h"

namespace edgefront::train {

inline constexpr uint16_t kNotScored = 0xFFFF;

struct Weights {
  const float* flat;    // Params::size()
  const float* packed;  // Params::packed_size(), or half of it in pairs
  float* scratch;       // of this worker: kProductScratch floats where products are in bfloat16
};

// `rows` = sequences * length tokens and targets, sequence by sequence.
struct Microbatch {
  int sequences;
  const uint16_t* tokens;
  const uint16_t* targets;
  const SoftTargets* soft = nullptr;  // of every row, where the objective has a teacher
};

class Network {
 public:
  // The plan for sequences of `length` tokens, at most `sequences` of them in one microbatch. `params` and `spec` must outlive it.
  Network(const ModelSpec& spec, const Params& params, int length, int sequences, const Objective& objective = {});

  size_t arena_size() const { return arena_size_; }  // floats, one arena per worker

  // Loss summed over the scored positions and the number answered right. With `gradient` (a lane, Params::size() floats) also adds
  // d(loss * loss_scale) to it; the first microbatch of a lane (`fresh`) overwrites what was there.
  CrossEntropyResult Run(const Math& math, const Weights& weights, const Microbatch& batch, float* arena, float* gradient, bool fresh,
                         float loss_scale) const;

  // A teacher's side: the k largest log-probabilities of every scored row, at that row's place. k is at most the vocabulary.
  void Teach(const Math& math, const Weights& weights, const Microbatch& batch, int k, float* arena, uint16_t* ids, float* log_probs,
             std::vector<uint32_t>* order) const;

 private:
  struct Layer {
    LayerSpec spec;
    const Param *mixer_norm, *ffn_norm, *gate, *up, *down;
    const Param *conv_in, *taps, *conv_out;
    const Param *q, *k, *v, *attn_out, *q_norm, *k_norm;
    int width_f, hd, width_q, width_kv;  // padded
    size_t rope;                         // of the cosines; the sines follow, [length, head_dim / 2] each
    // Arena offsets of what the backward pass needs.
    size_t x, n1, rstd1, mid, n2, rstd2, gate_out, up_out, act;
    size_t bch, y, u;                                             // conv
    size_t q_raw, k_raw, q_rot, k_rot, v_out, o, lse, q_rstd, k_rstd;  // attention
  };

  size_t Take(size_t floats);
  void Forward(const Math& math, const Weights& w, const Microbatch& batch, float* arena) const;
  CrossEntropyResult Head(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, float scale) const;
  void PlanHead();
  int Gather(const Microbatch& batch, float* arena) const;
  SoftTargets GatherSoft(const SoftTargets& all, const int32_t* index, int rows, float* arena) const;
  void DecoderForward(const Math& math, const Weights& w, int rows, float* arena) const;
  void DecoderBackward(const Math& math, const Weights& w, int rows, float* arena, float* gradient) const;
  void Backward(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, bool fresh) const;
  void MixerForward(const Math& math, const Weights& w, const Layer& l, int sequences, float* arena) const;
  void MixerBackward(const Math& math, const Weights& w, const Layer& l, int sequences, float* arena, float* gradient, bool fresh) const;
  Attention AttentionOf(const Layer& l, int sequence, float* arena) const;

  const ModelSpec& spec_;
  const Params& params_;
  Objective objective_;
  int length_, sequences_, rows_;
  int d_, width_, ld_;  // logical width, padded, row stride of a [rows, d] activation
  std::vector<Layer> layers_;
  std::vector<float> rope_;
  const Param *embedding_, *output_, *final_norm_;
  size_t x_last_, dx_, dn_, df_, d1_, d2_, d3_, scratch_;  // arena offsets
  // Arena offsets of the head: everything of the scored rows, packed together; the pooled head's decoder before it.
  struct {
    size_t x, n, dn, dx, rstd, index, targets, logits, soft_ids, soft_log_probs, scratch;
  } head_{};
  struct {
    size_t in, n, dn, rstd, gate, up, act, dact;
  } decoder_{};
  const Param *decoder_norm_ = nullptr, *decoder_gate_ = nullptr, *decoder_up_ = nullptr, *decoder_down_ = nullptr;
  std::vector<float> position_code_;  // [length, ld]
  int chunk_;  // rows of logits held at a time
  size_t arena_size_ = 0;
};

}  // namespace edgefront::train
