// Replaces files atomically: written beside, flushed, renamed. A crash at any time leaves the old file or the
// new one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront::train {

// Writes the concatenation of `parts` to the file `path`. Leaves nothing behind on failure (kIo).
Status WriteAtomically(const std::string& path, const std::vector<std::span<const uint8_t>>& parts);

}  // namespace edgefront::train
