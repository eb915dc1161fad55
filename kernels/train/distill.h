// Distillation from a teacher's K largest probabilities: the losses and the selection of the K. The
// probabilities come from another network of the trainer, or from a file of dumped ones. The network computes
// the student's logits; this file turns a chunk of them into their gradient.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "include/edgefront/status.h"
#include "train/math.h"

namespace edgefront::train {

// The loss: mix * distillation + (1 - mix) * cross-entropy with the hard target.
struct Objective {
  enum Kind { kCrossEntropy, kTopK, kDecoupledTopK };
  Kind kind = kCrossEntropy;
  int k = 32;
  double temperature = 2.0;  // tau; in kDecoupledTopK it acts inside the set only
  double mix = 0.5;
};

// The teacher's k most probable tokens of each row, and their log-probabilities at temperature 1. ids and
// log_probs: [rows][k].
struct SoftTargets {
  int k;
  const uint16_t* ids;
  const float* log_probs;
};

// Turns logits [rows, vocab padded] into the gradient of scale * loss, like Math::cross_entropy. `targets`
// [rows] are the hard targets. Returns the mixed loss; `right` counts as in cross_entropy. scratch: [vocab
// padded].
//   kTopK (truncate, then temper): tau^2 KL(P_T^tau(.|T) || P_S^tau). This is not 0 where the two agree
//     on T: it also pulls the mass outside T in.
//   kDecoupledTopK (LFM2 Technical Report, arXiv 2511.23404, 3.3):
//     KL(Bern(P_T(T)) || Bern(P_S(T))) + P_T(T) tau^2 KL(P_T^tau(.|T) || P_S^tau(.|T)).
CrossEntropyResult DistillLoss(const Math& math, const Objective& objective, int rows, int vocab, float* logits, ptrdiff_t ld,
                               const uint16_t* targets, const SoftTargets& soft, float scale, float* scratch);

// Selects the k largest of logits [vocab], largest first (ties by id), into ids [k] and log_probs [k].
// `order` is scratch [vocab].
void SelectTopK(int vocab, const float* logits, int k, uint16_t* ids, float* log_probs, std::vector<uint32_t>* order);

}  // namespace edgefront::train
