// One job at a time on this device, whoever asked for it: agents of other coordinators, other logins and other databases meet here.
#ifndef EDGEFRONT_AGENT_DEVICE_LOCK_H_
#define EDGEFRONT_AGENT_DEVICE_LOCK_H_

#include <string>

namespace edgefront {

// A lock of the whole device with a place in line. The kernel frees it with its process, also after SIGKILL.
//
// The lock is a socket name without a file (Linux): it needs no permission and is shared by all logins of the device. Containers have names
// of their own, so agents in two containers of one host do not meet. Where the system refuses such names, agents of one login meet at a
// file in ~/.edgefront; where that cannot be written either, the device is not locked.
class DeviceLock {
 public:
  DeviceLock();
  ~DeviceLock() { Release(); }
  DeviceLock(const DeviceLock&) = delete;
  DeviceLock& operator=(const DeviceLock&) = delete;

  // Takes the device, or a place in line for it; call again after kRetryMs where it returns false. Never blocks.
  bool TryTake();
  // Gives up the device, and the place in line.
  void Release();

  static constexpr double kRetryMs = 20;

 private:
  std::string name_;
  int held_ = -1;
  // The next in line holds a second name: whoever just released the device has to stand in line behind it.
  int next_ = -1;
};

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_DEVICE_LOCK_H_
