#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace mlx_vision::text {

/// All that the bridge needs to build a checkpoint's tokenizer.
struct TokenizerFiles {
  std::string source;              ///< name of the file with the vocabulary, for errors
  std::string json;                ///< tokenizer.json's text, or another format converted to it
  nlohmann::ordered_json changes;  ///< what transformers does on top, in the bridge's terms
  SpecialTokens special;
};

/// Reads tokenizer.json (or tokenizer.model, tiktoken.model, vocab.json + merges.txt), tokenizer_config.json,
/// special_tokens_map.json and added_tokens.json. @throws ConfigError naming the file and the fault.
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder, std::string_view model_type);

/// An object of a JSON file that may be absent (then empty). @throws ConfigError
nlohmann::ordered_json read_json_object(const std::filesystem::path& path);

}  // namespace mlx_vision::text
