#include "cli/request.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/arguments.h"
#include "cli/image_source.h"
#include "cli/input_file.h"
#include "cli/messages.h"

namespace mlx_vision::cli {

namespace {

std::vector<ImagePart> load_images(const std::vector<std::string>& sources) {
  std::vector<ImagePart> out;
  out.reserve(sources.size());
  for (const auto& source : sources) out.push_back(load_image(source, "--image"));
  return out;
}

std::vector<VideoPart> load_videos(const PromptFlags& flags) {
  std::vector<VideoPart> out;
  for (const auto& source : flags.videos) out.push_back(load_video(source, "--video", flags.sampling));
  return out;
}

bool holds_media(const Chat& chat) {
  return std::any_of(chat.messages.begin(), chat.messages.end(), [](const Message& message) {
    return std::any_of(message.parts.begin(), message.parts.end(),
                       [](const Part& part) { return !std::holds_alternative<TextPart>(part); });
  });
}

// Images and videos beside the messages belong to the last user message, as in mlx_vlm's apply_chat_template.
template <class Kind>
void attach(Chat& chat, std::vector<Kind> media, const std::string& flag) {
  const auto last = std::find_if(chat.messages.rbegin(), chat.messages.rend(),
                                 [](const Message& message) { return message.role == "user"; });
  if (last == chat.messages.rend())
    throw RequestError(flag + ": there is no user message to hold the " + flag.substr(2) + "s");
  last->parts.insert(last->parts.begin(), std::make_move_iterator(media.begin()),
                     std::make_move_iterator(media.end()));
}

void check_flags(const PromptFlags& flags) {
  const int ways = int(!flags.prompts.empty()) + int(flags.messages.has_value()) +
                   int(flags.raw_prompt.has_value()) + int(flags.input_ids.has_value());
  if (ways != 1)
    throw RequestError(std::string(ways == 0 ? "no prompt: " : "several prompts: ") +
                       "give one of --prompt, --messages, --raw-prompt and --input-ids");
  if (!flags.videos.empty() && (flags.raw_prompt || flags.input_ids))
    throw RequestError("--video: goes with --prompt or --messages only");
  if (flags.system && (flags.raw_prompt || flags.input_ids))
    throw RequestError("--system: goes with --prompt or --messages only");
}

void add_bias(const std::string& text, std::map<std::int32_t, float>& bias) {
  const auto fail = [&] { throw RequestError("--logit-bias: expected ID=VALUE, got \"" + text + "\""); };
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) fail();
  std::int32_t id = 0;
  const auto id_end = std::from_chars(text.data(), text.data() + equals, id);
  float value = 0;
  const char* last = text.data() + text.size();
  const auto value_end = std::from_chars(text.data() + equals + 1, last, value);
  if (id_end.ec != std::errc() || id_end.ptr != text.data() + equals || value_end.ec != std::errc() ||
      value_end.ptr != last || std::isnan(value))
    fail();
  if (!bias.emplace(id, value).second)
    throw RequestError("--logit-bias: two values for id " + std::to_string(id));
}

bool fits_id(const nlohmann::json& item) {
  using Limits = std::numeric_limits<std::int32_t>;
  if (item.is_number_unsigned()) return item.get<std::uint64_t>() <= std::uint64_t(Limits::max());
  return item.is_number_integer() && item.get<std::int64_t>() >= Limits::min();
}

}  // namespace

std::vector<std::int32_t> parse_input_ids(std::string_view json) {
  nlohmann::json list;
  try {
    list = nlohmann::json::parse(json);
  } catch (const nlohmann::json::exception& e) {
    throw RequestError(std::string("--input-ids: not valid JSON: ").append(e.what()));
  }
  if (!list.is_array() || list.empty()) throw RequestError("--input-ids: expected a JSON list of token ids");
  std::vector<std::int32_t> ids;
  for (const auto& item : list) {
    if (!fits_id(item))
      throw RequestError("--input-ids[" + std::to_string(ids.size()) + "]: expected a token id, got " +
                         item.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 60));
    ids.push_back(item.get<std::int32_t>());
  }
  return ids;
}

GenerateOptions make_options(const SamplingFlags& flags) {
  GenerateOptions options = flags.options;
  for (const auto& text : flags.logit_bias) add_bias(text, options.sampling.logit_bias);
  for (auto& text : options.stop) text = unescaped(text);
  for (auto& text : options.eos_tokens) text = unescaped(text);
  return options;
}

Chat make_chat(const PromptFlags& flags) {
  check_flags(flags);
  Chat chat;
  if (flags.messages) {
    chat = parse_messages(read_input("--messages", *flags.messages), folder_of(*flags.messages));
    if (flags.has_media() && holds_media(chat))
      throw RequestError((flags.images.empty() ? "--video" : "--image") +
                         std::string(": the messages hold images of their own; give all images in one way"));
  }
  for (const auto& prompt : flags.prompts)
    chat.messages.push_back({"user", {TextPart{read_text("--prompt", prompt)}}});
  if (flags.system) {
    if (!chat.messages.empty() && chat.messages.front().role == "system")
      throw RequestError("--system: the messages begin with a system message of their own");
    chat.messages.insert(chat.messages.begin(), {"system", {TextPart{*flags.system}}});
  }
  if (!flags.images.empty()) attach(chat, load_images(flags.images), "--image");
  if (!flags.videos.empty()) attach(chat, load_videos(flags), "--video");
  chat.place_images_by_family = !flags.messages || flags.has_media();
  return chat;
}

Request make_request(const PromptFlags& flags, const SamplingFlags& sampling) {
  check_flags(flags);
  Request request;
  request.options = make_options(sampling);
  request.options.enable_thinking = flags.enable_thinking;
  if (flags.raw_prompt || flags.input_ids) {
    if (flags.raw_prompt) request.raw_prompt = read_text("--raw-prompt", *flags.raw_prompt);
    if (flags.input_ids) request.input_ids = parse_input_ids(read_input("--input-ids", *flags.input_ids));
    for (auto& part : load_images(flags.images)) request.images.push_back(std::move(part.image));
  } else {
    request.chat = make_chat(flags);
  }
  return request;
}

}  // namespace mlx_vision::cli
