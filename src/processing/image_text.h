#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/config.h"

namespace mlx_vision::processing {

/// The text of a picture in a prompt.
struct ImageText {
  std::string placeholder;  ///< in the rendered prompt; one for each picture
  std::string token;        ///< stands for one row in the language model
  std::string before = {}, after = {};

  /// before, `count` tokens, after. @throws MediaError as token_run
  std::string expanded(std::int64_t count) const;
};

/// A token's text from a file. @throws ConfigError if it is empty.
std::string read_token(const core::ConfigReader& config, std::string_view key, std::string fallback);

/// A token of a checkpoint whose tokenizer is opened for that model_type.
struct TokenOf {
  std::string_view model_type, token;
};

/// config.json with the token's id as image_token_index, for layouts that leave it to the tokenizer; as it is
/// where the folder's tokenizer has no such token. @throws ConfigError
core::ConfigReader with_token_id(const core::ConfigReader& config, const std::filesystem::path& folder,
                                 const TokenOf& of);

/// @throws MediaError beyond a million: no model reads that, and a hostile file may ask.
void check_token_count(std::int64_t count);

/// `token`, `count` times. @throws MediaError as check_token_count.
std::string token_run(std::string_view token, std::int64_t count);

}  // namespace mlx_vision::processing
