// Loads a Model: header, then spec, then packed weights.
#include "infer/model_file.h"
#include "infer/model_impl.h"
#include "infer/program.h"

namespace edgefront {

Model::Model() : impl_(new Impl) {}
Model::~Model() = default;

namespace {

Status LoadInto(const GgufFile& gguf, const DataSource& source, int threads, ModelSpec* spec_out, std::vector<DType>* types_out,
                Weights* weights_out) {
  auto spec = ModelSpec::FromGguf(gguf, &source);
  if (!spec.ok()) return spec.status();
  auto types = TensorTypes(*spec, gguf);
  if (!types.ok()) return types.status();
  auto pool = ThreadPool::Create(threads, false);
  if (!pool.ok()) return pool.status();
  auto weights = LoadWeights(*spec, gguf, source, **pool);
  if (!weights.ok()) return weights.status();
  *spec_out = std::move(*spec);
  *types_out = std::move(*types);
  *weights_out = std::move(*weights);
  return Status::Ok();
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::FromBytes(std::span<const uint8_t> bytes, int threads) {
  auto gguf = GgufFile::Parse(bytes);
  if (!gguf.ok()) return gguf.status();
  std::shared_ptr<Model> model(new Model);
  DataSource source;
  if (gguf->has_data()) source.bytes = bytes.data() + gguf->data_offset();
  model->impl_->seeded = !gguf->has_data();
  EDGEFRONT_RETURN_IF_ERROR(LoadInto(*gguf, source, threads, &model->impl_->spec, &model->impl_->types, &model->impl_->weights));
  return std::shared_ptr<const Model>(std::move(model));
}

Result<std::shared_ptr<const Model>> Model::FromFile(const std::string& path, int threads) {
  auto file = ModelFile::Open(path);
  if (!file.ok()) return file.status();
  const GgufFile& gguf = file->gguf();
  std::shared_ptr<Model> model(new Model);
  const DataSource source = SourceOf(*file);
  model->impl_->seeded = !gguf.has_data();
  EDGEFRONT_RETURN_IF_ERROR(LoadInto(gguf, source, threads, &model->impl_->spec, &model->impl_->types, &model->impl_->weights));
  return std::shared_ptr<const Model>(std::move(model));
}

const ModelSpec& Model::spec() const { return impl_->spec; }
bool Model::seeded() const { return impl_->seeded; }
uint64_t Model::weight_bytes() const { return WeightBytes(impl_->spec, impl_->types); }

Result<MemoryPlan> Model::Plan(const SessionOptions& options) const {
  auto program = BuildProgram(impl_->spec, impl_->types, options);
  if (!program.ok()) return program.status();
  return PlanOf(impl_->spec, impl_->types, *program);
}

}  // namespace edgefront
