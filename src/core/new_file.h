#pragma once
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace mlx_vision::core {

/// A file that appears under its name only when it is complete: written beside it under a temporary name,
/// then renamed. Without commit() nothing is left behind. Not for concurrent use.
class NewFile {
 public:
  /// @throws RequestError if `path` is there and no regular file, or its folder cannot be written to.
  explicit NewFile(std::filesystem::path path);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  /// @throws RequestError, such as for a full disk.
  void write(const void* data, std::size_t bytes);
  /// Closes and renames; the last call. @throws RequestError
  void commit();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  std::string temporary_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace mlx_vision::core
