#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mlx_vision::text {

/// Special tokens by their names in tokenizer_config.json / special_tokens_map.json; empty = the file has
/// none.
struct SpecialTokens {
  std::string bos, eos, unk, pad;
  std::vector<std::pair<std::string, std::string>> named;  ///< further ones: "image_token" → "<image>", …
};

/// Turns ids into text as they come, holding back incomplete characters. The pieces add up to what mlx-vlm
/// prints: decode()'s text but for leading spaces (a SentencePiece-like tokenizer's first words lose one
/// each) and for bytes that are no UTF-8 (dropped or U+FFFD by the tokenizer's kind). Ids that no token has
/// give nothing. One per sequence; not for concurrent use. Keeps its tokenizer alive.
class TokenStream {
 public:
  /// The text that this id completes; often empty. @throws RequestError for a negative id.
  std::string push(std::int32_t id);
  /// What is still held back, when generation ends. The stream is then as new.
  std::string flush();

  TokenStream(TokenStream&&) noexcept;
  TokenStream& operator=(TokenStream&&) noexcept;
  ~TokenStream();

 private:
  friend class Tokenizer;
  struct Impl;
  explicit TokenStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A checkpoint's tokenizer, as mlx-vlm's processor holds it: tokenizer.json corrected by the rules of the
/// class that tokenizer_config.json names, or converted from tokenizer.model, tiktoken.model or vocab.json +
/// merges.txt, with the tokens that the configuration and the model's processor add.
/// Immutable, cheap to copy, safe from any thread.
class Tokenizer {
 public:
  /// `model_type` is config.json's, which decides some of transformers' rules.
  /// @throws ConfigError naming the file and the fault.
  static Tokenizer open(const std::filesystem::path& folder, std::string_view model_type);

  /// @throws RequestError if the text is not UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens) const;
  /// Ids that no token has are skipped. @throws RequestError for a negative id.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  std::optional<std::int32_t> id(std::string_view token) const;  ///< @throws RequestError if not UTF-8
  std::optional<std::string> token(std::int32_t id) const;
  int size() const;  ///< added tokens included
  const SpecialTokens& special() const;
  TokenStream stream(bool skip_special_tokens) const;

 private:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace mlx_vision::text
