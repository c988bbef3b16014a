#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mlx_vision/chat.h"
#include "processing/processor.h"
#include "processing/video.h"

namespace mlx_vision::processing {

/// What has a place in a prompt besides text.
using Media = std::variant<ImagePart, VideoPart>;

/// An image or a video's frame by its size, as seen; `source` appears in errors only.
struct PictureSize {
  Size size;
  std::string source;
  std::int64_t undecoded_pixels = 0;     ///< Image::undecoded_pixels
  std::optional<VideoTimes> video = {};  ///< of a video: its frames
};
/// @throws RequestError naming a video that this model does not take, or whose sampling makes no sense
std::vector<PictureSize> sizes_of(const ImageProcessor& processor, const std::vector<Media>& media);

/// What prepare_images() would make of pictures of these sizes. @throws MediaError naming the image
std::vector<PreparedSize> plan_images(const ImageProcessor& processor,
                                      const std::vector<PictureSize>& pictures);

/// Prepares every image and video, several at a time on up to 8 threads, and keeps their order; `pictures`
/// are sizes_of() them. A video may give several inputs.
/// @throws MediaError naming the image: "image 2 (cat.png): …"; the first one's where several fail.
std::vector<ImageInput> prepare_images(const ImageProcessor& processor, const std::vector<Media>& media,
                                       const std::vector<PictureSize>& pictures);

}  // namespace mlx_vision::processing
