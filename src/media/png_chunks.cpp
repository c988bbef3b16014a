#include "media/png_chunks.h"

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>

#include "media/byte_reader.h"
#include "media/exif.h"

namespace mlx_vision::media {
namespace {

constexpr std::size_t kTextChunk = 1 << 20;           // Pillow's MAX_TEXT_CHUNK
constexpr std::size_t kTextMemory = kTextChunk * 64;  // and MAX_TEXT_MEMORY

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Cuts off and returns what stands before the first zero; nothing if there is no zero.
std::optional<std::string_view> cut(std::string_view& text) {
  const std::size_t end = text.find('\0');
  if (end == text.npos) return std::nullopt;
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end + 1);
  return part;
}

/// `\nexif\n  length\nhexadecimal lines`, as ImageMagick writes it.
std::vector<std::uint8_t> raw_profile(std::string_view text) {
  for (int i = 0; i < 3; ++i) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (high >= 0) bytes.push_back(std::uint8_t(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

class Scanner {
 public:
  explicit Scanner(const Source& source) : source_(source), in_(source.bytes, true) {}

  PngChunks scan() {
    read_until_data();
    read_data();
    read_rest();
    // An eXIf chunk outweighs the older way, wherever it stands.
    if (!has_exif_) chunks_.exif = raw_exif_;
    return std::move(chunks_);
  }

 private:
  struct Chunk {
    std::string_view name;
    Bytes data;
    bool complete = true;  ///< false: the file ends inside
  };

  /// The chunk at the current place, which moves behind its checksum; nothing where no chunk starts.
  std::optional<Chunk> next() {
    const auto length = in_.u32(at_);
    const std::string_view name = as_text(in_.part(at_ + 4, 4));
    const auto is_word = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
    if (!length || name.empty() || !std::all_of(name.begin(), name.end(), is_word)) return std::nullopt;
    const std::uint64_t begin = at_ + 8, available = in_.size() - begin;
    const std::uint64_t size = std::min<std::uint64_t>(*length, available);
    at_ = begin + *length + 4;
    return Chunk{name, source_.bytes.subspan(begin, size), size == *length};
  }

  void read_until_data();
  void read_data();
  void read_rest();
  void read_chunk(const Chunk& chunk);
  void require_size(const Chunk& chunk, std::size_t least) const;
  void read_header(Bytes data);
  void read_transparency(const Chunk& chunk);
  void read_animation(Bytes data);
  void read_frame(Bytes data);
  void check_sequence(std::uint32_t number);
  void read_profile(Bytes data);
  void read_plain_text(Bytes data);
  void read_compressed_text(Bytes data);
  void read_international_text(Bytes data);
  void keep_exif(Bytes exif);
  void keep_text(std::string_view key, std::string_view value);
  std::optional<std::string> inflate_text(std::string_view data) const;
  void count_text(std::size_t size);

  const Source& source_;
  ByteReader in_;
  std::uint64_t at_ = 8;
  PngChunks chunks_;
  bool has_header_ = false, is_framed_ = false, is_animated_ = false;
  std::optional<std::uint32_t> frames_;
  std::optional<std::uint32_t> sequence_;
  bool has_exif_ = false;
  std::optional<int> raw_exif_;
  std::size_t text_memory_ = 0;
  Chunk first_data_;
};

void Scanner::read_until_data() {
  for (;;) {
    const std::uint64_t start = at_;
    const auto chunk = next();
    if (!chunk) source_.fail("PNG data are damaged: no chunk at byte " + std::to_string(start));
    if (chunk->name == "IEND") source_.fail("PNG data are damaged: no picture before the end chunk");
    if (chunk->name == "IDAT") {
      first_data_ = *chunk;
      break;
    }
    read_chunk(*chunk);
    const std::uint32_t expected =
        std::uint32_t(::crc32_z(0, source_.bytes.data() + start + 4, chunk->data.size() + 4));
    if (in_.u32(at_ - 4) != expected)
      source_.fail("PNG data are damaged: wrong checksum of chunk " + std::string(chunk->name));
  }
  if (!has_header_) source_.fail("PNG data are damaged: no header chunk");
  source_.check_size(chunks_.width, chunks_.height);
  if (!is_framed_) {
    chunks_.data_width = chunks_.width;
    chunks_.data_height = chunks_.height;
  }
  is_animated_ = frames_ && *frames_ + (is_framed_ ? 0 : 1) > 1;
}

void Scanner::read_data() {
  chunks_.data.push_back(first_data_.data);
  chunks_.is_cut = !first_data_.complete;
  for (;;) {
    const std::uint64_t start = at_;
    const auto chunk = next();
    if (chunk && chunk->name == "IDAT") {
      chunks_.data.push_back(chunk->data);
      chunks_.is_cut = !chunk->complete;
      continue;
    }
    at_ = start;
    return;
  }
}

void Scanner::read_rest() {
  while (const auto chunk = next()) {
    if (chunk->name == "IEND" || (chunk->name == "fcTL" && is_animated_)) return;
    read_chunk(*chunk);
  }
}

void Scanner::read_chunk(const Chunk& chunk) {
  if (!chunk.complete) source_.truncated("PNG", "inside chunk " + std::string(chunk.name));
  const auto is = [&](std::string_view name) { return chunk.name == name; };
  if (is("IHDR")) return require_size(chunk, 13), read_header(chunk.data);
  if (is("PLTE") && chunks_.data.empty()) chunks_.palette = chunk.data;
  if (is("tRNS")) return read_transparency(chunk);
  if (is("gAMA")) return require_size(chunk, 4);
  if (is("cHRM")) return require_size(chunk, 32);
  if (is("sRGB")) return require_size(chunk, 1);
  if (is("pHYs")) return require_size(chunk, 9);
  if (is("iCCP")) return read_profile(chunk.data);
  if (is("tEXt")) return read_plain_text(chunk.data);
  if (is("zTXt")) return read_compressed_text(chunk.data);
  if (is("iTXt")) return read_international_text(chunk.data);
  if (is("eXIf")) keep_exif(chunk.data);
  if (is("acTL")) return require_size(chunk, 8), read_animation(chunk.data);
  if (is("fcTL")) return require_size(chunk, 26), read_frame(chunk.data);
  if (is("fdAT")) return require_size(chunk, 4), check_sequence(*ByteReader(chunk.data, true).u32(0));
}

void Scanner::require_size(const Chunk& chunk, std::size_t least) const {
  if (chunk.data.size() < least)
    source_.fail("PNG data are damaged: expected at least " + std::to_string(least) + " bytes in chunk " +
                 std::string(chunk.name) + ", got " + std::to_string(chunk.data.size()));
}

void Scanner::read_header(Bytes data) {
  if (data[11] != 0) source_.fail("PNG data are damaged: unknown filter method " + std::to_string(data[11]));
  if (!chunks_.data.empty()) return;
  const ByteReader in(data, true);
  source_.check_size(*in.u32(0), *in.u32(4));
  chunks_.width = int(*in.u32(0));
  chunks_.height = int(*in.u32(4));
  chunks_.depth = data[8];
  chunks_.colour = data[9];
  chunks_.interlaced = data[12] != 0;
  has_header_ = true;
}

void Scanner::read_transparency(const Chunk& chunk) {
  if (chunks_.colour == 0) require_size(chunk, 2);
  if (chunks_.colour == 2) require_size(chunk, 6);
  if (chunks_.data.empty()) chunks_.transparency = chunk.data;
}

void Scanner::read_animation(Bytes data) {
  const std::uint32_t count = *ByteReader(data, true).u32(0);
  const bool usable = !frames_ && count != 0 && count <= 0x80000000u;
  frames_ = usable ? std::optional(count) : std::nullopt;
}

void Scanner::check_sequence(std::uint32_t number) {
  if (!sequence_ || *sequence_ != number - 1) source_.fail("PNG data are damaged: frames out of sequence");
  sequence_ = number;
}

void Scanner::read_frame(Bytes data) {
  const ByteReader in(data, true);
  if (!sequence_ && *in.u32(0) == 0)
    sequence_ = 0;
  else
    check_sequence(*in.u32(0));
  const std::uint64_t width = *in.u32(4), height = *in.u32(8), left = *in.u32(12), top = *in.u32(16);
  if (left + width > std::uint64_t(chunks_.width) || top + height > std::uint64_t(chunks_.height))
    source_.fail("PNG data are damaged: a frame reaches beyond the picture");
  if (!chunks_.data.empty()) return;
  is_framed_ = true;
  chunks_.left = int(left);
  chunks_.top = int(top);
  chunks_.data_width = int(width);
  chunks_.data_height = int(height);
}

std::optional<std::string> Scanner::inflate_text(std::string_view data) const {
  std::string text(kTextChunk, '\0');
  z_stream stream = {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = uInt(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = uInt(text.size());
  if (inflateInit(&stream) != Z_OK) source_.fail("PNG: no memory to inflate text");
  const int status = inflate(&stream, Z_SYNC_FLUSH);
  const bool is_cut = status == Z_OK && stream.avail_in > 0 && stream.avail_out == 0;
  text.resize(kTextChunk - stream.avail_out);
  inflateEnd(&stream);
  if (is_cut)
    source_.fail("PNG: expected at most " + std::to_string(kTextChunk) + " bytes of compressed text");
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) return std::nullopt;
  return text;
}

void Scanner::count_text(std::size_t size) {
  text_memory_ += size;
  if (text_memory_ > kTextMemory)
    source_.fail("PNG: expected at most " + std::to_string(kTextMemory) + " bytes of text");
}

void Scanner::read_profile(Bytes data) {
  std::string_view rest = as_text(data);
  cut(rest);
  if (rest.empty() || rest[0] != 0)
    source_.fail("PNG data are damaged: unknown compression of the colour profile");
  if (const auto profile = inflate_text(rest.substr(1))) count_text(profile->size());
}

void Scanner::read_plain_text(Bytes data) {
  std::string_view rest = as_text(data);
  const auto key = cut(rest);
  if (!key || key->empty()) return;
  if (*key == "exif")
    keep_exif(data.subspan(data.size() - rest.size()));
  else
    keep_text(*key, rest);
  count_text(rest.size());
}

void Scanner::read_compressed_text(Bytes data) {
  std::string_view rest = as_text(data);
  const auto key = cut(rest);
  if (!key) return;
  if (!rest.empty() && rest[0] != 0) source_.fail("PNG data are damaged: unknown compression of text");
  const std::string text = rest.empty() ? std::string() : inflate_text(rest.substr(1)).value_or("");
  if (!key->empty()) keep_text(*key, text);
  count_text(text.size());
}

void Scanner::read_international_text(Bytes data) {
  std::string_view rest = as_text(data);
  const auto key = cut(rest);
  if (!key || rest.size() < 2) return;
  const bool is_compressed = rest[0] != 0, is_deflated = rest[1] == 0;
  rest.remove_prefix(2);
  if (!cut(rest) || !cut(rest) || (is_compressed && !is_deflated)) return;
  std::optional<std::string> text = is_compressed ? inflate_text(rest) : std::string(rest);
  if (!text) return;
  keep_text(*key, *text);
  count_text(text->size());
}

void Scanner::keep_exif(Bytes exif) {
  has_exif_ = true;
  chunks_.exif = exif_orientation(exif);
}

void Scanner::keep_text(std::string_view key, std::string_view value) {
  if (key == "XML:com.adobe.xmp") chunks_.xmp = xmp_orientation(value);
  if (key == "Raw profile type exif") raw_exif_ = exif_orientation(raw_profile(value));
}

}  // namespace

PngChunks read_png_chunks(const Source& source) { return Scanner(source).scan(); }

}  // namespace mlx_vision::media
