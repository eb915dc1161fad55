// Status and Result<T>: errors of loaders and planners, with a one-line message. Nothing here throws. The hot
// paths return no status, because everything that can fail is checked before they run.
#ifndef EDGEFRONT_STATUS_H_
#define EDGEFRONT_STATUS_H_

#include <string>
#include <utility>
#include <variant>

namespace edgefront {

enum class Code { kOk, kBadModel, kUnsupported, kUnavailable, kOutOfMemory, kBadRequest, kBadCheckpoint, kIo, kDiverged, kInternal };

// Returns the name in the agent protocol: "bad-model", "out-of-memory", ...
inline const char* CodeName(Code code) {
  switch (code) {
    case Code::kOk: return "ok";
    case Code::kBadModel: return "bad-model";
    case Code::kUnsupported: return "unsupported";
    case Code::kUnavailable: return "unavailable";
    case Code::kOutOfMemory: return "out-of-memory";
    case Code::kBadRequest: return "bad-request";
    case Code::kBadCheckpoint: return "bad-checkpoint";
    case Code::kIo: return "io";
    case Code::kDiverged: return "diverged";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

// Success, or an error code with a one-line message.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  static Status Ok() { return Status(); }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status BadModel(std::string message) { return Status(Code::kBadModel, std::move(message)); }
inline Status Unsupported(std::string message) { return Status(Code::kUnsupported, std::move(message)); }
// The machine lacks or withholds something that the request names; the model is not at fault.
inline Status Unavailable(std::string message) { return Status(Code::kUnavailable, std::move(message)); }
inline Status OutOfMemory(std::string message) { return Status(Code::kOutOfMemory, std::move(message)); }
inline Status BadRequest(std::string message) { return Status(Code::kBadRequest, std::move(message)); }
inline Status BadCheckpoint(std::string message) { return Status(Code::kBadCheckpoint, std::move(message)); }
inline Status IoError(std::string message) { return Status(Code::kIo, std::move(message)); }

// Either a T or the Status that explains its absence. `value()` requires `ok()`.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Status status) : state_(std::move(status)) {}

  bool ok() const { return std::holds_alternative<T>(state_); }
  Status status() const { return ok() ? Status::Ok() : std::get<Status>(state_); }
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

#define EDGEFRONT_RETURN_IF_ERROR(expr)                       \
  do {                                                        \
    if (::edgefront::Status s_ = (expr); !s_.ok()) return s_; \
  } while (0)

}  // namespace edgefront

#endif  // EDGEFRONT_STATUS_H_
