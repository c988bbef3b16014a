#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace mlx_vision::core {

/// Whole content of a regular file. @throws ConfigError naming the file: absent, no file, larger than
/// `limit`.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit);

/// Fails for anything but an existing directory. @throws ConfigError
void require_directory(const std::filesystem::path& path);

}  // namespace mlx_vision::core
