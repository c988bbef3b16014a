#include "processing/prompt_builder.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr std::size_t kMostThreads = 8;

/// Calls `work(0) … work(count - 1)`, each once, on this thread and some more, and returns when all are done.
/// The exception of the lowest index is rethrown.
template <class Work>
void for_each_in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(count);
  const auto drain = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < count;) {
      try {
        work(i);
      } catch (...) {  // carried to the caller's thread below
        errors[i] = std::current_exception();
      }
    }
  };
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::future<void>> helpers;
  try {
    for (std::size_t i = 1; i < std::min({count, cores, kMostThreads}); ++i)
      helpers.push_back(std::async(std::launch::async, drain));
  } catch (const std::system_error&) {
    // No further thread to be had: those that run do the work.
  }
  drain();
  for (auto& helper : helpers) helper.get();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

[[noreturn]] void fail_for(std::size_t index, const std::string& source, const char* why) {
  std::string text = "image " + std::to_string(index + 1);
  if (!source.empty()) text.append(" (").append(source).append(")");
  throw MediaError(text.append(": ").append(why));
}

}  // namespace

PromptBuilder::PromptBuilder(Parts parts) : parts_(std::move(parts)) {}

std::string PromptBuilder::render(const Chat& chat, std::optional<bool> enable_thinking) const {
  if (chat.messages.empty()) throw RequestError("messages: expected at least one message, got none");
  const nlohmann::ordered_json messages = to_template_messages(chat, parts_.rule);
  if (!parts_.chat_template) return plain_prompt(messages, parts_.processor->placeholder());
  return parts_.chat_template->render(messages, {.add_generation_prompt = true,
                                                 .enable_thinking = enable_thinking.value_or(false),
                                                 .now_seconds = std::nullopt});
}

Prompt PromptBuilder::build(const Chat& chat, std::optional<bool> enable_thinking) const {
  return build_raw(render(chat, enable_thinking), images_of(chat));
}

Prompt PromptBuilder::build_raw(std::string rendered, const std::vector<ImagePart>& images) const {
  Prompt prompt{.text = std::move(rendered), .ids = {}, .images = prepare(images)};
  prompt.ids = encode(expand_placeholders(prompt.text, parts_.processor->placeholder(), prompt.images));
  return prompt;
}

std::vector<ImageInput> PromptBuilder::prepare(const std::vector<ImagePart>& images) const {
  std::vector<ImageInput> out(images.size());
  for_each_in_parallel(images.size(), [&](std::size_t i) {
    try {
      out[i] = parts_.processor->prepare(images[i].image, int(images.size()));
    } catch (const MediaError& error) {
      fail_for(i, images[i].source, error.what());
    }
  });
  return out;
}

std::vector<std::int32_t> PromptBuilder::encode(std::string_view text) const {
  const std::string& bos = parts_.tokenizer.special().bos;
  const bool has_bos = !bos.empty() && text.starts_with(bos);
  return parts_.tokenizer.encode(text, !has_bos);
}

std::vector<ImagePart> images_of(const Chat& chat) {
  std::vector<ImagePart> images;
  for (const Message& message : chat.messages)
    for (const Part& part : message.parts)
      if (const auto* image = std::get_if<ImagePart>(&part)) images.push_back(*image);
  return images;
}

}  // namespace mlx_vision::processing
