// `serve --confined`: what a key under a forced command may reach. The holder of such a key may probe, measure, verify and explain, and put
// data files into ~/.edgefront/{models,files}; no other path is read or written, and no agent is replaced.
#ifndef EDGEFRONT_AGENT_CONFINE_H_
#define EDGEFRONT_AGENT_CONFINE_H_

#include <string>
#include <string_view>

#include "include/edgefront/status.h"

namespace edgefront {

// Said by the environment, so that it holds for child processes too; a client can set it, never clear it.
void Confine();
bool IsConfined();

// True for "models/..." and "files/...": up to 8 parts of [a-z0-9._-], each starting with a letter or digit.
bool IsDataName(std::string_view name);
// Refuses, where this process is confined, any path that is not ".edgefront/" and a data name.
Status CheckPath(const std::string& path);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_CONFINE_H_
