// The put job: a data file arrives in pieces through the serve channel, for devices whose SSH key may only
// run the agent. Pieces are appended to NAME.HASH.part, so an interrupted transfer can continue. The file
// gets its name when its hash is right.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agent/base64_codec.h"
#include "agent/confine.h"
#include "agent/jobs.h"
#include "agent/sha256.h"

namespace edgefront {
namespace {

constexpr char kFolder[] = ".edgefront";

std::string Reason(const char* what) { return std::string(what) + ": " + strerror(errno); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

// Opens the folder of `name` below ~/.edgefront and creates missing folders. Follows no links. The working
// directory of a login is its home.
Status OpenFolder(const std::string& name, Descriptor* folder) {
  folder->Reset(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string path = std::string(kFolder) + "/" + name;
  for (size_t at = 0, end; (end = path.find('/', at)) != std::string::npos; at = end + 1) {
    const std::string part = path.substr(at, end - at);
    if (mkdirat(folder->get(), part.c_str(), 0700) != 0 && errno != EEXIST) return IoError(Reason("cannot make a folder"));
    const int next = openat(folder->get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) return IoError(Reason("cannot open a folder"));
    folder->Reset(next);
  }
  return Status::Ok();
}

// Returns the SHA-256 of an open file, from its start.
Result<std::string> HashOf(int fd) {
  Sha256 hash;
  std::vector<uint8_t> buffer(1 << 18);
  for (off_t at = 0;;) {
    const ssize_t n = pread(fd, buffer.data(), buffer.size(), at);
    if (n < 0) return IoError(Reason("cannot read back"));
    if (n == 0) return hash.Finish();
    hash.Update(buffer.data(), static_cast<size_t>(n));
    at += n;
  }
}

// Returns the size of a regular file, or -1.
int64_t SizeOf(int fd) {
  struct stat info;
  return fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? static_cast<int64_t>(info.st_size) : -1;
}

bool IsSha256(const std::string& text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos; }

Status Append(int fd, int64_t at, const std::vector<uint8_t>& data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t n = pwrite(fd, data.data() + done, data.size() - done, at + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return IoError(Reason("cannot write"));
    done += static_cast<size_t>(n);
  }
  return Status::Ok();
}

}  // namespace

Status RunPut(const Json& request, Reporter* reporter) {
  Fields fields(&request);
  const std::string name = fields.Text("name", ""), sha256 = fields.Text("sha256", ""), encoded = fields.Text("data", "");
  const int64_t bytes = fields.Integer("bytes", 0, 0, int64_t{1} << 48);
  const int64_t offset = fields.Integer("offset", 0, 0, int64_t{1} << 48);
  if (!IsDataName(name)) fields.Fail("name must be models/... or files/..., in lower case");
  if (!IsSha256(sha256)) fields.Fail("sha256 must be 64 hex digits");
  std::vector<uint8_t> data;
  if (!DecodeBase64(encoded, &data)) fields.Fail("data is not base64");
  if (offset + static_cast<int64_t>(data.size()) > bytes) fields.Fail("data goes past the end of the file");
  if (!fields.status().ok()) return fields.status();

  Descriptor folder(-1);
  EDGEFRONT_RETURN_IF_ERROR(OpenFolder(name, &folder));
  const std::string file = name.substr(name.rfind('/') + 1), part = file + "." + sha256.substr(0, 16) + ".part";
  auto answer = [&](int64_t have, bool complete) {
    JsonWriter json;
    json.BeginObject().Key("bytes").Integer(have).Key("complete").Bool(complete).EndObject();
    reporter->Result(json);
    return Status::Ok();
  };
  const Descriptor there(openat(folder.get(), file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (SizeOf(there.get()) == bytes) {
    const Result<std::string> hash = HashOf(there.get());
    if (hash.ok() && *hash == sha256) return answer(bytes, true);
  }
  const Descriptor out(openat(folder.get(), part.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  const int64_t have = SizeOf(out.get());
  if (have < 0) return IoError(Reason("cannot open the file"));
  // A piece that does not start at the end of the file is not written. The answer says where to continue.
  if (data.empty() ? bytes > 0 : offset != have) return answer(have, false);
  if (const Status status = Append(out.get(), offset, data); !status.ok()) {
    unlinkat(folder.get(), part.c_str(), 0);
    return status;
  }
  const int64_t now = offset + static_cast<int64_t>(data.size());
  if (now < bytes) return answer(now, false);
  const Result<std::string> hash = HashOf(out.get());
  if (!hash.ok()) return hash.status();
  if (*hash != sha256) {
    unlinkat(folder.get(), part.c_str(), 0);
    return IoError("the file arrived changed");
  }
  if (fsync(out.get()) != 0 || renameat(folder.get(), part.c_str(), folder.get(), file.c_str()) != 0) {
    return IoError(Reason("cannot keep the file"));
  }
  return answer(now, true);
}

}  // namespace edgefront
