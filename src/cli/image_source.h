#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mlx_vision/chat.h"

namespace mlx_vision::cli {

/// Where an image is: a file, or the bytes of a file.
using ImageLocation = std::variant<std::filesystem::path, std::vector<std::byte>>;

/// Understands a path, a file:// URI and a data: URI. `place` names the flag or field in errors.
/// @throws RequestError for http(s), other hosts and malformed URIs.
ImageLocation locate_image(const std::string& source, const std::string& place);

/// Reads a picture as Image::open does. A relative path is looked up in `folder` first, when one is given,
/// then in the working directory. @throws RequestError as above, MediaError naming `place`.
ImagePart load_image(const std::string& source, const std::string& place,
                     const std::filesystem::path& folder = {}, const DecodeOptions& options = {});

/// Opens a video file or a folder of frames, as Video::open. @throws as load_image
VideoPart load_video(const std::string& source, const std::string& place, const VideoSampling& sampling,
                     const std::filesystem::path& folder = {});

/// The source for people: without the data of a data: URI.
std::string shown_source(const std::string& source);

/// What its header says. @throws as load_image
ImageInfo probe_image(const std::string& source, const std::string& place);

}  // namespace mlx_vision::cli
