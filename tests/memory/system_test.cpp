#include "memory/system.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

using mlx_vision::memory::system_memory;

namespace {

namespace fs = std::filesystem;

class FakeRoot {
 public:
  FakeRoot() : path_(fs::temp_directory_path() / "mlx-vision-system-test") {
    fs::remove_all(path_);
    write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 800 kB\n");
  }
  ~FakeRoot() { fs::remove_all(path_); }

  void write(const fs::path& file, const std::string& text) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

constexpr std::uint64_t kKib = 1024;

}  // namespace

#ifndef __APPLE__

TEST_CASE("without control groups, what the kernel says") {
  const FakeRoot root;
  CHECK(system_memory(root.path()).total == 1000 * kKib);
  CHECK(system_memory(root.path()).available == 800 * kKib);
}

TEST_CASE("a version 2 group lowers both, its file cache counted as free") {
  const FakeRoot root;
  root.write("proc/self/cgroup", "0::/a/b\n");
  root.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  root.write("sys/fs/cgroup/a/memory.max", "409600\n");
  root.write("sys/fs/cgroup/a/memory.current", "204800\n");
  root.write("sys/fs/cgroup/a/memory.stat", "anon 102400\ninactive_file 102400\n");
  CHECK(system_memory(root.path()).total == 400 * kKib);
  CHECK(system_memory(root.path()).available == 300 * kKib);
}

TEST_CASE("in a container, the group's own path does not exist and the mount's root counts") {
  const FakeRoot root;
  root.write("proc/self/cgroup", "5:cpu:/x\n4:memory:/host/path\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "512000\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "614400\n");
  CHECK(system_memory(root.path()).total == 500 * kKib);
  CHECK(system_memory(root.path()).available == 0);
}

TEST_CASE("no limit, in either version's words, changes nothing") {
  const FakeRoot root;
  root.write("proc/self/cgroup", "4:memory:/\n0::/\nnonsense\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("sys/fs/cgroup/memory.max", "max\n");
  CHECK(system_memory(root.path()).total == 1000 * kKib);
}

#endif

TEST_CASE("this machine has memory") {
  CHECK(system_memory().total > 0);
  CHECK(system_memory().available > 0);
}
