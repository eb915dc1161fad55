// The only program of an emulated machine (test/support/bochs.ts): runs each line of /commands, its words the arguments of /tests, prints
// how each ended, and ends the machine. Linked statically; the kernel starts it as /init with the serial port as its terminal.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static double Now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Emulated seconds count instructions: they say where the time goes, not how fast anything is.
static void Run(char* line) {
  char* argv[64] = {"/tests"};
  int argc = 1;
  for (char* word = strtok(line, " \n"); word && argc < 63; word = strtok(NULL, " \n")) argv[argc++] = word;
  const double start = Now();
  const pid_t child = fork();
  if (child == 0) {
    execv(argv[0], argv);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("guest: ended by signal %d\n", WTERMSIG(status));
  printf("guest: status %d, %.1f emulated seconds\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, Now() - start);
  fflush(stdout);
}

int main(void) {
  char line[4096];
  mkdir("/proc", 0755);
  mkdir("/tmp", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  printf("guest: started after %.1f emulated seconds\n", Now());
  fflush(stdout);
  FILE* commands = fopen("/commands", "re");
  while (commands && fgets(line, sizeof line, commands)) Run(line);
  printf("guest: done\n");
  fflush(stdout);
  tcdrain(STDOUT_FILENO);
  usleep(50000);
  // Bochs ends when this word is written to its port 0x8900, a byte at a time.
  if (ioperm(0x8900, 1, 1) == 0) {
    for (const char* c = "Shutdown"; *c; ++c) outb(*c, 0x8900);
  }
  reboot(RB_POWER_OFF);
  for (;;) pause();
}
