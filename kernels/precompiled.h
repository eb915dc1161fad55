// The standard headers that most files include. They take a third of the compile time, so runner/agent/build.ts
// compiles them once and puts them before every file without flags of its own. Each file still includes what it
// uses: zig, clang-tidy and files with flags of their own do not have this one.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
