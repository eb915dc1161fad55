// Files that are either the old one or the new one, whenever the process dies: written beside, flushed, renamed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront::train {

// The parts, one after another, become the file `path`. Leaves nothing behind on failure.
Status WriteAtomically(const std::string& path, const std::vector<std::span<const uint8_t>>& parts);

}  // namespace edgefront::train
