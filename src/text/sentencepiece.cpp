#include "text/sentencepiece.h"

#include <bit>

#include "mlx_vision/error.h"

namespace mlx_vision::text {

namespace {

/// Fields of one protobuf message, in order. https://protobuf.dev/programming-guides/encoding/
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (bytes_.empty()) return false;
    const std::uint64_t key = varint();
    field_ = int(key >> 3 & 0x1fffffff);
    number_ = 0;
    text_ = {};
    switch (key & 7) {
      case 0:
        number_ = varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        text_ = take(varint());
        break;
      case 5:
        text_ = take(4);
        break;
      default:
        fail();
    }
    return true;
  }

  int field() const { return field_; }
  std::string_view text() const { return text_; }
  bool flag() const { return number_ != 0; }

  /// @throws ConfigError outside int32.
  int integer() const {
    const auto value = std::int64_t(number_);
    if (value < INT32_MIN || value > INT32_MAX) fail();
    return int(value);
  }

  float real() const {
    if (text_.size() != 4) fail();
    std::uint32_t bits = 0;
    for (int i = 3; i >= 0; --i) bits = bits << 8 | std::uint8_t(text_[i]);
    return std::bit_cast<float>(bits);
  }

  [[noreturn]] void fail() const { throw ConfigError(name_ + ": expected a SentencePiece model"); }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) fail();
      const auto byte = std::uint8_t(bytes_.front());
      bytes_.remove_prefix(1);
      value |= std::uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    fail();
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size()) fail();
    const std::string_view out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return out;
  }

  std::string_view bytes_;
  const std::string& name_;
  int field_ = 0;
  std::uint64_t number_ = 0;
  std::string_view text_;
};

SentencePiece parse_piece(std::string_view bytes, const std::string& name) {
  SentencePiece out;
  for (WireReader reader(bytes, name); reader.next();) {
    if (reader.field() == 1) out.text = reader.text();
    if (reader.field() == 2) out.score = reader.real();
    if (reader.field() == 3) out.type = reader.integer();
  }
  return out;
}

void parse_trainer(std::string_view bytes, const std::string& name, SentencePieceModel& out) {
  for (WireReader reader(bytes, name); reader.next();) {
    switch (reader.field()) {
      case 3:
        if (reader.integer() != 1 && reader.integer() != 2)
          throw ConfigError(name + ": model type " + std::to_string(reader.integer()) +
                            " is not supported; known: 1 (unigram), 2 (BPE)");
        out.unigram = reader.integer() == 1;
        break;
      case 35:
        out.byte_fallback = reader.flag();
        break;
      case 40:
        out.unk_id = reader.integer();
        break;
      case 41:
        out.bos_id = reader.integer();
        break;
      case 42:
        out.eos_id = reader.integer();
        break;
      case 45:
        out.unk_piece = reader.text();
        break;
      case 46:
        out.bos_piece = reader.text();
        break;
      case 47:
        out.eos_piece = reader.text();
        break;
      default:
        break;
    }
  }
}

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes, const std::string& name) {
  SentencePieceModel out;
  for (WireReader reader(bytes, name); reader.next();) {
    if (reader.field() == 1) out.pieces.push_back(parse_piece(reader.text(), name));
    if (reader.field() == 2) parse_trainer(reader.text(), name, out);
    if (reader.field() == 3) {
      for (WireReader spec(reader.text(), name); spec.next();)
        if (spec.field() == 2) out.charsmap = spec.text();
    }
  }
  if (out.pieces.empty())
    throw ConfigError(name + ": expected a SentencePiece model, got one without pieces");
  return out;
}

}  // namespace mlx_vision::text
