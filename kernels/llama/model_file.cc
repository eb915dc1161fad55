// Writes the file of a plan, opens it and removes its name.
#include "llama/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/edgefront/host.h"

namespace edgefront::llama {
namespace {

constexpr char kPrefix[] = "llama-";

// Calls `write` in a process of its own. Its error comes back as one line.
template <class Write>
Status InOwnProcess(const Write& write_file) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return IoError(std::string("no pipe: ") + strerror(errno));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const Status status = write_file();
    const std::string& text = status.message();
    const bool told = status.ok() || write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(status.ok() && told ? 0 : 1);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return IoError(std::string("no process to write the model's file: ") + strerror(errno));
  }
  std::string message(4096, '\0');
  const ssize_t n = read(ends[0], message.data(), message.size());
  close(ends[0]);
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return Status::Ok();
  message.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return IoError(message.empty() ? "the process that writes the model's file was ended" : message);
}

// Removes the files of jobs that were killed while they wrote: nobody writes to one for an hour.
void RemoveLeftovers(const std::string& folder) {
  constexpr time_t kOldSeconds = 3600;
  for (const std::string& name : ListSystemFolder(folder)) {
    struct stat info;
    const std::string path = folder + "/" + name;
    if (name.starts_with(kPrefix) && stat(path.c_str(), &info) == 0 && info.st_mtime + kOldSeconds < time(nullptr)) unlink(path.c_str());
  }
}

}  // namespace

Result<ModelFile> ModelFile::Make(const ModelSource& source, const Json& request) {
  if (!source.path.empty()) return ModelFile(source.path);
  Fields fields(&request);
  const std::string scratch = fields.Text("scratch", ".edgefront");
  if (!fields.status().ok()) return fields.status();
  mkdir(scratch.c_str(), 0700);
  RemoveLeftovers(scratch);
  const std::string name = scratch + "/" + kPrefix + std::to_string(getpid()) + ".gguf";
  EDGEFRONT_RETURN_IF_ERROR(InOwnProcess([&] { return Materialize(source.bytes, name).status(); }));
  const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
  unlink(name.c_str());
  if (fd < 0) return IoError(std::string("cannot open the model's file: ") + strerror(errno));
  return ModelFile("/proc/self/fd/" + std::to_string(fd));
}

}  // namespace edgefront::llama
