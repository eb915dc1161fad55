// Forks, feeds and reaps a job's child process. The kernel kills the child when this process dies
// (PDEATHSIG); this file kills it on cancel, timeout or too much output. A SIGKILL from elsewhere counts as
// an out-of-memory kill if there is evidence for it.
#include "agent/job_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/json.h"
#include "agent/machine.h"

namespace edgefront {
namespace {

constexpr size_t kStderrTail = 2048;
constexpr double kLowMemory = 0.05;

void CloseFd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// Returns the name of a signal. Called in the parent only, so it need not be async-signal-safe.
std::string SignalName(int number) {
  switch (number) {
    case SIGHUP: return "SIGHUP";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGKILL: return "SIGKILL";
    case SIGSEGV: return "SIGSEGV";
    case SIGPIPE: return "SIGPIPE";
    case SIGALRM: return "SIGALRM";
    case SIGTERM: return "SIGTERM";
    case SIGXCPU: return "SIGXCPU";
    case SIGXFSZ: return "SIGXFSZ";
    case SIGSYS: return "SIGSYS";
    default: return "SIG" + std::to_string(number);
  }
}

std::string LastLine(const std::string& text) {
  size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return "";
  const size_t start = text.rfind('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1, end - (start == std::string::npos ? 0 : start + 1) + 1);
}

}  // namespace

std::string ErrorLine(const std::string& id, const JobFailure& failure) {
  JsonWriter json;
  json.BeginObject().Key("v").Integer(1).Key("id");
  if (id.empty()) {
    json.Null();
  } else {
    json.String(id);
  }
  json.Key("type").String("error").Key("error").BeginObject();
  json.Key("code").String(failure.code).Key("message").String(failure.message.substr(0, 1000));
  if (!failure.signal.empty()) json.Key("signal").String(failure.signal);
  json.EndObject().EndObject();
  return json.Take();
}

JobProcess::~JobProcess() {
  if (pid_ > 0 && !reaped_) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
  }
  CloseFd(&stdin_fd_);
  CloseFd(&stdout_fd_);
  CloseFd(&stderr_fd_);
}

bool JobProcess::Start() {
  int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
  for (auto& p : pipes) {
    if (pipe2(p, O_CLOEXEC) == 0) continue;
    const int saved = errno;
    for (auto& q : pipes) {
      CloseFd(&q[0]);
      CloseFd(&q[1]);
    }
    errno = saved;
    return false;
  }
  // The kernel cannot execute this file under a user-mode emulator, so the launcher names the emulator, from
  // a fixed list.
  char self[4096] = "/proc/self/exe";
  const char* emulator = Emulator();
  if (emulator != nullptr) {
    const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) self[n] = '\0';
  }
  const char* plain[] = {"edgefront-agent", "child", nullptr};
  const char* emulated[] = {emulator, self, "child", nullptr};
  oom_kills_before_ = CountOomKills();

  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    // Only async-signal-safe calls from here to exec.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGPIPE, SIG_DFL);
    dup2(pipes[0][0], 0);
    dup2(pipes[1][1], 1);
    dup2(pipes[2][1], 2);
    if (emulator != nullptr) {
      execvp(emulator, const_cast<char* const*>(emulated));
    } else {
      execv(self, const_cast<char* const*>(plain));
    }
    _exit(127);
  }
  const int saved = errno;
  CloseFd(&pipes[0][0]);
  CloseFd(&pipes[1][1]);
  CloseFd(&pipes[2][1]);
  stdin_fd_ = pipes[0][1];
  stdout_fd_ = pipes[1][0];
  stderr_fd_ = pipes[2][0];
  if (pid_ < 0) {
    errno = saved;
    return false;
  }
  for (int fd : {stdin_fd_, stdout_fd_, stderr_fd_}) fcntl(fd, F_SETFL, O_NONBLOCK);
  return true;
}

void JobProcess::OnStdinWritable() {
  const ssize_t n = write(stdin_fd_, request_.data() + written_, request_.size() - written_);
  if (n > 0) written_ += static_cast<size_t>(n);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0 || written_ == request_.size()) {
    CloseFd(&stdin_fd_);
    request_ = std::string();
  }
}

