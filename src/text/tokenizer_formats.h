#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mlx_vision::text {

/// A vocabulary in another format than tokenizer.json, converted to that.
struct ConvertedTokenizer {
  std::string source;                           ///< the file it came from
  std::string json;                             ///< text of a tokenizer.json
  std::vector<nlohmann::ordered_json> special;  ///< added tokens that the file itself declares
  std::array<std::string, 3> defaults;  ///< bos, eos and unk tokens where the configuration names none
};

/// What decides how a vocabulary is read.
struct FormatContext {
  bool has_class = false;                     ///< a known class builds the tokenizer (always from BPE)
  std::string_view hub_class;                 ///< tokenizer_config.json's tokenizer_class
  std::map<std::int64_t, std::string> added;  ///< its added_tokens_decoder
};

/// Converts the first of tokenizer.model, tiktoken.model and vocab.json + merges.txt that the folder has, as
/// transformers 5.23 does. @throws ConfigError naming what is missing or wrong.
ConvertedTokenizer convert_tokenizer(const std::filesystem::path& folder, const FormatContext& context);

}  // namespace mlx_vision::text
