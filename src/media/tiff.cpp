#ifdef MLX_VISION_HAVE_TIFF
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "media/codec.h"
#include "media/convert.h"
#include "media/tiff_directory.h"
#include "media/tiff_format.h"

namespace mlx_vision::media {
namespace {

constexpr tmsize_t kLibraryAllocation = tmsize_t(256) << 20;

/// The file in memory, for libtiff's callbacks, and the first error it reports.
struct Handle {
  Bytes bytes;
  std::uint64_t at = 0;
  std::string error;

  static Handle& of(thandle_t handle) { return *static_cast<Handle*>(handle); }
  static tmsize_t read(thandle_t handle, void* to, tmsize_t size) {
    Handle& file = of(handle);
    if (size <= 0 || file.at >= file.bytes.size()) return 0;
    const std::size_t step = std::min<std::uint64_t>(std::uint64_t(size), file.bytes.size() - file.at);
    std::memcpy(to, file.bytes.data() + file.at, step);
    file.at += step;
    return tmsize_t(step);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    Handle& file = of(handle);
    const std::uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : file.bytes.size();
    return file.at = base + offset;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t handle) { return of(handle).bytes.size(); }
  static int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
    std::string& error = static_cast<Handle*>(user)->error;
    if (!error.empty()) return 1;
    char text[256];
    std::vsnprintf(text, sizeof text, format, arguments);
    error = text;
    return 1;
  }
  static int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }
};

struct Closer {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};

class Reader {
 public:
  explicit Reader(const Source& source) : source_(source), handle_{source.bytes, 0, {}} {
    const std::unique_ptr<TIFFOpenOptions, Closer> options(TIFFOpenOptionsAlloc());
    if (!options) source.fail("TIFF: no memory");
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kLibraryAllocation);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), Handle::on_error, &handle_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), Handle::on_warning, nullptr);
    tiff_.reset(TIFFClientOpenExt("picture", "rmC", &handle_, Handle::read, Handle::write, Handle::seek,
                                  Handle::close, Handle::size, nullptr, nullptr, options.get()));
    if (!tiff_) fail("no directory");
    format_ = read_tiff_format(source, tiff_.get());
  }

  Picture decode() {
    if (format_.jpeg_rgb) TIFFSetField(tiff_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    const ImageInfo info{.format = "TIFF",
                         .mode = std::string(format_.mode),
                         .width = format_.width,
                         .height = format_.height,
                         .orientation = format_.orientation};
    if (source_.header_only) return Picture::header(info);
    Picture picture = Picture::blank(info);
    read_blocks(picture);
    return picture;
  }

 private:
  /// A strip or tile: the part of the picture that it covers, and the bytes from row to row of its samples.
  struct Block {
    std::uint32_t x, y, width, height;  ///< as stored; a tile may reach beyond the picture
    std::size_t pitch;
  };

  [[noreturn]] void fail(const std::string& what) const {
    source_.fail("TIFF data are damaged: " + (handle_.error.empty() ? what : handle_.error));
  }

  void read_blocks(Picture& picture);
  void read_library(Picture& picture);
  std::size_t block_pitch(std::uint32_t width) const;
  const std::uint8_t* raw_block(const Block& block, int plane);
  const std::uint8_t* decoded_block(const Block& block, int plane);
  void check_count(std::uint64_t blocks) const;
  void put_block(const Block& block, Picture& picture);
  const std::uint8_t* interleave(const std::uint8_t* plane, const Block& block, int index);

  const Source& source_;
  Handle handle_;
  std::unique_ptr<TIFF, Closer> tiff_;
  TiffFormat format_;
  std::vector<std::uint8_t> buffer_, planes_;
};

/// Bytes of a row of samples. The library must agree, or its buffers and ours would differ.
std::size_t Reader::block_pitch(std::uint32_t width) const {
  const std::size_t expected = format_.row_bytes(width);
  if (format_.is_raw()) return expected;
  const bool tiled = TIFFIsTiled(tiff_.get());
  const auto pitch = std::size_t(tiled ? TIFFTileRowSize64(tiff_.get()) : TIFFScanlineSize64(tiff_.get()));
  if (pitch != expected)
    fail("rows of " + std::to_string(pitch) + " bytes, expected " + std::to_string(expected));
  return pitch;
}

void Reader::read_blocks(Picture& picture) {
  if (format_.kind == TiffKind::library_rgba) return read_library(picture);
  const auto width = std::uint32_t(format_.width), height = std::uint32_t(format_.height);
  std::uint32_t block_width = width, block_height = height;
  if (TIFFIsTiled(tiff_.get())) {
    TIFFGetField(tiff_.get(), TIFFTAG_TILEWIDTH, &block_width);
    TIFFGetField(tiff_.get(), TIFFTAG_TILELENGTH, &block_height);
  } else {
    TIFFGetField(tiff_.get(), TIFFTAG_ROWSPERSTRIP, &block_height);
    block_height = std::min(block_height, height);
  }
  source_.check_size(block_width, block_height);
  check_count((width + block_width - 1) / block_width * ((height + block_height - 1) / block_height));
  const std::size_t pitch = block_pitch(block_width);
  for (std::uint32_t y = 0; y < height; y += block_height)
    for (std::uint32_t x = 0; x < width; x += block_width)
      put_block({x, y, block_width, block_height, pitch}, picture);
}

/// More strips or tiles than the planes of an uncompressed picture have are a fault to Pillow.
void Reader::check_count(std::uint64_t blocks) const {
  if (!format_.is_raw() || !format_.separate) return;
  const auto entry =
      find_tiff_entry(source_.bytes, TIFFIsTiled(tiff_.get()) ? TIFFTAG_TILEOFFSETS : TIFFTAG_STRIPOFFSETS);
  if (entry && entry->count > blocks * std::uint64_t(format_.samples))
    fail("expected " + std::to_string(blocks) + " blocks a plane, got " + std::to_string(entry->count) +
         " in all");
}

