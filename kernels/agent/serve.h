// The serve loop: requests on stdin, answers on stdout, one job at a time in a child process. The jobs are
// run by child.cc.
#ifndef EDGEFRONT_AGENT_SERVE_H_
#define EDGEFRONT_AGENT_SERVE_H_

namespace edgefront {

inline constexpr char kAgentVersion[] = "0.1.0";
#if defined(__x86_64__)
inline constexpr char kArchitecture[] = "x86_64";
#elif defined(__aarch64__)
inline constexpr char kArchitecture[] = "aarch64";
#else
#error "edgefront-agent is written for x86_64 and aarch64"
#endif

// Serves until stdin ends (returns 0) or stdout breaks (returns 1). A running child is ended too.
int Serve();

// Runs one job: the request on stdin, answer lines on stdout. Returns the exit status.
int RunChild();

// The job id grammar of the protocol: ^[a-z0-9-]{1,32}$.
bool IsJobId(const char* text, unsigned long size);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_SERVE_H_
