#include "cli/chat_loop.h"

#include <system_error>
#include <utility>
#include <variant>

#include "cli/image_source.h"
#include "cli/input_file.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "core/new_file.h"
#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

constexpr const char* kHelp =
    "/image PATH…   add images to the next message\n"
    "/video PATH…   add videos: files, or folders of frames\n"
    "/clear         forget the conversation\n"
    "/system TEXT   set the system message; without TEXT: none\n"
    "/stats         statistics of the last answer\n"
    "/save FILE     write the conversation as JSON that --messages reads\n"
    "/help          this list\n"
    "/exit          leave; so does Ctrl-D\n"
    "A line that begins with a blank is a message even if a / follows. Ctrl-C stops an answer.";

std::string count_of(std::size_t number, const char* what) {
  return std::to_string(number).append(" ").append(what).append(number == 1 ? "" : "s");
}

// "/image a b" → {"/image", "a b"}
std::pair<std::string, std::string> split_command(const std::string& line) {
  const std::size_t end = line.find_first_of(" \t");
  if (end == std::string::npos) return {line, ""};
  const std::size_t first = line.find_first_not_of(" \t", end);
  if (first == std::string::npos) return {line.substr(0, end), ""};
  return {line.substr(0, end), line.substr(first, line.find_last_not_of(" \t") + 1 - first)};
}

// How the same file is found from another working directory.
std::string lasting_source(const std::string& source, const std::string& place) {
  const auto location = locate_image(source, place);
  const auto* path = std::get_if<std::filesystem::path>(&location);
  std::error_code ignored;
  return path ? std::filesystem::absolute(*path, ignored).string() : source;
}

}  // namespace

Attachment load_attachment(const std::string& source, const std::string& place) {
  return {load_image(source, place), lasting_source(source, place)};
}

Attachment load_video_attachment(const std::string& source, const std::string& place,
                                 const VideoSampling& sampling) {
  return {load_video(source, place, sampling), lasting_source(source, place)};
}

ChatLoop::ChatLoop(Answer answer, ChatLoopOptions options, Conversation conversation)
    : answer_(std::move(answer)), options_(std::move(options)), conversation_(std::move(conversation)) {}

int ChatLoop::run(LineSource& lines) {
  if (options_.interactive) note("/help lists the commands, Ctrl-D leaves");
  std::string line;
  int code = 0;
  for (;;) {
    const auto status = lines.next(line);
    if (status == LineSource::Status::end) return code;
    if (status == LineSource::Status::interrupted) {
      note("/exit or Ctrl-D leaves");
      continue;
    }
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    if (!handle(line, code)) return code;
  }
}

bool ChatLoop::handle(const std::string& line, int& code) {
  try {
    if (line.front() == '/') return obey(line) == Next::go_on;
    ask(line);
    if (last_->finish_reason == FinishReason::cancelled && !options_.interactive) {
      code = kInterrupted;
      return false;
    }
    return true;
  } catch (const Error& e) {
    note(std::string("error: ").append(e.what()));
    if (options_.interactive) return true;
    code = e.exit_code();
    return false;
  }
}

ChatLoop::Next ChatLoop::obey(const std::string& line) {
  const auto [command, rest] = split_command(line);
  if (command == "/exit" || command == "/quit") return Next::leave;
  if (command == "/image" || command == "/video") {
    attach(command, rest);
  } else if (command == "/clear") {
    conversation_.clear();
    last_.reset();
    note("the conversation is forgotten");
  } else if (command == "/system") {
    conversation_.set_system(rest);
    note(rest.empty() ? "no system message" : "the system message is set");
  } else if (command == "/stats") {
    if (!last_) throw RequestError("/stats: there is no answer yet");
    note(statistics_line(*last_));
    note(timings_line(last_->timings));
  } else if (command == "/save") {
    save(rest);
  } else if (command == "/help") {
    note(kHelp);
  } else {
    throw RequestError(command +
                       ": no such command; /help lists them; begin the line with a blank to send it as text");
  }
  return Next::go_on;
}

void ChatLoop::attach(const std::string& command, const std::string& paths) {
  const auto sources = split_words(paths);
  const bool video = command == "/video";
  if (sources.empty())
    throw RequestError(command + ": expected the path of " + (video ? "a video" : "an image"));
  std::vector<Attachment> media;  // all or none
  media.reserve(sources.size());
  for (const auto& source : sources)
    media.push_back(video ? load_video_attachment(source, command, options_.sampling)
                          : load_attachment(source, command));
  for (auto& one : media) conversation_.attach(std::move(one));
  note(count_of(conversation_.pending(), video ? "attachment" : "image").append(" for the next message"));
}

void ChatLoop::save(const std::string& file) {
  const auto names = split_words(file);
  if (names.size() != 1) throw RequestError("/save: expected the name of one file");
  check_output("/save", names[0], options_.model);
  const std::string text = conversation_.saved();
  core::NewFile out(names[0]);
  out.write(text.data(), text.size());
  out.commit();
  note(count_of(conversation_.turns(), "turn").append(" written to ").append(names[0]));
}

void ChatLoop::ask(const std::string& text) {
  Request request;
  request.options = options_.generate;
  request.chat = conversation_.begin_turn(text);
  std::optional<Result> result;
  try {
    const InterruptScope interrupt(request.cancellation);
    result = answer_(request, [this](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), options_.answers);
      std::fflush(options_.answers);
    });
  } catch (const std::exception&) {
    conversation_.drop_turn();
    throw;
  }
  std::fputs("\n", options_.answers);
  std::fflush(options_.answers);
  conversation_.finish_turn(result->text);
  last_ = std::move(result);
  if (last_->finish_reason == FinishReason::cancelled) note("cancelled; what was said so far is kept");
  if (options_.statistics || last_->finish_reason == FinishReason::cancelled) note(statistics_line(*last_));
}

void ChatLoop::note(std::string_view text) {
  std::fprintf(options_.notes, "%.*s\n", int(text.size()), text.data());
  std::fflush(options_.notes);
}

}  // namespace mlx_vision::cli
