#include "cli/input_file.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <system_error>

#include "core/files.h"
#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

constexpr std::uint64_t kMaxInputBytes = 1ull << 30;  // messages may hold images as data: URIs

std::string read_standard_input(const std::string& flag) {
  std::string text;
  char buffer[1 << 16];
  while (std::cin.read(buffer, sizeof(buffer)) || std::cin.gcount() > 0) {
    text.append(buffer, std::size_t(std::cin.gcount()));
    if (text.size() > kMaxInputBytes)
      throw RequestError(flag + ": expected at most " + std::to_string(kMaxInputBytes) + " bytes of input");
  }
  return text;
}

}  // namespace

std::string read_input(const std::string& flag, const std::string& name) {
  if (name == "-") return read_standard_input(flag);
  try {
    return core::read_file(name, kMaxInputBytes);
  } catch (const ConfigError& e) {  // the caller's file, not the model's
    throw RequestError(std::string(flag).append(": ").append(e.what()));
  }
}

std::string read_text(const std::string& flag, const std::string& value) {
  if (value != "-") return value;
  std::string text = read_standard_input(flag);
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::filesystem::path folder_of(const std::string& name) {
  return name == "-" ? std::filesystem::path() : std::filesystem::path(name).parent_path();
}

void check_output(const std::string& flag, const std::filesystem::path& output,
                  const std::filesystem::path& model) {
  if (output.empty()) throw RequestError(flag + ": expected the name of a file to write");
  std::error_code error;
  const auto folder =
      std::filesystem::weakly_canonical(std::filesystem::absolute(output).parent_path(), error);
  const auto inside = std::filesystem::canonical(model, error);
  if (error) return;  // no such model: said where it is opened
  if (std::mismatch(inside.begin(), inside.end(), folder.begin(), folder.end()).first == inside.end())
    throw RequestError(flag + ": " + output.string() +
                       " is inside the model folder, which is never written to");
}

}  // namespace mlx_vision::cli
