// One worker's forward and backward pass over a microbatch of sequences. All buffers of a worker come from
// one arena, planned once from the layout, so a step allocates nothing. Workers share the weights (read only)
// and write gradients to lanes. The content of a lane does not depend on the worker, so training does not
// depend on the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "infer/model_spec.h"
#include "train/distill.h"
#include "train/layer_mixer.h"
#include "train/swiglu_block.h"

namespace edgefront::train {

inline constexpr uint16_t kNotScored = 0xFFFF;

// `rows` = sequences * length tokens and targets, sequence by sequence.
struct Microbatch {
  int sequences;
  const uint16_t* tokens;
  const uint16_t* targets;
  const SoftTargets* soft = nullptr;  // for every row, if the objective has a teacher
};

class Network {
 public:
  // Plans for sequences of `length` tokens, at most `sequences` of them in one microbatch. `params` and
  // `spec` must outlive the object.
  Network(const ModelSpec& spec, const Params& params, int length, int sequences, const Objective& objective = {});

  size_t arena_size() const { return arena_.size(); }  // floats; each worker has one arena

  // Returns the loss summed over the scored positions, and the number of right answers. If `gradient` (a
  // lane, Params::size() floats) is not null, also adds d(loss * loss_scale) to it. The first microbatch of a
  // lane (`fresh`) overwrites its old content.
  CrossEntropyResult Run(const Math& math, const Weights& weights, const Microbatch& batch, float* arena, float* gradient, bool fresh,
                         float loss_scale) const;

  // Writes a teacher's k largest log-probabilities of every scored row to that row of ids and log_probs
  // [rows, k]. k is at most the vocabulary.
  void Teach(const Math& math, const Weights& weights, const Microbatch& batch, int k, float* arena, uint16_t* ids, float* log_probs,
             std::vector<uint32_t>* order) const;

 private:
  // A mixer and the matrix of its output.
  struct Branch {
    std::unique_ptr<LayerMixer> mixer;
    const Param* out;
  };
  // A layer of the file, with one mixer or two parallel ones: branches [first, end). Options for any mixer are applied
  // here, between the mixers and the residual.
  struct Layer {
    size_t first, end;
    const Param* mixer_norm;
    ResidualNorm mixed;
    std::unique_ptr<FfnBlock> ffn;  // null: none
    bool last_use;                  // no later layer has the same weights, so this one is the first to write their gradients
    // Arena offsets for the backward pass: input, normalised input, 1 / rms of its rows, the stream after the
    // mixer.
    size_t x, n, rstd, mid;
  };

  Layer MakeLayer(size_t first);
  void Forward(const Math& math, const Weights& w, const Microbatch& batch, float* arena) const;
  CrossEntropyResult Head(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, float scale) const;
  void PlanHead();
  int Gather(const Microbatch& batch, float* arena) const;
  SoftTargets GatherSoft(const SoftTargets& all, const int32_t* index, int rows, float* arena) const;
  void Backward(const Math& math, const Weights& w, const Microbatch& batch, float* arena, float* gradient, bool fresh) const;
  const ModelSpec& spec_;
  const Params& params_;
  Objective objective_;
  int length_, sequences_, rows_;
  int d_, width_, ld_;            // logical width, padded, row stride of a [rows, d] activation
  std::vector<Branch> branches_;  // numbered like ModelSpec::layers
  std::vector<Layer> layers_;
  const Param *embedding_, *output_, *final_norm_;
  size_t x_last_, dx_, dn_, dn_beside_, ffn_work_, dmixed_, work_;  // arena offsets
  // Arena offsets of the head. All are of the scored rows, packed together. The pooled head's decoder comes
  // before.
  struct {
    size_t x, n, dn, dx, rstd, index, targets, logits, soft_ids, soft_log_probs, scratch;
  } head_{};
  SwigluBlock decoder_;
  struct {
    size_t in, dn, dact;
  } decoder_at_{};
  std::vector<float> position_code_;  // [length, ld]
  int chunk_;                         // rows of logits held at a time
  ArenaPlan arena_;
};

}  // namespace edgefront::train
