#include "memory/system.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

#ifdef __APPLE__
#include <mach/mach.h>
#include <sys/sysctl.h>
#endif

namespace mlx_vision::memory {

namespace {

namespace fs = std::filesystem;

// Field of statm, in bytes; 0 where there is no such file.
std::uint64_t pages_of_process(const fs::path& statm, int field) {
  std::ifstream in(statm);
  std::uint64_t pages = 0;
  for (int i = 0; i <= field; ++i) in >> pages;
  return in ? pages * std::uint64_t(sysconf(_SC_PAGESIZE)) : 0;
}

#ifdef __APPLE__

SystemMemory kernel_memory(const fs::path&) {
  SystemMemory out;
  std::size_t size = sizeof(out.total);
  if (sysctlbyname("hw.memsize", &out.total, &size, nullptr, 0) != 0) return {};
  vm_statistics64_data_t pages;
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) ==
      KERN_SUCCESS)
    out.available = (std::uint64_t(pages.free_count) + pages.inactive_count + pages.purgeable_count) *
                    vm_kernel_page_size;
  return out;
}

#else

SystemMemory kernel_memory(const fs::path& root) {
  SystemMemory out;
  std::ifstream in(root / "proc/meminfo");
  std::string key, unit;
  std::uint64_t kib;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    if (!(fields >> key >> kib)) continue;
    if (key == "MemTotal:") out.total = kib << 10;
    if (key == "MemAvailable:") out.available = kib << 10;
  }
  return out;
}

#endif

// An address-space limit (ulimit -v) makes allocation fail earlier.
std::uint64_t address_space_left() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t used = pages_of_process("/proc/self/statm", 0);
  return limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, used);
}

// nullopt when there is no such file, or it says "max".
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value;
  if (in >> value) return value;
  return std::nullopt;
}

// Of memory.stat: pages of files that can be dropped at once, which "usage" counts.
std::uint64_t reclaimable(const fs::path& folder) {
  std::ifstream in(folder / "memory.stat");
  std::string key;
  std::uint64_t value, version1 = 0, version2 = 0;
  while (in >> key >> value) {
    if (key == "total_inactive_file") version1 = value;
    if (key == "inactive_file") version2 = value;
  }
  return std::max(version1, version2);
}

void lower(SystemMemory& memory, const fs::path& folder, const char* limit_file, const char* usage_file) {
  const auto limit = number_in(folder / limit_file);
  if (!limit || *limit >= memory.total) return;  // version 1 writes a number near 2^63 for "none"
  memory.total = *limit;
  const std::uint64_t usage = number_in(folder / usage_file).value_or(0);
  const std::uint64_t pinned = usage - std::min(usage, reclaimable(folder));
  memory.available = std::min(memory.available, *limit - std::min(*limit, pinned));
}

// A group and all its ancestors: each may have a limit of its own. Inside a container the group's path is
// often the host's and does not exist, and then the mount's root is the container's own group.
void lower_by_group(SystemMemory& memory, const fs::path& mount, const std::string& group, bool version2) {
  const char* limit = version2 ? "memory.max" : "memory.limit_in_bytes";
  const char* usage = version2 ? "memory.current" : "memory.usage_in_bytes";
  fs::path path = fs::path(group).relative_path();
  while (!path.empty()) {
    lower(memory, mount / path, limit, usage);
    path = path.parent_path();
  }
  lower(memory, mount, limit, usage);
}

}  // namespace

SystemMemory system_memory(const fs::path& root) {
  SystemMemory memory = kernel_memory(root);
  std::ifstream in(root / "proc/self/cgroup");
  // "4:memory:/path" (version 1) and "0::/path" (version 2)
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty())
      lower_by_group(memory, root / "sys/fs/cgroup", group, true);
    else if (controllers == "memory")
      lower_by_group(memory, root / "sys/fs/cgroup/memory", group, false);
  }
  memory.available = std::min(memory.available, address_space_left());
  return memory;
}

std::uint64_t process_memory() {
#ifdef __APPLE__
  task_vm_info_data_t info;
  mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
  if (task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count) != KERN_SUCCESS)
    return 0;
  return info.phys_footprint;
#else
  return pages_of_process("/proc/self/statm", 1);
#endif
}

}  // namespace mlx_vision::memory
