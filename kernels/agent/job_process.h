// One job's child process: started, fed its request, read line by line under caps, and explained when it is gone.
// The serve loop owns the poll; this class owns the descriptors and the reasons.
#ifndef EDGEFRONT_AGENT_JOB_PROCESS_H_
#define EDGEFRONT_AGENT_JOB_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace edgefront {

// Why a job ended, as the protocol says it.
struct JobFailure {
  std::string code;
  std::string message;
  std::string signal;  // "SIGSEGV", or empty
};

class JobProcess {
 public:
  static constexpr size_t kMaxLineBytes = size_t{16} << 20;
  static constexpr size_t kMaxTotalBytes = size_t{256} << 20;

  JobProcess(std::string id, std::string request) : id_(std::move(id)), request_(std::move(request)) {}
  ~JobProcess();
  JobProcess(const JobProcess&) = delete;
  JobProcess& operator=(const JobProcess&) = delete;

  // Forks and executes this binary again. False, with errno kept, if the machine refuses.
  bool Start();

  const std::string& id() const { return id_; }
  int stdin_fd() const { return stdin_fd_; }    // -1 once the request is written
  int stdout_fd() const { return stdout_fd_; }  // -1 once it ended
  int stderr_fd() const { return stderr_fd_; }

  // Called when poll says so. OnReadable appends complete progress lines to `lines`.
  void OnStdinWritable();
  void OnStdoutReadable(std::vector<std::string>* lines);
  void OnStderrReadable();

  // Ends the child early; `code` ("cancelled" | "timeout" | "internal") becomes its failure.
  void Kill(std::string code, std::string message);
  // True once the child is gone and both pipes are drained; then Answer() is its last line or failure.
  bool Reap();
  // The final answer line: the child's own result or error, or the reason it is missing.
  std::string Answer() const;

  // Looks at free memory, so that a later SIGKILL can be told from an out-of-memory kill.
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

// One answer line of type error.
std::string ErrorLine(const std::string& id, const JobFailure& failure);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_JOB_PROCESS_H_