void JobProcess::OnStdoutReadable(std::vector<std::string>* lines) {
  char buffer[65536];
  const ssize_t n = read(stdout_fd_, buffer, sizeof(buffer));
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    CloseFd(&stdout_fd_);
    return;
  }
  total_ += static_cast<size_t>(n);
  size_t start = pending_.size();
  pending_.append(buffer, static_cast<size_t>(n));
  size_t taken = 0;
  for (size_t newline; (newline = pending_.find('\n', start)) != std::string::npos;) {
    TakeLine(pending_.substr(taken, newline - taken), lines);
    taken = start = newline + 1;
  }
  pending_.erase(0, taken);
  if (pending_.size() > kMaxLineBytes || total_ > kMaxTotalBytes) {
    Kill("internal", "the job wrote more than the protocol allows");
    pending_.clear();
  }
}

void JobProcess::TakeLine(std::string line, std::vector<std::string>* lines) {
  // The child runs our own code but may be crashing, so only whole lines of this job pass.
  const std::string prefix = "{\"v\":1,\"id\":\"" + id_ + "\",\"type\":\"";
  if (line.size() > kMaxLineBytes || line.compare(0, prefix.size(), prefix) != 0 || line.back() != '}') return;
  if (line.compare(prefix.size(), 9, "progress\"") == 0) {
    lines->push_back(std::move(line));
  } else if (answer_.empty()) {
    answer_ = std::move(line);
  }
}

void JobProcess::OnStderrReadable() {
  char buffer[4096];
  const ssize_t n = read(stderr_fd_, buffer, sizeof(buffer));
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    CloseFd(&stderr_fd_);
    return;
  }
  stderr_tail_.append(buffer, static_cast<size_t>(n));
  if (stderr_tail_.size() > kStderrTail) stderr_tail_.erase(0, stderr_tail_.size() - kStderrTail);
}

void JobProcess::Kill(std::string code, std::string message) {
  if (reaped_ || !killed_code_.empty()) return;
  killed_code_ = std::move(code);
  killed_message_ = std::move(message);
  kill(pid_, SIGKILL);
}

bool JobProcess::Reap() {
  if (!reaped_ && waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  if (!reaped_) return false;
  // Output of the dead child may still be in the pipe.
  return stdout_fd_ < 0;
}

void JobProcess::SampleMemory() {
  const Memory memory = ReadMemory();
  if (memory.total_bytes == 0) return;
  const double available = static_cast<double>(memory.available_bytes) / static_cast<double>(memory.total_bytes);
  if (available < lowest_available_) lowest_available_ = available;
}

bool JobProcess::LooksOutOfMemory() const { return CountOomKills() > oom_kills_before_ || lowest_available_ < kLowMemory; }

JobFailure JobProcess::Explain() const {
  if (!killed_code_.empty()) return {killed_code_, killed_message_, ""};
  if (WIFSIGNALED(status_)) {
    const int number = WTERMSIG(status_);
    if (number == SIGKILL && LooksOutOfMemory()) {
      return {"out-of-memory", "the system killed the job for want of memory", ""};
    }
    const std::string name = SignalName(number);
    const std::string tail = LastLine(stderr_tail_);
    return {"crashed", "the job was ended by " + name + (tail.empty() ? "" : ": " + tail), name};
  }
  const int code = WEXITSTATUS(status_);
  if (code == 127) return {"internal", "the job's process could not be started", ""};
  const std::string tail = LastLine(stderr_tail_);
  return {"internal", "the job ended with status " + std::to_string(code) + " and no answer" + (tail.empty() ? "" : ": " + tail), ""};
}

std::string JobProcess::Answer() const {
  // A job killed while it wrote its answer counts as killed, because the coordinator asked for that.
  if (!answer_.empty() && killed_code_.empty()) return answer_;
  return ErrorLine(id_, Explain());
}

}  // namespace edgefront
