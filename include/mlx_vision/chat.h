#pragma once
#include <string>
#include <variant>
#include <vector>

#include "mlx_vision/image.h"
#include "mlx_vision/video.h"

namespace mlx_vision {

/// A picture at its place in a message. `source` (a path or a name) appears in errors only.
struct ImagePart {
  Image image;
  std::string source;
};

/// A video at its place in a message.
struct VideoPart {
  Video video;
  std::string source;
  VideoSampling sampling = {};
};

struct TextPart {
  std::string text;
};

/// Parts keep their order: a picture stands where the message holds it.
using Part = std::variant<TextPart, ImagePart, VideoPart>;

struct Message {
  std::string role;  ///< "system", "user", "assistant" or "tool"
  std::vector<Part> parts;
};

struct Chat {
  std::vector<Message> messages;
  /// True when `messages` came as one prompt plus a list of images, so that the images stand where the model
  /// family's own rule puts them (some before the text, some after) rather than where the parts are.
  bool place_images_by_family = false;
};

}  // namespace mlx_vision
