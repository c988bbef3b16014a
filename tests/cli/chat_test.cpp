#include <doctest/doctest.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/chat_loop.h"
#include "cli/messages.h"
#include "core/files.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::cli;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

const std::string kImage = std::string(TESTS_DIR) + "/fixtures/images/gray_50x45.png";

class Typed final : public LineSource {
 public:
  explicit Typed(Words lines) : lines_(lines.begin(), lines.end()) {}
  Status next(std::string& line) override {
    if (lines_.empty()) return Status::end;
    line = lines_.front();
    lines_.pop_front();
    return line == "^C" ? Status::interrupted : Status::line;
  }

 private:
  std::deque<std::string> lines_;
};

std::string read_back(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text.push_back(char(c));
  return text;
}

struct Transcript {
  std::vector<Request> requests;
  std::string answers, notes;
  int code = 0;
};

// A model that answers "answer 1", "answer 2"… and fails when it is asked to.
Transcript run(const Words& lines, bool interactive = false) {
  Transcript out;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> answers(std::tmpfile(), &std::fclose);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> notes(std::tmpfile(), &std::fclose);
  ChatLoopOptions options;
  options.interactive = interactive;
  options.model = fs::path(TESTS_DIR) / "fixtures";
  options.answers = answers.get();
  options.notes = notes.get();
  const Answer answer = [&](const Request& request, const TextCallback& on_text) {
    out.requests.push_back(request);
    const auto& said = request.chat.messages.back().parts;
    if (std::get<TextPart>(said.front()).text == "fail") throw CapacityError("too long", 2, 1);
    Result result;
    result.text = "answer " + std::to_string(out.requests.size());
    if (std::get<TextPart>(said.front()).text == "stop") result.finish_reason = FinishReason::cancelled;
    on_text(result.text);
    return result;
  };
  Typed typed(lines);
  out.code = ChatLoop(answer, options).run(typed);
  out.answers = read_back(answers.get());
  out.notes = read_back(notes.get());
  return out;
}

// "user: text +1 image | assistant: …"
std::string shown(const Chat& chat) {
  std::string text;
  for (const auto& message : chat.messages) {
    text.append(text.empty() ? "" : " | ").append(message.role).append(":");
    for (const auto& part : message.parts)
      text.append(" ").append(std::holds_alternative<ImagePart>(part)   ? "<image>"
                              : std::holds_alternative<VideoPart>(part) ? "<video>"
                                                                        : std::get<TextPart>(part).text);
  }
  return text;
}

}  // namespace

TEST_CASE("history, system message and images stay on their turns") {
  const auto t = run({"/system Be brief.", "/image " + kImage, "What is it?", "And why?"});
  REQUIRE(t.requests.size() == 2);
  CHECK(shown(t.requests[0].chat) == "system: Be brief. | user: What is it? <image>");
  CHECK(shown(t.requests[1].chat) ==
        "system: Be brief. | user: What is it? <image> | assistant: answer 1 | user: And why?");
  CHECK(t.requests[1].chat.place_images_by_family);
  CHECK(t.answers == "answer 1\nanswer 2\n");
  CHECK(t.notes == "the system message is set\n1 image for the next message\n");
  CHECK(t.code == 0);
}

TEST_CASE("/clear forgets all but the system message; /system without text takes it away") {
  const auto t = run({"/system S", "one", "/image " + kImage, "/clear", "two", "/system", "three"});
  REQUIRE(t.requests.size() == 3);
  CHECK(shown(t.requests[1].chat) == "system: S | user: two");
  CHECK(shown(t.requests[2].chat) == "user: two | assistant: answer 2 | user: three");
}

TEST_CASE("/save writes what --messages reads") {
  const fs::path file =
      fs::temp_directory_path() / ("mlx_vision_chat_" + std::to_string(getpid()) + " x.json");
  const auto t = run({"/image " + kImage + " '" + kImage + "'", "hello", "/save \"" + file.string() + "\""});
  CHECK(t.code == 0);
  CHECK(t.notes == "2 images for the next message\n1 turn written to " + file.string() + "\n");
  CHECK(shown(parse_messages(core::read_file(file, 1 << 20))) ==
        "user: <image> <image> hello | assistant: answer 1");
  fs::remove(file);
}

TEST_CASE("videos stay on their turns and are written as such") {
  const std::string clip = std::string(TESTS_DIR) + "/fixtures/videos/clip";
  const fs::path file = fs::temp_directory_path() / ("mlx_vision_chat_" + std::to_string(getpid()) + ".json");
  const auto t = run({"/video " + clip, "/image " + kImage, "What happens?", "/save " + file.string()});
  CHECK(t.code == 0);
  REQUIRE(t.requests.size() == 1);
  CHECK(shown(t.requests[0].chat) == "user: What happens? <video> <image>");
  CHECK(shown(parse_messages(core::read_file(file, 1 << 20))) ==
        "user: <video> <image> What happens? | assistant: answer 1");
  fs::remove(file);
  CHECK(run({"/video"}).notes == "error: /video: expected the path of a video\n");
}

TEST_CASE("/save keeps out of the model folder") {
  const auto t = run({"/save " TESTS_DIR "/fixtures/x.json"});
  CHECK(t.code == 2);
  CHECK(t.notes.find("is inside the model folder") != std::string::npos);
}

TEST_CASE("an error ends a script with its code, and leaves a person's chat as it was") {
  const auto script = run({"one", "fail", "two"});
  CHECK(script.code == 4);
  CHECK(script.requests.size() == 2);
  CHECK(script.notes == "error: too long\n");

  const auto person = run({"one", "/image /nowhere.png", "fail", "/nonsense", "^C", "two"}, true);
  CHECK(person.code == 0);
  CHECK(shown(person.requests.back().chat) == "user: one | assistant: answer 1 | user: two");
  CHECK(person.notes.find("error: /nonsense: no such command") != std::string::npos);
  CHECK(person.notes.find("/exit or Ctrl-D leaves") != std::string::npos);
}

TEST_CASE("a cancelled answer keeps what was said and ends a script") {
  const auto script = run({"stop", "two"});
  CHECK(script.code == 130);
  CHECK(script.answers == "answer 1\n");
  const auto person = run({"stop", "two"}, true);
  CHECK(shown(person.requests.at(1).chat) == "user: stop | assistant: answer 1 | user: two");
}

TEST_CASE("/stats, /help, /exit, blank lines and lines that begin with a blank") {
  const auto t = run({"", "  ", " /etc/hosts?", "/stats", "/help", "/exit", "never"});
  REQUIRE(t.requests.size() == 1);
  CHECK(shown(t.requests[0].chat) == "user:  /etc/hosts?");
  CHECK(t.notes.find("generation 0 tokens") != std::string::npos);
  CHECK(t.notes.find("/image PATH") != std::string::npos);
  CHECK(run({"/stats"}).code == 2);
  CHECK(run({"/image"}).code == 2);
}

TEST_CASE("words are split as a shell does") {
  CHECK(split_words("a  b\tc") == Words{"a", "b", "c"});
  CHECK(split_words("'a b' \"c d\"e f\\ g") == Words{"a b", "c de", "f g"});
  CHECK(split_words("'it\\s' \"q\\\"q\" ''") == Words{"it\\s", "q\"q", ""});
  CHECK(split_words("") == Words{});
  setenv("HOME", "/home/me", 1);
  CHECK(split_words("~/a ~b a~/c '~/d'") == Words{"/home/me/a", "~b", "a~/c", "~/d"});
}
