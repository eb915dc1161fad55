// Model specs and token batches, shared by the trainer's tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "infer/model_spec.h"
#include "tests/ffns.h"
#include "tests/layers.h"
#include "train/network.h"
#include "train/trainer.h"

namespace edgefront::testing {

inline ModelSpec ProxySpec(int d, int vocab, std::vector<LayerSpec> layers) {
  ModelSpec s;
  s.architecture = "edgefront";
  s.dim = static_cast<uint32_t>(d);
  s.vocab = static_cast<uint32_t>(vocab);
  s.context_length = 4096;
  s.eps = 1e-5f;
  s.layers = std::move(layers);
  return s;
}

struct TokenBatch {
  std::vector<uint16_t> tokens, targets;
  uint64_t scored = 0;
};

// Returns a batch as in test/golden/make_train_golden.py. The target is a function of this token and the
// token two before. Every fifth position is not scored.
inline TokenBatch CountedBatch(int step, int batch, int length, int vocab) {
  TokenBatch b;
  b.tokens.resize(static_cast<size_t>(batch) * length);
  b.targets.resize(b.tokens.size());
  for (size_t i = 0; i < b.tokens.size(); ++i) {
    const size_t t = i % length;
    b.tokens[i] = static_cast<uint16_t>(SplitMix64(1 + static_cast<uint64_t>(step) * b.tokens.size() + i) % vocab);
    const int back = t >= 2 ? b.tokens[i - 2] : 0;
    b.targets[i] = static_cast<uint16_t>((b.tokens[i] + 3 * back) % vocab);
    if (t % 5 == 0) {
      b.targets[i] = train::kNotScored;
    } else {
      ++b.scored;
    }
  }
  return b;
}

// Returns a periodic stream, in which each token determines the next one.
inline std::vector<uint16_t> Periodic(int count, int period) {
  std::vector<uint16_t> t(count);
  for (int i = 0; i < count; ++i) t[i] = static_cast<uint16_t>(i * 7 % period);
  return t;
}

// Returns a request for sixty short steps of a small hybrid on the stream in the file.
inline train::TrainRequest StreamRequest(const std::string& path) {
  train::TrainRequest r;
  r.model = ProxySpec(32, 16, {ConvLayer(3, 32), AttentionLayer(2, 1, 16, 32, 0, true)});
  r.data = {train::DataKind::kStream, path, path, 24};
  r.steps = 60;
  r.batch = 4;
  r.threads = 1;
  r.optimizer.learning_rate = 1e-2;
  return r;
}

}  // namespace edgefront::testing
