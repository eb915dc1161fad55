// Takes the lock as an abstract socket name or, where the system refuses one, as a locked file.
#include "agent/device_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

namespace edgefront {
namespace {

constexpr int kBusy = -1;
// A lock that the system cannot give: nothing is held, and there is nothing to close.
constexpr int kNoLock = -2;

int LockFile(const std::string& name) {
  const int fd = open((".edgefront/" + name + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return kNoLock;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const bool busy = errno == EWOULDBLOCK;
  close(fd);
  return busy ? kBusy : kNoLock;
}

// Calls bind or connect with an abstract socket name.
int WithName(int (*call)(int, const sockaddr*, socklen_t), int fd, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // sun_path[0] stays 0, which makes the name abstract.
  const size_t size = std::min(name.size(), sizeof(address.sun_path) - 1);
  memcpy(address.sun_path + 1, name.data(), size);
  return call(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size));
}

int NewSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

int Lock(const std::string& name) {
  const int fd = NewSocket();
  if (fd < 0) return LockFile(name);
  // Processes that wait connect to the name and see the connection end when it becomes free.
  if (WithName(bind, fd, name) == 0) {
    listen(fd, SOMAXCONN);
    return fd;
  }
  const bool busy = errno == EADDRINUSE;
  close(fd);
  return busy ? kBusy : LockFile(name);
}

// Returns a connection that ends when the holder of a name releases it, or kNoLock if there is none.
int Watch(const std::string& name) {
  const int fd = NewSocket();
  if (fd < 0 || WithName(connect, fd, name) == 0) return fd < 0 ? kNoLock : fd;
  close(fd);
  return kNoLock;
}

void Unlock(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = kBusy;
}

// Returns a suffix for the lock's name from $EDGEFRONT_HOST_LOCK. It separates tests, and parts of a machine
// that share nothing. The value may be a path, so its hash is used.
std::string Scope() {
  const char* scope = getenv("EDGEFRONT_HOST_LOCK");
  if (!scope || !*scope) return "";
  // FNV-1a, because agents from different compilers need the same hash. std::hash does not guarantee one.
  uint64_t hash = 0xcbf29ce484222325;
  for (const char* c = scope; *c; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001b3;
  return "-" + std::to_string(hash);
}

}  // namespace

DeviceLock::DeviceLock() : name_("edgefront-device" + Scope()) {}

bool DeviceLock::TryTake() {
  // If the holder releases the name before it can be watched, the name is free: hence the second attempt.
  return TakeOrWatch() || (watched_ < 0 && TakeOrWatch());
}

bool DeviceLock::TakeOrWatch() {
  if (held_ != kBusy) return true;
  Unlock(&watched_);
  if (next_ == kBusy) next_ = Lock(name_ + "-next");
  if (next_ != kBusy) held_ = Lock(name_);
  if (held_ == kBusy) {
    watched_ = Watch(next_ == kBusy ? name_ + "-next" : name_);
    return false;
  }
  Unlock(&next_);
  return true;
}

void DeviceLock::Release() {
  for (int* fd : {&held_, &next_, &watched_}) Unlock(fd);
}

}  // namespace edgefront