void Reader::put_block(const Block& block, Picture& picture) {
  const std::uint8_t* samples = nullptr;
  for (int plane = 0; plane < (format_.separate ? format_.samples : 1); ++plane) {
    samples = format_.is_raw() ? raw_block(block, plane) : decoded_block(block, plane);
    if (format_.separate) samples = interleave(samples, block, plane);
  }
  const std::size_t pitch = format_.separate ? block.pitch * std::size_t(format_.samples) : block.pitch;
  const std::uint32_t columns = std::min(block.width, std::uint32_t(picture.width) - block.x);
  const std::uint32_t rows = std::min(block.height, std::uint32_t(picture.height) - block.y);
  for (std::uint32_t y = 0; y < rows; ++y)
    convert_tiff_row(format_, samples + y * pitch, picture.row(int(block.y + y)) + 3 * block.x, columns,
                     source_.options.alpha);
}

/// Uncompressed samples, straight from the file; the byte counts are not looked at, as in Pillow.
const std::uint8_t* Reader::raw_block(const Block& block, int plane) {
  TIFF* tiff = tiff_.get();
  const bool tiled = TIFFIsTiled(tiff);
  const std::uint32_t index = tiled ? TIFFComputeTile(tiff, block.x, block.y, 0, std::uint16_t(plane))
                                    : TIFFComputeStrip(tiff, block.y, std::uint16_t(plane));
  const std::uint32_t count = tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  const std::uint32_t rows = std::min(block.height, std::uint32_t(format_.height) - block.y);
  const std::size_t size = block.pitch * rows;
  const std::uint64_t offset = index < count ? TIFFGetStrileOffset(tiff, index) : 0;
  const Bytes file = source_.bytes;
  if (offset == 0 || offset > file.size() || size > file.size() - offset)
    source_.truncated("TIFF", "rows from " + std::to_string(block.y) + " are not there");
  if (!format_.reversed_bits) return file.data() + offset;
  buffer_.assign(file.begin() + std::ptrdiff_t(offset), file.begin() + std::ptrdiff_t(offset + size));
  TIFFReverseBits(buffer_.data(), tmsize_t(buffer_.size()));
  return buffer_.data();
}

const std::uint8_t* Reader::decoded_block(const Block& block, int plane) {
  TIFF* tiff = tiff_.get();
  const std::size_t size = block.pitch * block.height;
  // Some codecs end a block early without an error; what they leave out is black.
  buffer_.assign(size, 0);
  const auto sample = std::uint16_t(plane);
  const tmsize_t got = TIFFIsTiled(tiff) ? TIFFReadTile(tiff, buffer_.data(), block.x, block.y, 0, sample)
                                         : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, block.y, sample),
                                                                buffer_.data(), tmsize_t(size));
  if (got < 0) fail("rows from " + std::to_string(block.y) + " cannot be decoded");
  return buffer_.data();
}

/// Puts one plane among the others, so that a row holds whole pixels.
const std::uint8_t* Reader::interleave(const std::uint8_t* plane, const Block& block, int index) {
  const std::size_t bytes = std::size_t(format_.bits) / 8, samples = std::size_t(format_.samples);
  if (format_.bits % 8 != 0) fail("planes of less than 8 bits");
  planes_.resize(block.pitch * block.height * samples);
  const std::uint32_t rows = std::min(block.height, std::uint32_t(format_.height) - block.y);
  for (std::size_t i = 0; i < block.pitch / bytes * rows; ++i)
    std::memcpy(planes_.data() + (i * samples + std::size_t(index)) * bytes, plane + i * bytes, bytes);
  return planes_.data();
}

struct RgbaImage {
  TIFFRGBAImage image = {};
  bool open = false;
  ~RgbaImage() {
    if (open) TIFFRGBAImageEnd(&image);
  }
};

void Reader::read_library(Picture& picture) {
  char message[1024] = "";
  RgbaImage rgba;
  rgba.open =
      TIFFRGBAImageOK(tiff_.get(), message) && TIFFRGBAImageBegin(&rgba.image, tiff_.get(), 1, message);
  if (!rgba.open) fail(message);
  rgba.image.req_orientation = rgba.image.orientation = ORIENTATION_TOPLEFT;
  std::uint32_t rows = 0;
  if (!TIFFGetField(tiff_.get(), TIFFIsTiled(tiff_.get()) ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, &rows))
    rows = 0;
  const auto width = std::size_t(picture.width);
  const auto height = std::uint32_t(picture.height);
  rows = rows == 0 ? height : std::min(rows, height);
  std::vector<std::uint32_t> raster(width * rows);
  for (std::uint32_t y = 0; y < height; y += rows) {
    const std::uint32_t count = std::min(rows, height - y);
    rgba.image.row_offset = int(y);
    rgba.image.col_offset = 0;
    if (!TIFFRGBAImageGet(&rgba.image, raster.data(), std::uint32_t(width), count))
      fail("rows from " + std::to_string(y) + " cannot be decoded");
    std::uint8_t* out = picture.row(int(y));
    for (std::size_t i = 0; i < width * count; ++i, out += 3) {
      out[0] = std::uint8_t(TIFFGetR(raster[i]));
      out[1] = std::uint8_t(TIFFGetG(raster[i]));
      out[2] = std::uint8_t(TIFFGetB(raster[i]));
    }
  }
}

}  // namespace

Picture decode_tiff(const Source& source) { return Reader(source).decode(); }

}  // namespace mlx_vision::media
#endif  // MLX_VISION_HAVE_TIFF
