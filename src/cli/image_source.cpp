#include "cli/image_source.h"

#include <cctype>
#include <optional>
#include <system_error>

#include "cli/base64.h"
#include "core/lower.h"
#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

[[noreturn]] void fail(const std::string& place, std::string_view why) {
  std::string text = place;
  throw RequestError(text.append(": ").append(why));
}

bool has_scheme(const std::string& source, std::string_view scheme) {
  return core::lower(std::string_view(source).substr(0, scheme.size())) == scheme;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const int letter = std::tolower(static_cast<unsigned char>(c));
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size() || value(text[i + 1]) < 0 || value(text[i + 2]) < 0) return std::nullopt;
    out.push_back(char(value(text[i + 1]) * 16 + value(text[i + 2])));
    i += 2;
  }
  return out;
}

std::filesystem::path file_uri_path(const std::string& source, const std::string& place) {
  std::string_view rest = std::string_view(source).substr(std::string_view("file://").size());
  const std::size_t slash = rest.find('/');
  const std::string host = core::lower(rest.substr(0, slash));
  if (slash == std::string_view::npos || !(host.empty() || host == "localhost"))
    fail(place, "expected file:///absolute/path, got \"" + source + "\"");
  const auto path = percent_decoded(rest.substr(slash));
  if (!path || path->find('\0') != std::string::npos)
    fail(place, "malformed percent escape in \"" + source + "\"");
  return *path;
}

// RFC 2397: data:[<mediatype>][;base64],<data>
std::vector<std::byte> data_uri_bytes(const std::string& source, const std::string& place) {
  const std::size_t comma = source.find(',');
  if (comma == std::string::npos)
    fail(place, "expected data:image/…;base64,…, got a data: URI without a comma");
  const std::string_view data = std::string_view(source).substr(comma + 1);
  // Some writers escape "+", "/" and "=" of the base64 text.
  const auto plain = percent_decoded(data);
  if (!plain) fail(place, "malformed percent escape in the data: URI");
  if (core::lower(std::string_view(source).substr(0, comma)).ends_with(";base64")) {
    auto bytes = decode_base64(*plain);
    if (!bytes) fail(place, "the data: URI is not valid base64");
    return *std::move(bytes);
  }
  const auto* first = reinterpret_cast<const std::byte*>(plain->data());
  return {first, first + plain->size()};
}

}  // namespace

ImageLocation locate_image(const std::string& source, const std::string& place) {
  if (source.empty()) fail(place, "expected an image file, got an empty text");
  if (has_scheme(source, "http://") || has_scheme(source, "https://"))
    fail(place, "images are not fetched over http(s); download \"" + source + "\" and give the file's path");
  if (has_scheme(source, "file://")) return file_uri_path(source, place);
  if (has_scheme(source, "data:")) return data_uri_bytes(source, place);
  return std::filesystem::path(source);
}

namespace {

using Bytes = std::vector<std::byte>;

// `read` takes the bytes of a data: URI, whose name is the place, or a path.
template <class Read>
auto read_image(const std::string& source, const std::string& place, const std::filesystem::path& folder,
                const Read& read) {
  auto location = locate_image(source, place);
  if (auto* bytes = std::get_if<Bytes>(&location)) return read(std::move(*bytes));
  auto path = std::get<std::filesystem::path>(location);
  std::error_code ignored;
  if (!folder.empty() && path.is_relative() && std::filesystem::exists(folder / path, ignored))
    path = folder / path;
  try {
    return read(path);
  } catch (const MediaError& e) {
    std::string text = place;
    throw MediaError(text.append(": ").append(e.what()));
  }
}

}  // namespace

ImagePart load_image(const std::string& source, const std::string& place, const std::filesystem::path& folder,
                     const DecodeOptions& options) {
  struct Read {
    const std::string& place;
    const DecodeOptions& options;
    ImagePart operator()(Bytes bytes) const {
      return {Image::open_bytes(std::move(bytes), options, place), place};
    }
    ImagePart operator()(const std::filesystem::path& path) const {
      return {Image::open(path, options), path.string()};
    }
  };
  return read_image(source, place, folder, Read{place, options});
}

VideoPart load_video(const std::string& source, const std::string& place, const VideoSampling& sampling,
                     const std::filesystem::path& folder) {
  struct Read {
    const std::string& place;
    const VideoSampling& sampling;
    VideoPart operator()(const Bytes&) const {
      fail(place, "expected a video's file or folder, got a data: URI");
    }
    VideoPart operator()(const std::filesystem::path& path) const {
      return {Video::open(path, sampling.fps.value_or(2)), path.string(), sampling};
    }
  };
  return read_image(source, place, folder, Read{place, sampling});
}

ImageInfo probe_image(const std::string& source, const std::string& place) {
  struct Read {
    const std::string& place;
    ImageInfo operator()(const Bytes& bytes) const { return read_image_info(bytes, {}, place); }
    ImageInfo operator()(const std::filesystem::path& path) const { return read_image_info(path); }
  };
  return read_image(source, place, {}, Read{place});
}

std::string shown_source(const std::string& source) {
  return has_scheme(source, "data:") ? "data: URI" : source;
}

}  // namespace mlx_vision::cli
