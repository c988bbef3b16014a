#pragma once
#include <filesystem>
#include <string_view>

#include "mlx_vision/chat.h"

namespace mlx_vision::cli {

/// Turns OpenAI-style messages, a JSON list or an object with a "messages" list, into a chat. Content is a
/// text or a list of parts {"type": "text", "text": …}, {"type": "image_url", "image_url": {"url": …}} and
/// {"type": "image", "image" | "path" | "url": …}; an image is a path, a file:// or a data: URI.
/// Relative paths are looked up in `folder`, then in the working directory.
/// @throws RequestError naming the field, such as `messages[1].content[0].type`; MediaError for an image.
Chat parse_messages(std::string_view json_text, const std::filesystem::path& folder = {});

}  // namespace mlx_vision::cli
