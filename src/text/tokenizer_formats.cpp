#include "text/tokenizer_formats.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "core/files.h"
#include "mlx_vision/error.h"
#include "text/sentencepiece.h"

namespace mlx_vision::text {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxVocabularyBytes = 64ull << 20;  // the largest known one has 4 MB
constexpr std::size_t kMaxPiece = 1024;                     // bytes; the longest known one has 93

using Ids = std::unordered_map<std::string, std::int64_t>;

struct Merge {
  std::int64_t rank, left_id, right_id;
  std::size_t left_size;
  std::string left, right;
};

bool starts_character(char c) { return (std::uint8_t(c) & 0xc0) != 0x80; }

/// All ways in which two tokens make a third one, as [left, right] in order of the third one's id.
/// `characters`: tokens are UTF-8 and split between characters only, shorter left parts first; otherwise they
/// are bytes and splits follow the ids of their parts. (tokenization_utils_base.py, generate_merges;
/// convert_slow_tokenizer.py, TikTokenConverter)
std::vector<Merge> find_merges(const Ids& ids, bool characters, const std::string& source) {
  std::vector<Merge> out;
  for (const auto& [token, id] : ids) {
    if (token.size() > kMaxPiece)
      throw ConfigError(source + ": expected tokens of at most " + std::to_string(kMaxPiece) +
                        " bytes, got " + std::to_string(token.size()));
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      if (characters && !starts_character(token[cut])) continue;
      const auto left = ids.find(token.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(token.substr(cut));
      if (right == ids.end()) continue;
      out.push_back({id, left->second, right->second, cut, left->first, right->first});
    }
  }
  std::sort(out.begin(), out.end(), [&](const Merge& a, const Merge& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (characters) return a.left_size < b.left_size;
    return std::pair(a.left_id, a.right_id) < std::pair(b.left_id, b.right_id);
  });
  return out;
}

Json tokenizer_json(Json model) {
  return {{"version", "1.0"},         {"added_tokens", Json::array()}, {"normalizer", nullptr},
          {"pre_tokenizer", nullptr}, {"post_processor", nullptr},     {"decoder", nullptr},
          {"model", std::move(model)}};
}

std::string dumped(const Json& json, const std::string& source) {
  try {
    return json.dump();
  } catch (const Json::type_error&) {
    throw ConfigError(source + ": expected tokens in UTF-8, got invalid bytes");
  }
}

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? std::uint8_t(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= count ? kBase64[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t group = 0;
  int bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const std::size_t value = std::string_view(kBase64).find(c);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6 | std::uint32_t(value);
    bits += 6;
    if (bits >= 8) out += char(group >> (bits -= 8) & 0xff);
  }
  return out;
}

Json spm_model(const SentencePieceModel& spm, const FormatContext& context, const std::string& source) {
  if (spm.unigram && !context.has_class) {
    Json vocab = Json::array();
    for (const SentencePiece& piece : spm.pieces) vocab.push_back({piece.text, double(piece.score)});
    return {{"type", "Unigram"},
            {"unk_id", spm.unk_id},
            {"vocab", std::move(vocab)},
            {"byte_fallback", spm.byte_fallback}};
  }
  Ids ids;
  for (std::size_t i = 0; i < spm.pieces.size(); ++i) ids[spm.pieces[i].text] = std::int64_t(i);
  Json merges = Json::array();
  for (const Merge& merge : find_merges(ids, true, source)) merges.push_back({merge.left, merge.right});
  Json vocab = Json::object();
  std::vector<std::pair<std::int64_t, std::string>> by_id;
  for (const auto& [token, id] : ids) by_id.emplace_back(id, token);
  std::sort(by_id.begin(), by_id.end());
  auto& fields =
      vocab.get_ref<Json::object_t&>();  // appended to directly: operator[] searches from the front
  for (auto& [id, token] : by_id) {
    // Placeholders of the vocabulary that the configuration gives a name.
    const auto renamed = context.added.find(id);
    const bool rename =
        !context.has_class && renamed != context.added.end() && !ids.contains(renamed->second);
    fields.emplace_back(rename ? renamed->second : token, id);
  }
  return {{"type", "BPE"},
          {"unk_token", spm.unk_piece},
          {"fuse_unk", true},
          {"byte_fallback", spm.byte_fallback},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

// convert_slow_tokenizer.py: SentencePieceExtractor.extract, SpmConverter.build_tokenizer_from_spm_proto
ConvertedTokenizer convert_sentencepiece(std::string_view bytes, const FormatContext& context) {
  ConvertedTokenizer out{.source = "tokenizer.model", .json = {}, .special = {}, .defaults = {}};
  const SentencePieceModel spm = parse_sentencepiece(bytes, out.source);
  Json json = tokenizer_json(spm_model(spm, context, out.source));
  Json to_mark = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  Json normalizers = Json::array();
  if (!spm.charsmap.empty())
    normalizers.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(spm.charsmap)}});
  normalizers.push_back(std::move(to_mark));
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}};
  Json decoders = Json::array({{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}}});
  if (spm.byte_fallback) {
    decoders.push_back({{"type", "ByteFallback"}});
    decoders.push_back({{"type", "Fuse"}});
  }
  json["decoder"] = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
  out.json = dumped(json, out.source);
  for (const SentencePiece& piece : spm.pieces) {
    if (piece.type != 3 && piece.type != 4) continue;
    out.special.push_back({{"content", piece.text}, {"normalized", false}, {"special", piece.type == 3}});
  }
  if (!context.has_class) {
    if (spm.bos_id >= 0) out.defaults[0] = spm.bos_piece;
    if (spm.eos_id >= 0) out.defaults[1] = spm.eos_piece;
    if (spm.unk_id >= 0) out.defaults[2] = spm.unk_piece;
  }
  return out;
}

