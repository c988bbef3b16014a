#pragma once
#include <string>
#include <vector>

#include "mlx_vision/chat.h"
#include "processing/processor.h"

namespace mlx_vision::processing {

/// A picture by its size, as seen; `source` appears in errors only.
struct PictureSize {
  Size size;
  std::string source;
  std::int64_t undecoded_pixels = 0;  ///< Image::undecoded_pixels
};
std::vector<PictureSize> sizes_of(const std::vector<ImagePart>& images);

/// What prepare_images() would make of pictures of these sizes. @throws MediaError naming the image
std::vector<PreparedSize> plan_images(const ImageProcessor& processor,
                                      const std::vector<PictureSize>& pictures);

/// Prepares every image, several at a time on up to 8 threads, and keeps their order.
/// @throws MediaError naming the image: "image 2 (cat.png): …"; the first one's where several fail.
std::vector<ImageInput> prepare_images(const ImageProcessor& processor, const std::vector<ImagePart>& images);

}  // namespace mlx_vision::processing
