// The losses of distillation and their gradients, one row of logits at a time, in double.
#include "train/distill.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace edgefront::train {
namespace {

constexpr double kLeast = 1e-12;  // probabilities of events stay this far from 0 and 1
constexpr int kMostK = 256;
const uint16_t kFirst = 0;

// Computes q = softmax(x / tau) over n values, in double. Returns the log of the sum of exponentials.
double Softmax(int n, const double* x, double tau, double* q) {
  double top = x[0];
  for (int i = 1; i < n; ++i) top = std::max(top, x[i]);
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += q[i] = std::exp((x[i] - top) / tau);
  for (int i = 0; i < n; ++i) q[i] /= sum;
  return std::log(sum) + top / tau;
}

double Divergence(int n, const double* p, const double* q) {
  double kl = 0;
  for (int i = 0; i < n; ++i) {
    if (p[i] > 0) kl += p[i] * (std::log(p[i]) - std::log(std::max(q[i], 1e-300)));
  }
  return kl;
}

// Computes one row. `student` holds its logits in T. `gradient` holds softmax(logits) - onehot(target) and
// becomes the gradient of the mixed loss.
double Decoupled(const Objective& o, int vocab, const SoftTargets& t, const double* student, uint16_t target, float* gradient) {
  double teacher[kMostK], inside_t[kMostK], inside_s[kMostK], at[kMostK];
  double mass_t = 0, inside = 0, outside = 0;
  gradient[target] += 1.0f;  // makes it P_S
  for (int i = 0; i < t.k; ++i) {
    teacher[i] = t.log_probs[i];
    mass_t += std::exp(teacher[i]);
    inside += at[i] = gradient[t.ids[i]];
    gradient[t.ids[i]] = 0;
  }
  // Summed, because 1 - inside loses precision: a confident student leaves less outside than a float's
  // rounding of 1.
  for (int i = 0; i < vocab; ++i) outside += gradient[i];
  const double a = std::clamp(mass_t, kLeast, 1 - kLeast), rest = std::clamp(outside, kLeast, 1 - kLeast), q = std::max(inside, kLeast);
  Softmax(t.k, teacher, o.temperature, inside_t);
  Softmax(t.k, student, o.temperature, inside_s);
  const double tau = o.temperature;
  const double loss = a * std::log(a / q) + (1 - a) * std::log((1 - a) / rest) + a * tau * tau * Divergence(t.k, inside_t, inside_s);
  // d/dz of the first term: P_S(i) (q - a) / q inside T, -P_S(i) (q - a) / (1 - q) outside.
  //   d/dz of the second term: a tau (inside_s - inside_t).
  const double difference = (1 - a) - rest;  // q - a
  const float hard = static_cast<float>(1 - o.mix);
  const float outer = hard - static_cast<float>(o.mix * difference / rest);
  for (int i = 0; i < vocab; ++i) gradient[i] *= outer;
  for (int i = 0; i < t.k; ++i) {
    const double distilled = at[i] * difference / q + a * tau * (inside_s[i] - inside_t[i]);
    gradient[t.ids[i]] = static_cast<float>((1 - o.mix) * at[i] + o.mix * distilled);
  }
  gradient[target] -= hard;
  return loss;
}

// Like Decoupled. `tempered` holds softmax(logits / tau) over the whole vocabulary, `log_sum` the log of its
// sum of exponentials.
double Truncated(const Objective& o, int vocab, const SoftTargets& t, const double* student, double log_sum, const float* tempered,
                 float* gradient) {
  double teacher[kMostK], inside[kMostK];
  for (int i = 0; i < t.k; ++i) teacher[i] = t.log_probs[i];
  const double tau = o.temperature;
  Softmax(t.k, teacher, tau, inside);
  double loss = 0;
  for (int i = 0; i < t.k; ++i) {
    if (inside[i] > 0) loss += inside[i] * (std::log(inside[i]) - (student[i] / tau - log_sum));
  }
  const float hard = static_cast<float>(1 - o.mix), soft = static_cast<float>(o.mix * tau);
  for (int i = 0; i < vocab; ++i) gradient[i] = hard * gradient[i] + soft * tempered[i];
  for (int i = 0; i < t.k; ++i) gradient[t.ids[i]] -= soft * static_cast<float>(inside[i]);
  return loss * tau * tau;
}

}  // namespace

CrossEntropyResult DistillLoss(const Math& math, const Objective& o, int rows, int vocab, float* logits, ptrdiff_t ld,
                               const uint16_t* targets, const SoftTargets& soft, float scale, float* scratch) {
  CrossEntropyResult result;
  const int width = PadUp(vocab);
  for (int r = 0; r < rows; ++r) {
    float* row = logits + r * ld;
    const SoftTargets t{soft.k, soft.ids + static_cast<ptrdiff_t>(r) * soft.k, soft.log_probs + static_cast<ptrdiff_t>(r) * soft.k};
    double student[kMostK], log_sum = 0;
    for (int i = 0; i < t.k; ++i) student[i] = row[t.ids[i]];
    if (o.kind == Objective::kTopK) {
      const float inverse = static_cast<float>(1 / o.temperature);
      for (int i = 0; i < vocab; ++i) scratch[i] = row[i] * inverse;
      const double first = scratch[0];
      log_sum = math.cross_entropy(1, vocab, scratch, ld, &kFirst, 1.0f).loss + first;
      scratch[0] += 1.0f;  // back to probabilities
    }
    const CrossEntropyResult hard = math.cross_entropy(1, vocab, row, ld, targets + r, 1.0f);
    const double distilled = o.kind == Objective::kTopK ? Truncated(o, vocab, t, student, log_sum, scratch, row)
                                                        : Decoupled(o, vocab, t, student, targets[r], row);
    result.loss += (1 - o.mix) * hard.loss + o.mix * distilled;
    result.right += hard.right;
    for (int i = 0; i < width; ++i) row[i] *= scale;
  }
  return result;
}

void SelectTopK(int vocab, const float* logits, int k, uint16_t* ids, float* log_probs, std::vector<uint32_t>* order) {
  order->resize(static_cast<size_t>(vocab));
  std::iota(order->begin(), order->end(), 0u);
  const auto before = [&](uint32_t x, uint32_t y) { return logits[x] != logits[y] ? logits[x] > logits[y] : x < y; };
  std::partial_sort(order->begin(), order->begin() + k, order->end(), before);
  const double top = logits[(*order)[0]];
  double sum = 0;
  for (int i = 0; i < vocab; ++i) sum += std::exp(logits[i] - top);
  const double log_sum = top + std::log(sum);
  for (int i = 0; i < k; ++i) {
    ids[i] = static_cast<uint16_t>((*order)[i]);
    log_probs[i] = static_cast<float>(logits[(*order)[i]] - log_sum);
  }
}

}  // namespace edgefront::train