/// A byte in GPT-2's alphabet of printable characters, in UTF-8.
std::string printable(std::uint8_t byte) {
  const bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
  unsigned code = byte;
  if (!itself) code = 0x100u + (byte <= 0x20 ? byte : byte <= 0xa0 ? byte - 0x7f + 0x21u : 0x43u);
  if (code < 0x80) return std::string(1, char(code));
  return {char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))};
}

std::string printable(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += printable(std::uint8_t(byte));
  return out;
}

// convert_slow_tokenizer.py, TikTokenConverter: the pattern of most such files.
constexpr std::string_view kTiktokenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Kimi's: mlx_vlm/models/kimi_k3/processing_kimi_k3.py. Chinese characters stand apart.
constexpr std::string_view kKimiPattern =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Lines of `base64(token) rank`; nothing if the text is no such file.
std::optional<Ids> parse_tiktoken(std::string_view text) {
  Ids out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    auto token = from_base64(line.substr(0, space));
    const std::string_view digits = line.substr(space + 1);
    std::uint32_t rank = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (!token || token->empty() || error != std::errc() || stop != digits.data() + digits.size())
      return std::nullopt;
    out[*std::move(token)] = rank;
  }
  return out.empty() ? std::nullopt : std::optional(std::move(out));
}

// tokenization_utils_tokenizers.py, _convert_from_tiktoken: gaps between the named ids become reserved
// tokens.
std::vector<Json> tiktoken_special(const FormatContext& context, std::int64_t base,
                                   const std::string& source) {
  std::vector<Json> out;
  if (context.added.empty()) return out;
  const std::int64_t last = context.added.rbegin()->first;
  if (last - base > 1 << 20)
    throw ConfigError(source + ": added token id " + std::to_string(last) + " is too large");
  for (std::int64_t id = base; id <= last; ++id) {
    const auto named = context.added.find(id);
    const std::string name =
        named != context.added.end() ? named->second : "<|reserved_token_" + std::to_string(id) + "|>";
    out.push_back({{"content", name}, {"normalized", false}, {"special", true}});
  }
  return out;
}

ConvertedTokenizer convert_tiktoken(const Ids& ranks, const std::string& source,
                                    const FormatContext& context) {
  Json merges = Json::array();
  for (const Merge& merge : find_merges(ranks, false, source))
    merges.push_back({printable(merge.left), printable(merge.right)});
  Json vocab = Json::object();
  auto& fields = vocab.get_ref<Json::object_t&>();
  for (const auto& [token, rank] : ranks) fields.emplace_back(printable(token), rank);
  Json json = tokenizer_json(
      {{"type", "BPE"}, {"ignore_merges", true}, {"vocab", std::move(vocab)}, {"merges", std::move(merges)}});
  const std::string_view pattern = context.hub_class == "TikTokenTokenizer" ? kKimiPattern : kTiktokenPattern;
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}}}};
  json["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  // Part of the tokenizer before the configuration adds its own: ids follow from the order.
  json["added_tokens"] = Json::array();
  std::int64_t id = std::int64_t(ranks.size());
  for (Json token : tiktoken_special(context, id, source)) {
    token["id"] = id++;
    for (const char* flag : {"single_word", "lstrip", "rstrip"}) token[flag] = false;
    json["added_tokens"].push_back(std::move(token));
  }
  return {.source = source, .json = dumped(json, source), .special = {}, .defaults = {}};
}

ConvertedTokenizer convert_vocab_and_merges(const std::filesystem::path& folder) {
  Json merges = Json::array();
  std::istringstream lines(core::read_file(folder / "merges.txt", kMaxVocabularyBytes));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
      throw ConfigError("merges.txt: expected two tokens in a line, got \"" + line.substr(0, 80) + "\"");
    merges.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  // As text: an ordered_json takes quadratic time to read a large object.
  std::string json = R"({"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "merges": )";
  json.append(dumped(merges, "merges.txt")).append(R"(, "vocab": )");
  json.append(core::read_file(folder / "vocab.json", kMaxVocabularyBytes)).append("}}");
  return {.source = "vocab.json", .json = std::move(json), .special = {}, .defaults = {}};
}

}  // namespace

ConvertedTokenizer convert_tokenizer(const std::filesystem::path& folder, const FormatContext& context) {
  std::error_code none;
  for (const char* name : {"tokenizer.model", "tiktoken.model"}) {
    if (!std::filesystem::exists(folder / name, none)) continue;
    const std::string bytes = core::read_file(folder / name, kMaxVocabularyBytes);
    if (const auto ranks = parse_tiktoken(bytes)) return convert_tiktoken(*ranks, name, context);
    return convert_sentencepiece(bytes, context);
  }
  if (context.has_class && std::filesystem::exists(folder / "vocab.json", none) &&
      std::filesystem::exists(folder / "merges.txt", none))
    return convert_vocab_and_merges(folder);
  throw ConfigError(
      folder.filename().string() +
      ": expected tokenizer.json, tokenizer.model, tiktoken.model, or vocab.json and merges.txt "
      "with a known tokenizer_class, got none of them");
}

}  // namespace mlx_vision::text
