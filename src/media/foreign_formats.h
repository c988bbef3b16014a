#pragma once
#include <string_view>

#include "media/codec.h"

namespace mlx_vision::media {

/// What a file is that this library does not decode, in words for an error: "a Windows cursor", …, "other
/// data".
std::string_view foreign_format(Bytes bytes);

}  // namespace mlx_vision::media
