// The train job: passes a request's fields to train/trainer.h, and returns its progress and result.
#include "agent/jobs.h"
#include "agent/json.h"
#include "agent/machine.h"
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
  return fields.status();
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

Status ReadObjective(const Json* object, const Json* teacher, train::TrainRequest* train) {
  Fields fields(object), source(teacher);
  train::Objective& o = train->objective;
  const std::string kind = fields.Text("kind", "cross-entropy");
  if (kind == "top-k") {
    o.kind = train::Objective::kTopK;
  } else if (kind == "decoupled-top-k") {
    o.kind = train::Objective::kDecoupledTopK;
  } else if (kind != "cross-entropy") {
    fields.Fail("objective.kind must be cross-entropy, top-k or decoupled-top-k");
  }
  o.k = static_cast<int>(fields.Integer("k", o.k, 1, 256));
  o.temperature = fields.Real("temperature", o.temperature, 0, 1e3);
  o.mix = fields.Real("mix", o.mix, 0, 1);
  if (!fields.status().ok()) return fields.status();
  train->teacher.model = source.Text("path", "");
  train->teacher.logits = source.Text("logits", "");
  return source.status();
}

Status ReadStop(const Json* stop, const Json* checkpoint, train::TrainRequest* train) {
  Fields fields(stop), kept(checkpoint);
  train::StopRule& r = train->stop;
  r.every = static_cast<int>(fields.Integer("every", r.every, 0, 1 << 30));
  r.accuracy = fields.Real("accuracy", r.accuracy, 0, 2);
  r.patience = static_cast<int>(fields.Integer("patience", r.patience, 0, 1 << 30));
  r.improvement = fields.Real("improvement", r.improvement, 0, 1);
  r.hopeless_step = static_cast<int>(fields.Integer("hopelessStep", r.hopeless_step, 0, 1 << 30));
  r.hopeless_loss = fields.Real("hopelessLoss", r.hopeless_loss, 0, 1e300);
  if (!fields.status().ok()) return fields.status();
  train->checkpoint = kept.Text("path", "");
  train->checkpoint_every = static_cast<int>(kept.Integer("every", train->checkpoint_every, 1, 1 << 30));
  train->pause_at = static_cast<int>(kept.Integer("pauseAt", train->pause_at, 0, 1 << 30));
  return kept.status();
}

void WriteResult(const train::TrainResult& result, JsonWriter* json) {
  json->BeginObject().Key("steps").Integer(result.steps).Key("resumedFrom").Integer(result.resumed_from);
  json->Key("stopped").String(train::StoppedName(result.stopped)).Key("trainLoss").BeginArray();
  for (const train::Report& r : result.reports) json->BeginArray().Integer(r.step).Number(r.loss).EndArray();
  json->EndArray().Key("gradientNorm").BeginArray();
  for (const train::Report& r : result.reports) json->BeginArray().Integer(r.step).Number(r.gradient_norm).EndArray();
  json->EndArray().Key("looks").BeginArray();
  for (const train::Look& l : result.looks) json->BeginArray().Integer(l.step).Number(l.loss).Number(l.accuracy).EndArray();
  json->EndArray().Key("validation").BeginObject().Key("loss").Number(result.validation.loss);
  json->Key("accuracy").Number(result.validation.accuracy).Key("tokens").Unsigned(result.validation.tokens).EndObject();
  json->Key("tokensPerSecond").Number(result.tokens_per_second).Key("seconds").Number(result.seconds);
  json->Key("parameters").Unsigned(result.parameters).Key("isa").String(result.isa);
  json->Key("precision").String(train::PrecisionName(result.precision)).Key("threads").Integer(result.threads);
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
  const std::string precision = fields.Text("precision", "float32");
  if (precision == "bfloat16") {
    train.precision = train::Precision::kBfloat16;
  } else if (precision != "float32") {
    fields.Fail("precision must be float32 or bfloat16");
  }
  const std::string head = fields.Text("head", "tokens");
  if (head != "tokens" && head != "pooled") fields.Fail("head must be tokens or pooled");
  train.pooled = head == "pooled";
  train.base_width = fields.Real("baseWidth", 0, 0, 1 << 20);
  train.out = fields.Text("out", "");
  if (!fields.status().ok()) return fields.status();
  EDGEFRONT_RETURN_IF_ERROR(ReadObjective(fields.Member("objective"), fields.Member("teacher"), &train));
  EDGEFRONT_RETURN_IF_ERROR(ReadStop(fields.Member("stop"), fields.Member("checkpoint"), &train));
  EDGEFRONT_RETURN_IF_ERROR(ReadData(fields.Member("data"), &train.data));
  EDGEFRONT_RETURN_IF_ERROR(ReadOptimizer(fields.Member("optimizer"), &train.optimizer));
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<ModelSpec> spec = ModelSpec::FromGguf(*header);
  if (!spec.ok()) return spec.status();
  train.model = std::move(*spec);
  train.plan.assign(source->bytes.begin(), source->bytes.end());
  train.memory_limit = ReadMemory().available_bytes;

  // The parent cancels a job by ending this process, so there is no cancel flag.
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
