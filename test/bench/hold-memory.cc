// Holds MiB of touched memory in 2 MiB pages until its standard input ends: what it frees is memory that the host of a virtual machine
// backs. With free page reporting the host takes freed memory back within seconds, and the next to touch it waits for its page faults.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char** argv) {
  const size_t bytes = static_cast<size_t>(argc > 1 ? atoi(argv[1]) : 0) << 20;
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return 1;
  madvise(p, bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < bytes; i += 4096) static_cast<volatile char*>(p)[i] = 1;
  puts("held");
  fflush(stdout);
  while (getchar() != EOF) continue;
}
