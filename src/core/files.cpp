#include "core/files.h"

#include <fstream>

#include "mlx_vision/error.h"

namespace mlx_vision::core {

std::string read_file(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw ConfigError(path.string() + ": no such file");
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) throw ConfigError(path.string() + ": cannot be read: " + error.message());
  if (size > limit)
    throw ConfigError(path.string() + ": expected at most " + std::to_string(limit) + " bytes, got " +
                      std::to_string(size));
  std::string text(size, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(text.data(), std::streamsize(size))) throw ConfigError(path.string() + ": cannot be read");
  return text;
}

void require_directory(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    throw ConfigError(path.string() + ": no such folder; expected that of a downloaded checkpoint");
  if (!std::filesystem::is_directory(path, error))
    throw ConfigError(path.string() + ": expected a folder, got a file");
}

}  // namespace mlx_vision::core
