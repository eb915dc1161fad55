// Checks names against a grammar without "..", so that no path must be resolved to know where it leads.
#include "agent/confine.h"

#include <stdlib.h>

#include <algorithm>

namespace edgefront {
namespace {

constexpr char kVariable[] = "EDGEFRONT_CONFINED";
constexpr std::string_view kFolder = ".edgefront/";
constexpr size_t kMaxPart = 128;
constexpr int kMaxParts = 8;

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsPart(std::string_view part) {
  if (part.empty() || part.size() > kMaxPart || !IsAlphanumeric(part[0])) return false;
  return std::all_of(part.begin(), part.end(), [](char c) { return IsAlphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

void Confine() { setenv(kVariable, "1", 1); }

bool IsConfined() { return getenv(kVariable) != nullptr; }

bool IsDataName(std::string_view name) {
  int parts = 0;
  for (size_t at = 0;;) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    if (!IsPart(part) || ++parts > kMaxParts) return false;
    if (parts == 1 && part != "models" && part != "files") return false;
    if (end == name.size()) return parts > 1;
    at = end + 1;
  }
}

Status CheckPath(const std::string& path) {
  if (!IsConfined()) return Status::Ok();
  const std::string_view view(path);
  if (view.substr(0, kFolder.size()) == kFolder && IsDataName(view.substr(kFolder.size()))) return Status::Ok();
  return BadRequest("this agent is confined to files under .edgefront/models and .edgefront/files");
}

}  // namespace edgefront
