// A llama.cpp library of the user: finds it in a folder, opens it, and says what was opened. One version is
// accepted, because its structures are compiled in (api.h).
#ifndef EDGEFRONT_LLAMA_LIBRARY_H_
#define EDGEFRONT_LLAMA_LIBRARY_H_

#include <string>

#include "agent/json.h"
#include "include/edgefront/status.h"
#include "llama/api.h"

namespace edgefront::llama {

struct Library {
  Api api = {};
  std::string version;  // as it says itself
  // SHA-256 over the files of llama.cpp that this process has loaded: their names and their contents.
  std::string sha256;
  // The variant of its processor backend, for example "zen4"; "cpu" if the backend has only one.
  std::string isa;
};

// Opens the library in the folder that the request's `library` names. Nothing is closed before
// the process ends. Errors: kBadRequest (no folder named), kUnavailable.
Result<Library> OpenLibrary(const Json& request);

// Returns the first error that the library logged since the last call, or "".
std::string TakeError();

// How a measurement used the library.
struct Conduct {
  bool flash_attention, mmap;
};
// Returns {"id","version","backend","sha256"}, and the conduct's fields if there is one.
std::string Describe(const Library& library, const Conduct* conduct = nullptr);

}  // namespace edgefront::llama

#endif  // EDGEFRONT_LLAMA_LIBRARY_H_
