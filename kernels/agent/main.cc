// edgefront-agent. `serve` answers requests; `child`, started by serve, runs one job. `serve --confined` is
// for forced commands.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/confine.h"
#include "agent/serve.h"

int main(int argc, char** argv) {
  const char* verb = argc == 2 ? argv[1] : "";
  if (argc == 3 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "--confined") == 0) {
    edgefront::Confine();
    return edgefront::Serve();
  }
  if (strcmp(verb, "serve") == 0) return edgefront::Serve();
  // Skips destructors, because the memory of a job is freed with the process.
  if (strcmp(verb, "child") == 0) _exit(edgefront::RunChild());
  if (strcmp(verb, "--version") == 0) return printf("edgefront-agent %s %s\n", edgefront::kAgentVersion, edgefront::kArchitecture) < 0;
  fprintf(stderr, "usage: edgefront-agent serve [--confined]\n");
  return 2;
}
