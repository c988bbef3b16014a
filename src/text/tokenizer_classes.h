#pragma once
#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace mlx_vision::text {

/// Attribute names of special tokens, in transformers' order.
inline constexpr std::array<std::string_view, 7> kSpecialTokenNames = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/// A tokenizer class of transformers that builds its tokenizer itself: from tokenizer.json it takes only the
/// vocabulary, the merges and (mostly) the post-processor.
struct TokenizerClass {
  std::string_view name;
  /// JSON of the parts that it sets. `@prefix` stands for its add_prefix_space, `@scheme` for Metaspace's
  /// prepend scheme, `@strip` for the Strip decoder that goes with a prefix, `@unk` for the unknown token.
  std::string_view parts;
  std::array<std::string_view, 7> special;  ///< defaults, as kSpecialTokenNames; empty: none
  std::string_view around;         ///< fixed post-processor: attribute names around "A"; empty: the file's
  bool prefix_by_default = false;  ///< add_prefix_space when the configuration has none
  bool marks_specials = false;     ///< every named special token becomes an added special token
};

/// What decides about the class.
struct TokenizerIdentity {
  std::string hub_class;     ///< tokenizer_class of tokenizer_config.json, else of config.json; may be empty
  std::string model_type;    ///< of config.json
  bool remote_code = false;  ///< tokenizer_config.json names Python code of the repository
  bool byte_level = false;   ///< tokenizer.json has a ByteLevel part
};

/// The class that AutoTokenizer of transformers 5.23 would build the tokenizer with; null: the generic one,
/// which takes tokenizer.json as it stands. (models/auto/tokenization_auto.py, AutoTokenizer.from_pretrained;
/// code of the repository is never run, its checkpoints load as generic ones.)
const TokenizerClass* find_tokenizer_class(const TokenizerIdentity& identity);

/// What the model's processor adds to its tokenizer, for the bridge: "processor_tokens" and, where the
/// processor writes the text's frame itself, an empty "template".
/// (mlx_vlm/models/<family>/processing_<family>.py)
nlohmann::ordered_json processor_changes(std::string_view model_type);

/// The class's parts for the bridge's "rebuild". `config` is tokenizer_config.json.
nlohmann::ordered_json class_parts(const TokenizerClass& rule, const nlohmann::ordered_json& config,
                                   const std::string& unk_token);

}  // namespace mlx_vision::text
