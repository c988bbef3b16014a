#include "cli/picture_file.h"

#include "core/lower.h"
#include "core/new_file.h"
#include "mlx_vision/error.h"

namespace mlx_vision::cli {

namespace {

std::string ending(const std::filesystem::path& path) { return core::lower(path.extension().string()); }

}  // namespace

void require_picture_name(const std::string& flag, const std::filesystem::path& path) {
  if (const std::string end = ending(path); end != ".png" && end != ".ppm")
    throw RequestError(flag + ": expected a name that ends in .png or .ppm, got \"" + path.string() + "\"");
}

void write_picture(const std::filesystem::path& path, const Image& image) {
  core::NewFile file(path);
  if (ending(path) == ".ppm") {
    const std::string head =
        "P6\n" + std::to_string(image.width()) + " " + std::to_string(image.height()) + "\n255\n";
    file.write(head.data(), head.size());
    file.write(image.pixels().data(), image.pixels().size());
  } else {
    const auto png = image.to_png();
    file.write(png.data(), png.size());
  }
  file.commit();
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  core::NewFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace mlx_vision::cli
