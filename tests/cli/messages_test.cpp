#include "cli/messages.h"

#include <doctest/doctest.h>

#include "mlx_vision/error.h"

using mlx_vision::ImagePart;
using mlx_vision::MediaError;
using mlx_vision::RequestError;
using mlx_vision::TextPart;
using mlx_vision::cli::parse_messages;

namespace {

// A 2 x 1 picture, red and green.
constexpr const char* kTiny =
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP4z8DA8J8BAAf/Af8Bf4mnAAAAAElFTkSuQmCC";

std::string message(const std::string& json) {
  try {
    parse_messages(json);
  } catch (const RequestError& e) {
    return e.what();
  }
  return "no error";
}

std::string of_part(const std::string& part) {
  return message(R"([{"role": "user", "content": [)" + part + "]}]");
}

std::string text_of(const mlx_vision::Part& part) { return std::get<TextPart>(part).text; }

}  // namespace

TEST_CASE("messages keep roles, parts and their order") {
  const std::string url = std::string(R"({"url": ")").append(kTiny).append("\"}");
  const auto chat = parse_messages(R"([{"role": "system", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "Before"}, {"type": "image_url", "image_url": )" +
                                   url + R"(}, {"type": "text", "text": "after"}]}])");
  REQUIRE(chat.messages.size() == 2);
  CHECK_FALSE(chat.place_images_by_family);
  CHECK(chat.messages[0].role == "system");
  CHECK(text_of(chat.messages[0].parts.at(0)) == "Be brief.");
  REQUIRE(chat.messages[1].parts.size() == 3);
  CHECK(text_of(chat.messages[1].parts[0]) == "Before");
  const auto& image = std::get<ImagePart>(chat.messages[1].parts[1]);
  CHECK(image.image.width() == 2);
  CHECK(image.image.height() == 1);
  CHECK(image.source == "messages[1].content[1]");
}

TEST_CASE("an image may be written in OpenAI's and in transformers' ways") {
  for (const char* key : {R"("type": "image_url", "image_url")", R"("type": "image", "image")",
                          R"("type": "image", "path")", R"("type": "image", "url")"}) {
    std::string json = R"({"messages": [{"role": "user", "content": [{)";
    json.append(key).append(": \"").append(kTiny).append(R"("}]}]})");
    CHECK(std::holds_alternative<ImagePart>(parse_messages(json).messages.at(0).parts.at(0)));
  }
}

TEST_CASE("relative images are looked up beside the file") {
  const std::filesystem::path folder = std::filesystem::path(TESTS_DIR) / "fixtures";
  const auto json = R"([{"role": "user", "content": [{"type": "image", "image": "images/gray_50x45.png"}]}])";
  const auto image = std::get<ImagePart>(parse_messages(json, folder).messages.at(0).parts.at(0));
  CHECK(image.image.width() == 50);
  CHECK_THROWS_AS(parse_messages(json, "/nowhere"), MediaError);
}

TEST_CASE("errors name the field, what was expected and what was found") {
  CHECK(message("[").starts_with("messages: not valid JSON: "));
  CHECK(message("3") == "messages: wrong type, expected a list, got 3");
  CHECK(message("[]") == "messages: expected at least one message, got an empty list");
  CHECK(message("[1]") == "messages[0]: wrong type, expected an object, got 1");
  CHECK(message(R"([{"content": ""}])") == "messages[0].role: required field is missing, expected a text");
  CHECK(message(R"([{"role": "robot", "content": ""}])") ==
        "messages[0].role: expected system, user, assistant or tool, got \"robot\"");
  CHECK(message(R"([{"role": "user"}])") ==
        "messages[0].content: required field is missing, expected a text or a list");
  CHECK(message(R"([{"role": "user", "content": 4}])") ==
        "messages[0].content: wrong type, expected a text or a list, got 4");
  CHECK(message(R"([{"role": "user", "content": "", "tool_calls": []}])") ==
        "messages[0].tool_calls: this field is not supported");
  CHECK(message(R"({"messages": [], "temperature": 1})") ==
        "messages file.temperature: this field is not supported");
}

TEST_CASE("errors of parts") {
  CHECK(of_part("\"x\"") == "messages[0].content[0]: wrong type, expected an object, got \"x\"");
  CHECK(of_part(R"({"type": "audio"})") ==
        "messages[0].content[0].type: expected text, image_url, image, video_url or video, got \"audio\"");
  CHECK(of_part(R"({"type": "text"})") ==
        "messages[0].content[0].text: required field is missing, expected a text");
  CHECK(of_part(R"({"type": "image"})") ==
        "messages[0].content[0]: an image part needs \"image\", \"path\" or \"url\"");
  CHECK(of_part(R"({"type": "image_url", "image_url": {"url": 1}})") ==
        "messages[0].content[0].image_url.url: wrong type, expected a text, got 1");
  CHECK(of_part(R"({"type": "image_url", "image_url": "http://x/y"})")
            .starts_with("messages[0].content[0]: images are not fetched over http(s)"));
}
