#pragma once
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

/// A folder of files for one test, removed afterwards.
class TestFolder {
 public:
  TestFolder()
      : path_(std::filesystem::temp_directory_path() /
              ("mlx_vision_text_" + std::to_string(getpid()) + "_" + std::to_string(counter()++))) {
    std::filesystem::create_directories(path_);
  }
  /// With the files of a golden tokenizer.
  explicit TestFolder(std::string_view golden) : TestFolder() {
    std::filesystem::copy(std::filesystem::path(TESTS_DIR) / "text/golden/tokenizers" / golden, path_,
                          std::filesystem::copy_options::recursive);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TestFolder& write(const std::string& name, std::string_view text) {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this;
  }
  TestFolder& remove(const std::string& name) {
    std::filesystem::remove(path_ / name);
    return *this;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::atomic<int>& counter() {
    static std::atomic<int> count{0};
    return count;
  }
  std::filesystem::path path_;
};
