#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

#include "media/codec.h"
#include "media/forced_target.h"
#include "media/jpeg_kernels.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;

namespace {

using Octets = std::vector<std::uint8_t>;

#ifdef MLX_VISION_SANITIZED
constexpr int kFiles = 120;
#else
constexpr int kFiles = 1500;
#endif

/// What libjpeg says to a file by the plainest way of calling it.
struct Plain {
  Octets pixels;  ///< RGB; empty: refused
  std::string error;
};

/// Errors come back by longjmp, so that this holds whatever must outlive one.
struct PlainDecoder {
  jpeg_decompress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg_source_mgr input = {};
  std::jmp_buf jump = {};
  char message[JMSG_LENGTH_MAX + 64] = {};
  Octets pixels;

  explicit PlainDecoder(const Octets& file) {
    jpeg.err = jpeg_std_error(&errors);
    jpeg.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      auto* self = static_cast<PlainDecoder*>(common->client_data);
      common->err->format_message(common, self->message);
      std::longjmp(self->jump, 1);
    };
    errors.emit_message = [](j_common_ptr, int) {};
    input.init_source = input.term_source = [](j_decompress_ptr) {};
    input.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
    input.skip_input_data = [](j_decompress_ptr at, long count) {
      const auto step = std::min<std::size_t>(std::size_t(std::max(count, 0L)), at->src->bytes_in_buffer);
      at->src->next_input_byte += step;
      at->src->bytes_in_buffer -= step;
    };
    input.resync_to_restart = jpeg_resync_to_restart;
    input.next_input_byte = file.data();
    input.bytes_in_buffer = file.size();
  }
  ~PlainDecoder() { jpeg_destroy_decompress(&jpeg); }
  PlainDecoder(const PlainDecoder&) = delete;
  PlainDecoder& operator=(const PlainDecoder&) = delete;

  [[gnu::noinline]] bool run() {
    if (setjmp(jump) != 0) return false;
    jpeg_create_decompress(&jpeg);
    jpeg.client_data = this;
    jpeg.src = &input;
    if (jpeg_read_header(&jpeg, TRUE) != JPEG_HEADER_OK) return fail("no picture data");
    if (jpeg.num_components != 3) return fail("this is for three components");
    jpeg.out_color_space = JCS_RGB;
    if (jpeg_start_decompress(&jpeg) == FALSE) return fail("the last scan is not there");
    const std::size_t pitch = std::size_t(jpeg.output_width) * 3;
    pixels.resize(pitch * jpeg.output_height);
    while (jpeg.output_scanline < jpeg.output_height) {
      JSAMPROW row = pixels.data() + pitch * jpeg.output_scanline;
      if (jpeg_read_scanlines(&jpeg, &row, 1) == 1) continue;
      std::snprintf(message, sizeof message, "row %u of %u is not there", jpeg.output_scanline,
                    jpeg.output_height);
      return false;
    }
    jpeg_finish_decompress(&jpeg);
    return true;
  }
  bool fail(const char* why) {
    std::snprintf(message, sizeof message, "%s", why);
    return false;
  }
};

Plain decode_plainly(const Octets& file) {
  PlainDecoder decoder(file);
  if (decoder.run()) return {std::move(decoder.pixels), ""};
  return {{}, decoder.message};
}

/// The same by this library.
Plain decode_here(const Octets& file) {
  const DecodeOptions options;
  try {
    return {media::decode_jpeg({file, "file", options}).rgb, ""};
  } catch (const MediaError& error) {
    return {{}, error.what()};
  }
}

struct Recipe {
  int width = 1, height = 1, quality = 90;
  int across = 1, down = 1;  ///< samples of luma for one of colour
  int restart = 0;
  bool progressive = false, arithmetic = false, rgb = false;
  int noise = 0;
};

Recipe random_recipe(std::mt19937& random) {
  const auto below = [&](int limit) { return int(random() % unsigned(limit)); };
  Recipe recipe{.width = 1 + below(70), .height = 1 + below(70), .quality = 30 + below(71)};
  const std::array<std::array<int, 2>, 8> samplings = {
      {{1, 1}, {2, 1}, {2, 2}, {2, 2}, {2, 1}, {1, 2}, {4, 1}, {4, 2}}};
  recipe.across = samplings[random() % samplings.size()][0];
  recipe.down = recipe.across == 1 ? 1 + below(2) : recipe.across == 2 ? 1 + below(2) : 1;
  recipe.restart = below(4) == 0 ? 1 + below(9) : 0;
  recipe.progressive = below(8) == 0;
  recipe.arithmetic = below(12) == 0;
  recipe.rgb = below(12) == 0;
  recipe.noise = std::array{0, 6, 40, 255}[random() % 4];
  if (below(40) == 0) recipe.width += 600, recipe.height += 300;  // two threads
  return recipe;
}

