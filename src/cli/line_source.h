#pragma once
#include <memory>
#include <string>

namespace mlx_vision::cli {

/// Where the lines of a chat come from.
class LineSource {
 public:
  enum class Status { line, interrupted, end };
  virtual ~LineSource() = default;
  /// Blocks for the next line, given without its end. `interrupted`: Ctrl-C while it was typed.
  virtual Status next(std::string& line) = 0;
};

/// With line editing and history when a person types at a terminal.
std::unique_ptr<LineSource> make_line_editor(const char* prompt);
/// Plain lines of standard input, without a prompt.
std::unique_ptr<LineSource> make_plain_lines();

}  // namespace mlx_vision::cli
