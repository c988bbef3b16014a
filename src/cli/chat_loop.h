#pragma once
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/conversation.h"
#include "cli/line_source.h"
#include "mlx_vision/runtime.h"

namespace mlx_vision::cli {

/// Answers a request, streaming: Runtime::generate, or a test's stand-in.
using Answer = std::function<Result(const Request&, const TextCallback&)>;

struct ChatLoopOptions {
  GenerateOptions generate;
  std::filesystem::path model;  ///< the folder that /save must keep out of
  bool interactive = false;     ///< a person types: greet, and go on after an error
  bool statistics = false;      ///< after every answer
  VideoSampling sampling = {};  ///< of videos that /video adds
  std::FILE* answers = stdout;
  std::FILE* notes = stderr;
};

/// Reads lines, obeys the /commands among them and has the model answer the others.
class ChatLoop {
 public:
  ChatLoop(Answer answer, ChatLoopOptions options, Conversation conversation = {});

  /// Until /exit or the end of input. Returns the exit code: without a person at the terminal the first
  /// error's.
  int run(LineSource& lines);

 private:
  enum class Next { go_on, leave };
  Next obey(const std::string& line);
  void ask(const std::string& text);
  void attach(const std::string& command, const std::string& paths);
  void save(const std::string& file);
  void note(std::string_view text);
  bool handle(const std::string& line, int& code);

  Answer answer_;
  ChatLoopOptions options_;
  Conversation conversation_;
  std::optional<Result> last_;
};

/// An image or a video for a conversation. @throws RequestError, MediaError
Attachment load_attachment(const std::string& source, const std::string& place);
Attachment load_video_attachment(const std::string& source, const std::string& place,
                                 const VideoSampling& sampling);

}  // namespace mlx_vision::cli
