// The serve loop: one poll over stdin, stdout and the child's three pipes. It never blocks on a slow reader
// and never trusts a line. A line that is too long, is not JSON or is not a request gets an error answer.
#include "agent/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/confine.h"
#include "agent/device_lock.h"
#include "agent/job_process.h"
#include "agent/jobs.h"
#include "agent/json.h"
#include "agent/machine.h"
#include "agent/sha256.h"

namespace edgefront {

bool IsJobId(const char* text, unsigned long size) {
  if (size < 1 || size > 32) return false;
  return std::all_of(text, text + size, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

namespace {

constexpr size_t kMaxRequestBytes = size_t{64} << 20;
constexpr size_t kMaxPendingOutput = size_t{32} << 20;
constexpr double kHeartbeatMs = 5000;
constexpr double kMemorySampleMs = 1000;
constexpr double kReapPollMs = 2;

class Server {
 public:
  int Run() {
    signal(SIGPIPE, SIG_IGN);
    // A terminal stays blocking, because the shell that started this process shares its description.
    if (!isatty(1)) fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
    if (!isatty(0)) fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    start_ms_ = NowMs();
    next_heartbeat_ = start_ms_ + kHeartbeatMs;
    SayHello();
    while (!input_ended_ && !output_broken_) Step();
    job_.reset();  // kills the child
    device_.Release();
    return output_broken_ ? 1 : 0;
  }

 private:
  void Step() {
    pollfd fds[6];
    int n = 0;
    auto watch = [&](int fd, short events) {
      if (fd < 0) return -1;
      fds[n] = {fd, events, 0};
      return n++;
    };
    const bool room = output_.size() < kMaxPendingOutput;
    // While nobody reads the answers, no requests are read either. The end of the input is still detected.
    const int in = watch(0, room ? POLLIN : 0);
    // stdout is watched even with nothing to write, because POLLERR shows that the reader is gone.
    const int out = watch(1, output_.empty() ? 0 : POLLOUT);
    const int job_in = job_ ? watch(job_->stdin_fd(), POLLOUT) : -1;
    const int job_out = job_ && room ? watch(job_->stdout_fd(), POLLIN) : -1;
    const int job_err = job_ ? watch(job_->stderr_fd(), POLLIN) : -1;
    // Its hang-up is reported without being asked for.
    if (waiting_) watch(device_.released_fd(), 0);

    const double now = NowMs();
    double wake = next_heartbeat_;
    if (job_) {
      wake = std::min({wake, next_memory_sample_, deadline_ms_ > 0 ? deadline_ms_ : wake});
      if (job_->stdout_fd() < 0) wake = std::min(wake, now + kReapPollMs);
    }
    if (waiting_) wake = std::min(wake, now + device_.retry_ms());
    if (poll(fds, static_cast<nfds_t>(n), std::max(0, static_cast<int>(wake - now + 0.999))) < 0 && errno != EINTR) {
      output_broken_ = true;
      return;
    }
    auto ready = [&](int index) { return index >= 0 && fds[index].revents != 0; };
    if (ready(in) && room) ReadInput();
    if (ready(in) && !room) input_ended_ = true;
    if (job_) {
      std::vector<std::string> lines;
      if (ready(job_in)) job_->OnStdinWritable();
      if (ready(job_out)) job_->OnStdoutReadable(&lines);
      if (ready(job_err)) job_->OnStderrReadable();
      for (const std::string& line : lines) Say(line);
    }
    Tick();
    if (ready(out) && output_.empty()) output_broken_ = true;
    Flush();
  }

  void Tick() {
    const double now = NowMs();
    if (job_ && now >= next_memory_sample_) {
      job_->SampleMemory();
      next_memory_sample_ = now + kMemorySampleMs;
    }
    if (job_ && deadline_ms_ > 0 && now >= deadline_ms_) {
      deadline_ms_ = 0;
      job_->Kill("timeout", "the job ran past its timeoutMs");
    }
    if (job_ && job_->stdout_fd() < 0 && job_->Reap()) {
      Say(job_->Answer());
      job_.reset();
      device_.Release();
    }
    if (waiting_ && device_.TryTake()) Start(std::move(waiting_));
    if (now >= next_heartbeat_) SayHeartbeat(now);
  }

  void SayHeartbeat(double now) {
    JsonWriter json;
    json.BeginObject().Key("v").Integer(1).Key("type").String("heartbeat").Key("uptimeMs").Number(now - start_ms_).Key("job");
    if (const JobProcess* job = job_ ? job_.get() : waiting_.get()) {
      json.String(job->id());
    } else {
      json.Null();
    }
    if (waiting_) json.Key("waiting").Bool(true);
    // A slow reader gets no heartbeat while the pending output is full.
    if (output_.size() < kMaxPendingOutput) Say(json.EndObject().text());
    next_heartbeat_ = now + kHeartbeatMs;
  }

  void SayHello() {
    JsonWriter json;
    json.BeginObject().Key("v").Integer(1).Key("type").String("hello").Key("agent").String("edgefront-agent");
    json.Key("version").String(kAgentVersion).Key("arch").String(kArchitecture).Key("pid").Integer(getpid());
    if (IsConfined()) {
      // The client cannot tell otherwise which build a forced command starts.
      const Result<std::string> hash = Sha256OfFile("/proc/self/exe");
      json.Key("confined").Bool(true).Key("sha256").String(hash.ok() ? *hash : "");
    }
    json.EndObject();
    Say(json.text());
    Flush();
  }

  void ReadInput() {
    char buffer[1 << 16];
    const ssize_t n = read(0, buffer, sizeof(buffer));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      input_ended_ = true;
      return;
    }
    std::string_view rest(buffer, static_cast<size_t>(n));
    while (!rest.empty()) {
      const size_t newline = rest.find('\n');
      const std::string_view part = rest.substr(0, newline);
      if (!discarding_ && input_.size() + part.size() > kMaxRequestBytes) {
        discarding_ = true;
        input_ = std::string();
        Refuse("", "the request is longer than 64 MiB");
      }
      if (!discarding_) input_.append(part);
      if (newline == std::string_view::npos) return;
      if (!discarding_ && input_.find_first_not_of(" \t\r") != std::string::npos) Handle(std::move(input_));
      input_ = std::string();
      discarding_ = false;
      rest.remove_prefix(newline + 1);
    }
  }

  void Handle(std::string line) {
    Json request;
    std::string error;
    if (!Json::Parse(line, &request, &error)) return Refuse("", "not JSON: " + error);
    if (!request.is_object()) return Refuse("", "a request is an object");
    const Json* id_field = request.Find("id");
    const bool has_id = id_field && id_field->is_string() && IsJobId(id_field->string().data(), id_field->string().size());
    if (!has_id) return Refuse("", "a request carries an id matching ^[a-z0-9-]{1,32}$");
    const std::string id = id_field->string();
    const Json* version = request.Find("v");
    if (!version || !version->is_number() || version->number() != 1) return Refuse(id, "this agent speaks version 1");
    const Json* type_field = request.Find("type");
    const std::string type = type_field && type_field->is_string() ? type_field->string() : "";
    if (type == "cancel") {
      // Cancels the job with this id. If that job has just ended, its answer has already been sent.
      if (job_ && job_->id() == id) job_->Kill("cancelled", "cancelled");
      if (waiting_ && waiting_->id() == id) {
        waiting_.reset();
        device_.Release();
        Say(ErrorLine(id, {"cancelled", "cancelled", ""}));
      }
      return;
    }
    const Job* known = FindJob(type);
    if (known == nullptr) return Refuse(id, "unknown request type");
    double timeout_ms = 0;
    if (const Json* field = request.Find("timeoutMs"); field && !field->is_null()) {
      if (!field->is_number() || field->number() < 1 || field->number() > 1e10) return Refuse(id, "timeoutMs is out of range");
      timeout_ms = field->number();
    }
    if (const JobProcess* other = job_ ? job_.get() : waiting_.get()) {
      return Refuse(id, "busy with job " + other->id() + "; one job at a time");
    }
    line.push_back('\n');
    timeout_ms_ = timeout_ms;
    auto job = std::make_unique<JobProcess>(id, std::move(line));
    // Jobs that hardly use the processor do not wait for the device.
    if (!known->computes || device_.TryTake()) return Start(std::move(job));
    waiting_ = std::move(job);
    SayHeartbeat(NowMs());
  }

  void Start(std::unique_ptr<JobProcess> job) {
    job_ = std::move(job);
    if (!job_->Start()) {
      const std::string reason = strerror(errno);
      const std::string id = job_->id();
      job_.reset();
      device_.Release();
      return Say(ErrorLine(id, {"internal", "the job's process could not be started: " + reason, ""}));
    }
    const double now = NowMs();
    deadline_ms_ = timeout_ms_ > 0 ? now + timeout_ms_ : 0;
    next_memory_sample_ = now + kMemorySampleMs;
  }

  void Refuse(const std::string& id, const std::string& message) { Say(ErrorLine(id, {"bad-request", message, ""})); }

  void Say(const std::string& line) {
    output_.append(line);
    output_.push_back('\n');
  }

  void Flush() {
    while (written_ < output_.size() && !output_broken_) {
      const ssize_t n = write(1, output_.data() + written_, output_.size() - written_);
      if (n > 0) {
        written_ += static_cast<size_t>(n);
      } else if (errno == EAGAIN) {
        break;
      } else if (errno != EINTR) {
        output_broken_ = true;
      }
    }
    // The rest moves forward only when half has been written, which keeps the cost of a slow reader linear.
    if (2 * written_ >= output_.size()) {
      output_.erase(0, written_);
      written_ = 0;
    }
  }

  std::unique_ptr<JobProcess> job_;
  // A job that has not started because another agent holds the device.
  std::unique_ptr<JobProcess> waiting_;
  DeviceLock device_;
  double timeout_ms_ = 0;
  std::string input_, output_;
  size_t written_ = 0;  // bytes of output_ that are already written
  bool discarding_ = false, input_ended_ = false, output_broken_ = false;
  double start_ms_ = 0, next_heartbeat_ = 0, next_memory_sample_ = 0, deadline_ms_ = 0;
};

}  // namespace

int Serve() { return Server().Run(); }

}  // namespace edgefront
