#include "pictures.h"

#include <algorithm>
#include <cstdio>
// jpeglib.h uses what cstdio declares and does not include it
#include <jpeglib.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "mlx_vision/image.h"

namespace mlx_vision {

namespace {

constexpr int kQuality = 90;

/// About normal, standard deviation 4: a sum of uniform numbers, since std::normal_distribution differs
/// between standard libraries.
int grain(std::mt19937& random) {
  std::uint32_t sum = 0;
  for (const std::uint32_t bits = random(); const int shift : {0, 8, 16, 24}) sum += bits >> shift & 0xff;
  return (int(sum) - 510) / 37;
}

Image photograph() {
  std::mt19937 random(7);
  std::vector<std::uint8_t> coarse(std::size_t(64) * 48 * 3);
  for (auto& value : coarse) value = std::uint8_t(random() >> 24);
  const Image smooth = Image::from_rgb(64, 48, std::move(coarse)).resized(4032, 3024, Filter::bicubic);
  std::vector<std::uint8_t> pixels(smooth.pixels().begin(), smooth.pixels().end());
  for (std::size_t pixel = 0; pixel < pixels.size(); pixel += 3) {
    const int light = grain(random);
    for (std::size_t i = pixel; i < pixel + 3; ++i)
      pixels[i] = std::uint8_t(std::clamp(int(pixels[i]) + light, 0, 255));
  }
  return Image::from_rgb(smooth.width(), smooth.height(), std::move(pixels));
}

void write_jpeg(const std::filesystem::path& path, const Image& image) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);  // its handler ends the program, which is right here
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = JDIMENSION(image.width());
  jpeg.image_height = JDIMENSION(image.height());
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, kQuality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(image.row(int(jpeg.next_scanline)));  // libjpeg only reads it
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(bytes, &std::free);
  jpeg_destroy_compress(&jpeg);

  const std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "wb"), &std::fclose);
  if (!file || std::fwrite(bytes, 1, size, file.get()) != size || std::fflush(file.get()) != 0)
    throw std::runtime_error(path.string().append(": expected a file that can be written"));
}

}  // namespace

void write_pictures(const std::filesystem::path& folder) {
  const Image large = photograph();
  write_jpeg(folder / "large.jpg", large);
  write_jpeg(folder / "small.jpg", large.resized(1024, 768, Filter::lanczos));
}

}  // namespace mlx_vision
