// Runs a program under a filter like the one Android puts on apps: the system calls of newer kernels and C libraries that apps may not
// make end the process with SIGSYS. `android-filter --names` prints them, for tests that read a trace instead. Usage: android-filter PROGRAM ARGS...
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of those that C libraries make on their own. Android 10 allows none of them; later versions allow some.
static const struct {
  const char* name;
  int number;
} kRefused[] = {
    {"set_robust_list", SYS_set_robust_list},
    {"get_robust_list", SYS_get_robust_list},
    {"rseq", 
#ifdef SYS_rseq
     SYS_rseq
#elif defined(__x86_64__)
     334
#else
     293
#endif
    },
    // From 424 on the numbers are the same everywhere.
    {"pidfd_send_signal", 424}, {"io_uring_setup", 425}, {"io_uring_enter", 426}, {"io_uring_register", 427},
    {"pidfd_open", 434}, {"clone3", 435}, {"close_range", 436}, {"openat2", 437}, {"pidfd_getfd", 438}, {"faccessat2", 439},
    {"epoll_pwait2", 441}, {"futex_waitv", 449}, {"cachestat", 451}, {"fchmodat2", 452}, {"futex_wake", 454}, {"futex_wait", 455},
    {"statx", SYS_statx}, {"mbind", SYS_mbind}, {"set_mempolicy", SYS_set_mempolicy}, {"get_mempolicy", SYS_get_mempolicy},
    {"userfaultfd", SYS_userfaultfd}, {"kcmp", SYS_kcmp}, {"pkey_alloc", SYS_pkey_alloc}, {"pkey_mprotect", SYS_pkey_mprotect},
};
enum { kCount = sizeof(kRefused) / sizeof(kRefused[0]) };

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--names") == 0) {
    for (int i = 0; i < kCount; ++i) puts(kRefused[i].name);
    return 0;
  }
  if (argc < 2) return 2;
  struct sock_filter filter[2 * kCount + 2];
  int n = 0;
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < kCount; ++i) {
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)kRefused[i].number, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
  }
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog program = {(unsigned short)n, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("seccomp");
    return 3;
  }
  execv(argv[1], argv + 1);
  perror(argv[1]);
  return 4;
}
