#include "mlx_vision/error.h"

namespace mlx_vision {

const char* to_string(ImageProcessingError::Stage stage) {
  switch (stage) {
    case ImageProcessingError::Stage::load:
      return "load";
    case ImageProcessingError::Stage::convert:
      return "convert";
    case ImageProcessingError::Stage::resize:
      return "resize";
    case ImageProcessingError::Stage::normalize:
      break;
  }
  return "normalize";
}

ImageProcessingError::ImageProcessingError(Stage stage, const std::string& cause)
    : MediaError(std::string("mlx: image processing failed at ")
                     .append(to_string(stage))
                     .append(": ")
                     .append(cause)),
      stage_(stage),
      cause_(cause) {}

}  // namespace mlx_vision
