// The train job: a request's fields into train/trainer.h, its progress and result back.
#include "agent/confine.h"
#include "agent/jobs.h"
#include "agent/json.h"
#include "train/trainer.h"

namespace edgefront {
namespace {

Status ReadData(const Json* object, train::TrainData* data) {
  Fields fields(object);
  const std::string kind = fields.Text("kind", "");
  if (kind != "examples" && kind != "stream") fields.Fail("data.kind must be examples or stream");
  data->kind = kind == "stream" ? train::DataKind::kStream : train::DataKind::kExamples;
  data->train = fields.Text("train", "");
  data->validation = fields.Text("validation", "");
  data->length = static_cast<int>(fields.Integer("length", 0, 1, 1 << 16));
  if (data->train.empty()) fields.Fail("data.train must be a file name");
  if (!fields.status().ok()) return fields.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckPath(data->train));
  return data->validation.empty() ? Status::Ok() : CheckPath(data->validation);
}

Status ReadOptimizer(const Json* object, train::Optimizer* optimizer) {
  Fields fields(object);
  optimizer->learning_rate = fields.Real("learningRate", optimizer->learning_rate, 0, 10);
  optimizer->min_learning_rate = fields.Real("minLearningRate", optimizer->min_learning_rate, 0, 10);
  optimizer->warmup_steps = static_cast<int>(fields.Integer("warmupSteps", optimizer->warmup_steps, 0, 1 << 30));
  optimizer->beta1 = fields.Real("beta1", optimizer->beta1, 0, 1);
  optimizer->beta2 = fields.Real("beta2", optimizer->beta2, 0, 1);
  optimizer->epsilon = fields.Real("epsilon", optimizer->epsilon, 0, 1);
  optimizer->weight_decay = fields.Real("weightDecay", optimizer->weight_decay, 0, 10);
  optimizer->clip = fields.Real("clip", optimizer->clip, 0, 1e9);
  return fields.status();
}

void WriteResult(const train::TrainResult& result, JsonWriter* json) {
  json->BeginObject().Key("steps").Integer(result.steps).Key("trainLoss").BeginArray();
  for (const auto& [step, loss] : result.train_loss) json->BeginArray().Integer(step).Number(loss).EndArray();
  json->EndArray().Key("validation").BeginObject().Key("loss").Number(result.validation.loss);
  json->Key("accuracy").Number(result.validation.accuracy).Key("tokens").Unsigned(result.validation.tokens).EndObject();
  json->Key("tokensPerSecond").Number(result.tokens_per_second).Key("seconds").Number(result.seconds);
  json->Key("parameters").Unsigned(result.parameters).Key("isa").String(result.isa).Key("threads").Integer(result.threads);
  json->Key("weightsHash").String(result.weights_hash).EndObject();
}

}  // namespace

Status RunTrain(const Json& request, Reporter* reporter) {
  train::TrainRequest train;
  Fields fields(&request);
  train.seed = static_cast<uint64_t>(fields.Integer("seed", 1, 0, int64_t{1} << 53));
  train.steps = static_cast<int>(fields.Integer("steps", 300, 0, 1 << 30));
  train.batch = static_cast<int>(fields.Integer("batch", 32, 1, 1 << 16));
  train.eval_batches = static_cast<int>(fields.Integer("evalBatches", 8, 0, 1 << 20));
  train.report_every = static_cast<int>(fields.Integer("reportEvery", 20, 1, 1 << 30));
  train.threads = static_cast<int>(fields.Integer("threads", 0, 0, 1024));
  train.isa = fields.Text("isa", "auto");
  if (!fields.status().ok()) return fields.status();
  EDGEFRONT_RETURN_IF_ERROR(ReadData(fields.Member("data"), &train.data));
  EDGEFRONT_RETURN_IF_ERROR(ReadOptimizer(fields.Member("optimizer"), &train.optimizer));
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<ModelSpec> spec = ModelSpec::FromGguf(*header);
  if (!spec.ok()) return spec.status();
  train.model = std::move(*spec);

  // Cancelling is the parent's business: it ends this process.
  Result<train::TrainResult> result = train::Train(
      train,
      [&](const train::TrainProgress& progress) {
        JsonWriter json;
        json.BeginObject().Key("step").Integer(progress.step).Key("steps").Integer(progress.steps);
        json.Key("loss").Number(progress.loss).Key("tokensPerSecond").Number(progress.tokens_per_second).EndObject();
        reporter->Progress(json);
      },
      nullptr);
  if (!result.ok()) return result.status();
  JsonWriter json;
  WriteResult(*result, &json);
  reporter->Result(json);
  return Status::Ok();
}

}  // namespace edgefront
