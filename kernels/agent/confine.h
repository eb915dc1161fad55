// `serve --confined`: limits an SSH key with a forced command. Such a key may probe, measure, verify,
// explain, and put data files into ~/.edgefront/models and ~/.edgefront/files. No other path is read or
// written, and the agent is never replaced.
#ifndef EDGEFRONT_AGENT_CONFINE_H_
#define EDGEFRONT_AGENT_CONFINE_H_

#include <string>
#include <string_view>

#include "include/edgefront/status.h"

namespace edgefront {

// Confines this process and its children, through an environment variable. A client can set the variable but
// not clear it.
void Confine();
// Returns whether the environment confines this process.
bool IsConfined();

// Returns true for "models/..." and "files/...": at most 8 parts of [a-z0-9._-], each starting with a letter
// or digit.
bool IsDataName(std::string_view name);
// Refuses (kBadRequest), in a confined process, every path except ".edgefront/" followed by a data name.
Status CheckPath(const std::string& path);

}  // namespace edgefront

#endif  // EDGEFRONT_AGENT_CONFINE_H_
