// The private members of Model, for model.cc and session.cc only.
#ifndef EDGEFRONT_INFER_MODEL_IMPL_H_
#define EDGEFRONT_INFER_MODEL_IMPL_H_

#include <vector>

#include "infer/session.h"
#include "infer/weights.h"

namespace edgefront {

struct Model::Impl {
  ModelSpec spec;
  std::vector<DType> types;
  Weights weights;
  bool seeded = false;
};

}  // namespace edgefront

#endif  // EDGEFRONT_INFER_MODEL_IMPL_H_
