#include "cli/messages.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "cli/image_source.h"
#include "core/log.h"
#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

using nlohmann::json;

constexpr std::size_t kShownValue = 60;  // characters of an offending value that an error repeats
constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};

[[noreturn]] void fail(const std::string& place, std::string_view why) {
  std::string text = place;
  throw RequestError(text.append(": ").append(why));
}

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= kShownValue) return text;
  std::size_t length = kShownValue;
  while (length > 0 && (text[length] & 0xc0) == 0x80) --length;  // not within a UTF-8 character
  return text.substr(0, length) + "…";
}

std::string at(const std::string& place, std::string_view key) {
  std::string text = place;
  return text.append(".").append(key);
}

std::string at(const std::string& place, std::size_t index) {
  return place + "[" + std::to_string(index) + "]";
}

std::string text_field(const json& object, const char* key, const std::string& place) {
  const auto it = object.find(key);
  if (it == object.end()) fail(at(place, key), "required field is missing, expected a text");
  if (!it->is_string()) fail(at(place, key), "wrong type, expected a text, got " + shown(*it));
  return it->get<std::string>();
}

void refuse_unknown(const json& object, std::initializer_list<std::string_view> known,
                    const std::string& place) {
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      fail(at(place, key), "this field is not supported");
}

// transformers' three spellings of an "image" or a "video".
std::string plain_source(const json& part, const std::string& kind, const std::string& place) {
  for (const auto& key : {kind, std::string("path"), std::string("url")})
    if (part.contains(key)) return text_field(part, key.c_str(), place);
  fail(place, (kind == "image" ? "an " : "a ") + kind + " part needs \"" + kind + "\", \"path\" or \"url\"");
}

// The two spellings of OpenAI ("image_url": {"url": …} or a plain text) and the three of transformers.
std::string image_source(const json& part, const std::string& type, const std::string& place) {
  if (type == "image_url") {
    refuse_unknown(part, {"type", "image_url"}, place);
    const auto it = part.find("image_url");
    if (it == part.end() || !it->is_object()) return text_field(part, "image_url", place);
    const std::string inner = at(place, "image_url");
    refuse_unknown(*it, {"url", "detail"}, inner);
    if (const auto detail = it->find("detail"); detail != it->end() && *detail != "auto")
      core::warn(at(inner, "detail") + " is without effect; use --max-pixels");
    return text_field(*it, "url", inner);
  }
  refuse_unknown(part, {"type", "image", "path", "url"}, place);
  return plain_source(part, "image", place);
}

// As an image's: "video_url": {"url": …}, or "video", "path" or "url".
std::string video_source(const json& part, const std::string& type, const std::string& place) {
  const auto it = part.find("video_url");
  if (type == "video_url" && it != part.end() && it->is_object()) {
    refuse_unknown(*it, {"url"}, at(place, "video_url"));
    return text_field(*it, "url", at(place, "video_url"));
  }
  if (type == "video_url") return text_field(part, "video_url", place);
  return plain_source(part, "video", place);
}

VideoSampling video_sampling(const json& part, const std::string& place) {
  refuse_unknown(part,
                 {"type", "video_url", "video", "path", "url", "fps", "nframes", "min_frames", "max_frames"},
                 place);
  VideoSampling out;
  if (const auto fps = part.find("fps"); fps != part.end()) {
    if (!fps->is_number()) fail(at(place, "fps"), "wrong type, expected a number, got " + shown(*fps));
    out.fps = fps->get<double>();
  }
  const auto read = [&](const char* key, std::optional<int>& value) {
    const auto it = part.find(key);
    if (it == part.end()) return;
    if (!it->is_number_integer())
      fail(at(place, key), "wrong type, expected a whole number, got " + shown(*it));
    value = int(std::clamp<std::int64_t>(it->get<std::int64_t>(), 0, 1 << 30));
  };
  read("nframes", out.frames);
  read("min_frames", out.min_frames);
  read("max_frames", out.max_frames);
  return out;
}

void add_part(std::vector<Part>& parts, const json& part, const std::string& place,
              const std::filesystem::path& folder) {
  if (!part.is_object()) fail(place, "wrong type, expected an object, got " + shown(part));
  const std::string type = text_field(part, "type", place);
  if (type == "text") {
    refuse_unknown(part, {"type", "text"}, place);
    parts.emplace_back(std::in_place_type<TextPart>, text_field(part, "text", place));
  } else if (type == "image_url" || type == "image") {
    parts.emplace_back(std::in_place_type<ImagePart>,
                       load_image(image_source(part, type, place), place, folder));
  } else if (type == "video_url" || type == "video") {
    parts.emplace_back(std::in_place_type<VideoPart>, load_video(video_source(part, type, place), place,
                                                                 video_sampling(part, place), folder));
  } else {
    fail(at(place, "type"),
         "expected text, image_url, image, video_url or video, got " + shown(part["type"]));
  }
}

Message parse_message(const json& message, const std::string& place, const std::filesystem::path& folder) {
  if (!message.is_object()) fail(place, "wrong type, expected an object, got " + shown(message));
  refuse_unknown(message, {"role", "content"}, place);
  Message out{text_field(message, "role", place), {}};
  if (std::find(kRoles.begin(), kRoles.end(), out.role) == kRoles.end())
    fail(at(place, "role"), "expected system, user, assistant or tool, got " + shown(message["role"]));
  const std::string content_place = at(place, "content");
  const auto content = message.find("content");
  if (content == message.end()) fail(content_place, "required field is missing, expected a text or a list");
  if (content->is_string()) {
    out.parts.emplace_back(std::in_place_type<TextPart>, content->get<std::string>());
  } else if (content->is_array()) {
    for (std::size_t i = 0; i < content->size(); ++i)
      add_part(out.parts, (*content)[i], at(content_place, i), folder);
  } else {
    fail(content_place, "wrong type, expected a text or a list, got " + shown(*content));
  }
  return out;
}

}  // namespace

Chat parse_messages(std::string_view json_text, const std::filesystem::path& folder) {
  json document;
  try {
    document = json::parse(json_text);
  } catch (const json::exception& e) {
    throw RequestError(std::string("messages: not valid JSON: ").append(e.what()));
  }
  const json* list = &document;
  if (document.is_object() && document.contains("messages")) {
    refuse_unknown(document, {"messages"}, "messages file");
    list = &document["messages"];
  }
  if (!list->is_array()) fail("messages", "wrong type, expected a list, got " + shown(*list));
  if (list->empty()) fail("messages", "expected at least one message, got an empty list");
  Chat chat;
  for (std::size_t i = 0; i < list->size(); ++i)
    chat.messages.push_back(parse_message((*list)[i], at("messages", i), folder));
  return chat;
}

}  // namespace mlx_vision::cli
