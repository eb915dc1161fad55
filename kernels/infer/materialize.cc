// Writes a plan as a whole GGUF: the same header, then every tensor at its offset. All cores generate the
// data from the seed in pieces of a few MiB, which are written in order.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "include/edgefront/thread_pool.h"
#include "infer/session.h"
#include "infer/weights.h"

namespace edgefront {
namespace {

constexpr size_t kPieceBytes = 8u << 20;

// The half-written file. The destructor removes it unless Commit succeeded.
class PartFile {
 public:
  explicit PartFile(std::string path) : path_(std::move(path)) {
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  }
  ~PartFile() {
    if (fd_ >= 0) close(fd_);
    if (!committed_ && opened()) unlink(path_.c_str());
  }
  bool opened() const { return fd_ >= 0 || closed_; }

  Status Write(const uint8_t* p, size_t n) {
    at_ += n;
    while (n > 0) {
      const ssize_t wrote = write(fd_, p, n);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return Error("cannot write");
      p += wrote;
      n -= static_cast<size_t>(wrote);
    }
    return Status::Ok();
  }
  Status PadTo(uint64_t offset) {
    const std::vector<uint8_t> zeros(offset - at_, 0);
    return Write(zeros.data(), zeros.size());
  }
  Status Commit(const std::string& to) {
    if (fsync(fd_) != 0 || close(fd_) != 0) return Error("cannot flush");
    fd_ = -1;
    closed_ = true;
    if (rename(path_.c_str(), to.c_str()) != 0) return Error("cannot rename");
    committed_ = true;
    return Status::Ok();
  }
  Status Error(const char* what) const { return IoError(std::string(what) + " '" + path_ + "': " + std::strerror(errno)); }
  uint64_t at() const { return at_; }

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t at_ = 0;
  bool closed_ = false, committed_ = false;
};

}  // namespace

Result<MaterializeResult> Materialize(std::span<const uint8_t> bytes, const std::string& out) {
  auto gguf = GgufFile::Parse(bytes);
  if (!gguf.ok()) return gguf.status();
  DataSource source;
  if (gguf->has_data()) source.bytes = bytes.data() + gguf->data_offset();
  auto spec = ModelSpec::FromGguf(*gguf, &source);
  if (!spec.ok()) return spec.status();
  if (!gguf->has_data() && !spec->seed) return BadModel("the plan has no edgefront.weights.seed to make data from");
  auto pool = ThreadPool::Create(0, false);
  if (!pool.ok()) return pool.status();

  std::vector<TensorSpec> tensors = FileTensors(*spec);
  const auto offset = [&](const TensorSpec& t) { return gguf->FindTensor(t.name)->offset; };
  std::sort(tensors.begin(), tensors.end(), [&](const TensorSpec& a, const TensorSpec& b) { return offset(a) < offset(b); });

  PartFile file(out + ".part");
  if (!file.opened()) return file.Error("cannot create");
  EDGEFRONT_RETURN_IF_ERROR(file.Write(bytes.data(), gguf->header_bytes()));
  std::vector<uint8_t> piece;
  std::vector<std::vector<float>> floats((*pool)->size());
  for (const TensorSpec& t : tensors) {
    const GgufTensor& info = *gguf->FindTensor(t.name);
    EDGEFRONT_RETURN_IF_ERROR(file.PadTo(gguf->data_offset() + info.offset));
    const size_t row_bytes = RowBytes(info.type, t.ne0), rows_a_piece = std::max<size_t>(1, kPieceBytes / row_bytes);
    for (auto& f : floats) f.resize(t.ne0);
    for (size_t first = 0; first < t.rows(); first += rows_a_piece) {
      const size_t n = std::min<size_t>(rows_a_piece, t.rows() - first);
      piece.resize(n * row_bytes);
      (*pool)->ParallelFor(static_cast<int64_t>(n), [&](int64_t begin, int64_t end, int worker) {
        // ReadRows cannot fail here, because the data comes from memory or a seed.
        (void)ReadRows(*spec, *gguf, t, source, first + begin, end - begin, piece.data() + begin * row_bytes, floats[worker].data());
      });
      EDGEFRONT_RETURN_IF_ERROR(file.Write(piece.data(), piece.size()));
    }
  }
  // Readers expect the data section padded to the alignment.
  EDGEFRONT_RETURN_IF_ERROR(file.PadTo(RoundUp(file.at(), 32)));
  EDGEFRONT_RETURN_IF_ERROR(file.Commit(out));
  return MaterializeResult{file.at()};
}

}  // namespace edgefront
