// The measure job of this package's engine: loads the model, and times it by measuring.h.
#include "agent/machine.h"
#include "agent/measuring.h"

namespace edgefront {
namespace {

class NativeEngine : public TimedEngine {
 public:
  explicit NativeEngine(Session* session) : session_(session) {}
  void Reset() override { session_->Reset(); }
  Status Prefill(std::span<const uint32_t> tokens, uint32_t seq) override { return session_->Prefill(tokens, seq); }
  Status DecodeBatch(std::span<const uint32_t> tokens) override { return session_->DecodeBatch(tokens); }
  uint32_t ArgMax(uint32_t seq) override { return session_->ArgMax(seq); }
  void StartProfile() override { session_->StartProfile(); }
  std::vector<Profile> TakeProfile() override { return {session_->profile(false), session_->profile(true)}; }

 private:
  Session* session_;
};

}  // namespace

Status RunMeasure(const Json& request, Reporter* reporter) {
  Result<MeasureOptions> measure = ReadMeasureOptions(request);
  if (!measure.ok()) return measure.status();
  Result<SessionOptions> options = ReadSessionOptions(request);
  if (!options.ok()) return options.status();
  options->max_context = static_cast<uint32_t>(measure->longest() + measure->decode_tokens);
  Result<ModelSource> source = ModelSource::From(request);
  if (!source.ok()) return source.status();
  Result<GgufFile> header = source->Header();
  if (!header.ok()) return header.status();
  Result<MemoryPlan> plan = PlanMemory(*header, *options);
  if (!plan.ok()) return plan.status();
  EDGEFRONT_RETURN_IF_ERROR(CheckFits(*plan));
  // The beginning of the file was read for its header. It is freed because it is not part of the memory that
  // running the model needs.
  if (!source->path.empty()) {
    *header = GgufFile();
    source->bytes = std::vector<uint8_t>();
  }

  DisturbanceMeter meter;  // created before threads are bound
  ReportLoading(reporter);
  MeasuredModel about;
  about.load_start = NowMs();
  Result<std::shared_ptr<const Model>> model = source->Load(options->threads);
  if (!model.ok()) return model.status();
  Result<std::unique_ptr<Session>> created = Session::Create(*model, *options);
  if (!created.ok()) return created.status();
  Session* session = created->get();
  about.load_ms = NowMs() - about.load_start;
  const ModelSpec& spec = (*model)->spec();

  NativeEngine engine(session);
  Result<Measured> measured = MeasureContexts(&engine, *measure, options->batch, spec.vocab, reporter, &meter);
  if (!measured.ok()) return measured.status();
  about.memory = ReadProcessMemory();
  Result<std::string> model_hash = source->Sha256();
  if (!model_hash.ok()) return model_hash.status();
  about.isa = IsaName(session->isa());
  about.threads = session->threads();
  about.batch = options->batch;
  about.affinity = session->Affinity();
  about.architecture = spec.architecture;
  about.parameters = spec.Parameters();
  about.seeded = (*model)->seeded();
  about.sha256 = *model_hash;
  about.plan = session->plan();
  ReportMeasured(about, *measured, meter, reporter);
  return Status::Ok();
}

}  // namespace edgefront
