// Opens the files of a request, reads the batch of each step, and evaluates the validation rows.
#include "train/feed.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "train/session.h"

namespace edgefront::train {
namespace {

Status ReadRow(const Dataset& data, uint64_t index, int slot, int length, const std::string& path, Rows* rows) {
  const size_t at = static_cast<size_t>(slot) * length;
  const int scored = data.Read(index, rows->tokens.data() + at, rows->targets.data() + at);
  if (scored == Dataset::kUnreadable) return IoError("data file " + path + ": cut off while in use, or unreadable");
  if (scored < 0) return IoError("data file " + path + ": damaged: a token is outside the vocabulary, at row " + std::to_string(index));
  rows->scored += static_cast<uint64_t>(scored);
  return Status::Ok();
}

}  // namespace

Result<TrainFiles> TrainFiles::Open(const TrainRequest& request) {
  const bool examples = request.data.kind == DataKind::kExamples;
  const int length = request.data.length;
  Result<Dataset> train = Dataset::Open(request.data.train, examples, length, request.model.vocab);
  if (!train.ok()) return train.status();
  TrainFiles files{std::move(*train), nullptr, nullptr, nullptr};
  if (!request.data.validation.empty() && request.eval_batches > 0) {
    Result<Dataset> opened = Dataset::Open(request.data.validation, examples, length, request.model.vocab);
    if (!opened.ok()) return opened.status();
    files.validation = std::make_unique<Dataset>(std::move(*opened));
  }
  if (!request.teacher.model.empty()) {
    Result<ModelFile> opened = ModelFile::Open(request.teacher.model);
    if (!opened.ok()) return Status(opened.status().code(), "teacher: " + opened.status().message());
    files.teacher = std::make_unique<ModelFile>(std::move(*opened));
  } else if (!request.teacher.logits.empty()) {
    const uint64_t positions = examples ? files.train.choices() * length : files.train.choices() + length;
    Result<SoftFile> opened = SoftFile::Open(request.teacher.logits, request.objective.k, positions, request.model.vocab);
    if (!opened.ok()) return opened.status();
    files.soft = std::make_unique<SoftFile>(std::move(*opened));
  }
  return files;
}

Feed::Feed(const TrainRequest& r, const TrainFiles& f) : request(r), files(f), order(r.seed, f.train, r.data.kind == DataKind::kExamples) {
  rows.tokens.resize(static_cast<size_t>(r.batch) * r.data.length);
  rows.targets.resize(rows.tokens.size());
  if (!files.soft) return;
  ids.resize(rows.tokens.size() * r.objective.k);
  log_probs.resize(ids.size());
  soft = {r.objective.k, ids.data(), log_probs.data()};
}

Status Feed::Next(int64_t step) {
  const int length = request.data.length, batch = request.batch;
  rows.scored = 0;
  for (int i = 0; i < batch; ++i) {
    const uint64_t index = order.At(static_cast<uint64_t>(step - 1) * batch + i);
    EDGEFRONT_RETURN_IF_ERROR(ReadRow(files.train, index, i, length, request.data.train, &rows));
    if (!files.soft) continue;
    const uint64_t first = request.data.kind == DataKind::kExamples ? index * length : index;
    const ptrdiff_t at = static_cast<ptrdiff_t>(i) * length * request.objective.k;
    if (!files.soft->Read(first, length, ids.data() + at, log_probs.data() + at)) {
      return IoError("teacher's logits " + request.teacher.logits + ": cut off, or of another vocabulary");
    }
  }
  if (rows.scored == 0) return BadRequest("data file " + request.data.train + ": a batch without a scored position");
  return Status::Ok();
}

Result<Validation> Validate(const TrainRequest& request, const Dataset& data, Session& session, Rows* rows) {
  const std::vector<uint64_t> picked = data.Spread(static_cast<uint64_t>(request.eval_batches) * request.batch);
  double loss = 0;
  uint64_t right = 0, scored = 0;
  for (size_t first = 0; first < picked.size(); first += request.batch) {
    const int n = static_cast<int>(std::min<size_t>(request.batch, picked.size() - first));
    rows->scored = 0;
    for (int i = 0; i < n; ++i) {
      EDGEFRONT_RETURN_IF_ERROR(ReadRow(data, picked[first + i], i, request.data.length, request.data.validation, rows));
    }
    const CrossEntropyResult r = session.Evaluate(rows->tokens.data(), rows->targets.data(), n);
    loss += r.loss;
    right += static_cast<uint64_t>(r.right);
    scored += rows->scored;
  }
  if (scored == 0) return BadRequest("data file " + request.data.validation + ": no scored position");
  if (!std::isfinite(loss)) return Status(Code::kDiverged, "validation loss is not finite");
  const double n = static_cast<double>(scored);
  return Validation{loss / n, static_cast<double>(right) / n, scored};
}

}  // namespace edgefront::train
