#pragma once
#include <filesystem>
#include <string>

namespace mlx_vision::cli {

/// Content of a file that a flag names, "-" for standard input. @throws RequestError naming the flag: absent,
/// unreadable, larger than 1 GiB.
std::string read_input(const std::string& flag, const std::string& name);

/// `value` itself, or standard input for "-", without its last line end.
std::string read_text(const std::string& flag, const std::string& value);

/// Where relative paths in a file are looked up; empty for standard input.
std::filesystem::path folder_of(const std::string& name);

/// Refuses an output file inside the model folder, which is never written to.
/// @throws RequestError naming the flag.
void check_output(const std::string& flag, const std::filesystem::path& output,
                  const std::filesystem::path& model);

}  // namespace mlx_vision::cli