Octets encode(const Recipe& recipe, std::mt19937& random) {
  jpeg_compress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg.err = jpeg_std_error(&errors);  // its handler ends the program, which is right here
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = JDIMENSION(recipe.width);
  jpeg.image_height = JDIMENSION(recipe.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  if (recipe.rgb) jpeg_set_colorspace(&jpeg, JCS_RGB);
  jpeg_set_quality(&jpeg, recipe.quality, TRUE);
  jpeg.comp_info[0].h_samp_factor = recipe.across;
  jpeg.comp_info[0].v_samp_factor = recipe.down;
  jpeg.restart_interval = unsigned(recipe.restart);
  jpeg.arith_code = recipe.arithmetic ? TRUE : FALSE;
  if (recipe.progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  const std::array<int, 3> start = {int(random() % 256), int(random() % 256), int(random() % 256)};
  Octets row(std::size_t(recipe.width) * 3);
  for (int y = 0; y < recipe.height; ++y) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const int grain = recipe.noise > 0 ? int(random() % unsigned(recipe.noise)) - recipe.noise / 2 : 0;
      row[i] = std::uint8_t(std::clamp(start[i % 3] + int(i) / 3 - 2 * y + grain, 0, 255));
    }
    JSAMPROW from = row.data();
    jpeg_write_scanlines(&jpeg, &from, 1);
  }
  jpeg_finish_compress(&jpeg);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(bytes, &std::free);
  jpeg_destroy_compress(&jpeg);
  return {bytes, bytes + size};
}

std::string text_of(const Recipe& r) {
  std::string text = std::to_string(r.width).append("x").append(std::to_string(r.height));
  for (const int value :
       {r.quality, r.across, r.down, r.restart, int(r.progressive), int(r.arithmetic), int(r.rgb), r.noise})
    text.append(" ").append(std::to_string(value));
  return text;
}

/// The same pixels, or refused for the same reason.
bool agrees(const Octets& file, const Plain& plain) {
  const Plain here = decode_here(file);
  if (plain.error.empty()) return here.pixels == plain.pixels;
  return here.pixels.empty() && here.error.find(plain.error) != std::string::npos;
}

}  // namespace

TEST_CASE("every instruction set decodes JPEG files to libjpeg's own pixels") {
  std::mt19937 random(11);
  std::vector<std::pair<Octets, Plain>> files;
  std::vector<std::string> recipes;
  for (int i = 0; i < kFiles; ++i) {
    const Recipe recipe = random_recipe(random);
    const Octets file = encode(recipe, random);
    files.emplace_back(file, decode_plainly(file));
    recipes.push_back(text_of(recipe));
    CHECK_MESSAGE(files.back().second.error == "", recipes.back());
  }
  test::for_each_target([&](const char* target) {
    CAPTURE(target);
    for (std::size_t i = 0; i < files.size(); ++i)
      CHECK_MESSAGE(agrees(files[i].first, files[i].second), recipes[i]);
  });
}

TEST_CASE("damaged JPEG files give libjpeg's pixels or its reason to refuse them") {
  std::mt19937 random(12);
  int refused = 0, shown = 0;
  for (int i = 0; i < 2 * kFiles; ++i) {
    const Recipe recipe = random_recipe(random);
    Octets file = encode(recipe, random);
    const bool cut = random() % 3 == 0;
    if (cut) file.resize(1 + random() % file.size());
    for (unsigned changes = cut ? 0 : 1 + random() % 4; changes > 0; --changes)
      file[2 + random() % (file.size() - 2)] = std::uint8_t(random());
    const Plain plain = decode_plainly(file);
    if (plain.error.find("this is for three") != std::string::npos) continue;
    if (plain.pixels.size() > (1u << 24)) continue;
    ++(plain.error.empty() ? shown : refused);
    CHECK_MESSAGE(agrees(file, plain), text_of(recipe), ": ", plain.error,
                  "; here: ", decode_here(file).error);
  }
  CHECK(refused > kFiles / 4);
  CHECK(shown > kFiles / 4);
}

TEST_CASE("every colour is converted by the formula of jdcolor.c") {
  std::array<std::uint8_t, 256> luma = {};
  for (std::size_t i = 0; i < luma.size(); ++i) luma[i] = std::uint8_t(i);
  Octets samples(luma.begin(), luma.end()), cb(256 + media::kSampleSlack), cr(256 + media::kSampleSlack);
  samples.resize(256 + media::kSampleSlack);
  const auto clip = [](int value) { return std::uint8_t(std::clamp(value, 0, 255)); };
  int tested = 0;
  test::for_each_target([&](const char* target) {
    if (!media::has_jpeg_kernels()) return;  // then libjpeg does it all
    ++tested;
    const std::string name = target;
    CAPTURE(name);
    int differences = 0;
    for (int blue = 0; blue < 256; ++blue)
      for (int red = 0; red < 256; ++red) {
        std::fill(cb.begin(), cb.end(), std::uint8_t(blue));
        std::fill(cr.begin(), cr.end(), std::uint8_t(red));
        std::array<std::uint8_t, 768> rgb = {};
        media::ycc_to_rgb({samples.data(), {cb.data(), cr.data()}, {}}, media::ChromaSampling::full, 256,
                          rgb.data());
        const int u = blue - 128, v = red - 128;
        const std::array shifts = {(91881 * v + 32768) >> 16, (-22554 * u - 46802 * v + 32768) >> 16,
                                   (116130 * u + 32768) >> 16};
        for (int y = 0; y < 256; ++y)
          for (std::size_t c = 0; c < 3; ++c)
            differences += int(rgb[std::size_t(y) * 3 + c] != clip(y + shifts[c]));
      }
    CHECK(differences == 0);
  });
  CHECK(tested > 0);
}
