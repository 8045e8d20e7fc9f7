#include "runtime/device/cpu/Memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

namespace mirl::rt {

namespace {

// The number behind `key` in lines of "key number", or the file's only number without a key.
std::optional<int64_t> Number(const std::string &path, std::string_view key = "") {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    if (!key.empty() && (!(words >> word) || word != key))
      continue;
    int64_t value = 0;
    if (words >> value)
      return value;
    return std::nullopt; // "max": no limit
  }
  return std::nullopt;
}

// The limit less the use; pages of files that nobody uses are given back when they are needed.
int64_t Left(const std::string &group, const char *limit, const char *use, const char *cache) {
  std::optional<int64_t> most = Number(group + limit), used = Number(group + use);
  if (!most || !used)
    return INT64_MAX;
  return std::max<int64_t>(0, *most - *used + Number(group + "/memory.stat", cache).value_or(0));
}

} // namespace

MemoryState ReadMemoryState(const std::string &root) {
  MemoryState state;
  {
    std::ifstream file(root + "/proc/self/statm");
    int64_t pages = 0;
    if (file >> pages >> pages)
      state.resident = pages * sysconf(_SC_PAGESIZE);
  }
  if (auto available = Number(root + "/proc/meminfo", "MemAvailable:"))
    state.available = *available * 1024;
  // "0::/path" is version 2; "4:memory:/path" version 1. In a container the group's own folder may
  // be the root of what is mounted.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string path = line.substr(second + 1);
    bool two = controllers == ",,";
    if (!two && controllers.find(",memory,") == std::string::npos)
      continue;
    std::string mount = root + "/sys/fs/cgroup" + (two ? "" : "/memory");
    for (const std::string &group : {mount + path, mount})
      state.available = std::min(
          state.available,
          two ? Left(group, "/memory.max", "/memory.current", "inactive_file")
              : Left(group, "/memory.limit_in_bytes", "/memory.usage_in_bytes",
                     "total_inactive_file"));
  }
  return state;
}

} // namespace mirl::rt
