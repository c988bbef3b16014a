#pragma once
#include <cstdint>
#include <filesystem>

namespace mlx_vision::memory {

/// Main memory as this process may use it, in bytes; 0 = unknown.
struct SystemMemory {
  std::uint64_t total = 0;
  std::uint64_t available = 0;  ///< without swapping, at this moment
};

/// What the kernel reports, lowered to the limits of the control groups (version 1 and 2) that the process is
/// in: a container's limit counts, not its host's memory. `root` stands before /proc and /sys; for tests.
/// Any thread.
SystemMemory system_memory(const std::filesystem::path& root = "/");

/// Main memory that this process takes now, 0 = unknown. Any thread.
std::uint64_t process_memory();

}  // namespace mlx_vision::memory
