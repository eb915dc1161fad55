// Lets only one job run on this device at a time. The lock is shared by agents of other coordinators, logins
// and databases.
#ifndef EDGEFRONT_AGENT_DEVICE_LOCK_H_
#define EDGEFRONT_AGENT_DEVICE_LOCK_H_

#include <string>

namespace edgefront {

// A lock of the whole device, with one place in the queue. The kernel frees the lock when its process ends,
// also after SIGKILL.
//
// The lock is a Linux socket name without a file: it needs no permission and all logins of the device share
// it. Each container has its own names, so agents in two containers of one host do not exclude each other. If
// the system refuses such names, a file in ~/.edgefront is locked instead, which serves one login. If that
// file cannot be written either, the device is not locked.
class DeviceLock {
 public:
  DeviceLock();
  ~DeviceLock() { Release(); }
  DeviceLock(const DeviceLock&) = delete;
  DeviceLock& operator=(const DeviceLock&) = delete;

  // Takes the device, or the place in the queue. Returns true once the device is held. If false, call again
  // when released_fd() hangs up, or after retry_ms(). Never blocks.
  bool TryTake();
  // Gives up the device and the place in the queue.
  void Release();

  // A connection to the process that is waited for, or negative if there is none. It wakes this process at
  // once: until then a process with many short jobs would run one after the other, and polling would disturb
  // what is being measured.
  int released_fd() const { return watched_; }
  double retry_ms() const { return watched_ >= 0 ? 1000 : 20; }

 private:
  bool TakeOrWatch();

  std::string name_;
  int held_ = -1;
  // A process that waits holds a second name. A process that just released the device must take that name
  // first, so it cannot overtake the waiting process.
  int next_ = -1;
  int watched_ = -1;
};

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_DEVICE_LOCK_H_
