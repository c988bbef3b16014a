#pragma once
#include "media/codec.h"

namespace mlx_vision::media {

/// decode() and a resize of the result in one go, with the same pixels. A JPEG is resampled while it is
/// decoded, so that its full-size frame never exists. The info is that of the file. @throws MediaError
Picture decode_resized(const Source& source, const FittedResize& resize);

}  // namespace mlx_vision::media
