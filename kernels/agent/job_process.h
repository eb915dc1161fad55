// The child process of one job: starts it, writes its request, reads its lines under size limits, and
// explains its end. The serve loop owns the poll; this class owns the descriptors.
#ifndef EDGEFRONT_AGENT_JOB_PROCESS_H_
#define EDGEFRONT_AGENT_JOB_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace edgefront {

// Why a job failed, in the terms of the protocol.
struct JobFailure {
  std::string code;
  std::string message;
  std::string signal;  // "SIGSEGV", or empty
};

// A job's child process and its three pipes. The destructor kills the child.
class JobProcess {
 public:
  static constexpr size_t kMaxLineBytes = size_t{16} << 20;
  static constexpr size_t kMaxTotalBytes = size_t{256} << 20;

  JobProcess(std::string id, std::string request) : id_(std::move(id)), request_(std::move(request)) {}
  ~JobProcess();
  JobProcess(const JobProcess&) = delete;
  JobProcess& operator=(const JobProcess&) = delete;

  // Forks and executes this binary again. Returns false, with errno set, if the system refuses.
  bool Start();

  const std::string& id() const { return id_; }
  int stdin_fd() const { return stdin_fd_; }    // -1 once the request is written
  int stdout_fd() const { return stdout_fd_; }  // -1 once the output ended
  int stderr_fd() const { return stderr_fd_; }

  // Called after poll reports the descriptor. OnStdoutReadable appends complete progress lines to `lines`.
  void OnStdinWritable();
  void OnStdoutReadable(std::vector<std::string>* lines);
  void OnStderrReadable();

  // Ends the child early. `code` ("cancelled" | "timeout" | "internal") becomes the code of its failure.
  void Kill(std::string code, std::string message);
  // Returns true once the child has ended and its stdout is drained. Answer() is valid from then on.
  bool Reap();
  // Returns the final answer line: the child's own result or error, or the reason why there is none.
  std::string Answer() const;

  // Samples free memory. The samples show later whether a SIGKILL was an out-of-memory kill.
  void SampleMemory();

 private:
  void TakeLine(std::string line, std::vector<std::string>* lines);
  JobFailure Explain() const;
  bool LooksOutOfMemory() const;

  std::string id_, request_;
  size_t written_ = 0;
  pid_t pid_ = -1;
  int stdin_fd_ = -1, stdout_fd_ = -1, stderr_fd_ = -1;
  int status_ = 0;
  bool reaped_ = false;
  std::string pending_, answer_, stderr_tail_;
  size_t total_ = 0;
  std::string killed_code_, killed_message_;
  int64_t oom_kills_before_ = 0;
  double lowest_available_ = 1.0;  // fraction of memory
};

// Returns one answer line of type error.
std::string ErrorLine(const std::string& id, const JobFailure& failure);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_JOB_PROCESS_H_
