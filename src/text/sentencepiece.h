#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mlx_vision::text {

/// A piece of a SentencePiece vocabulary; its place in the list is its id.
struct SentencePiece {
  std::string text;  ///< UTF-8
  float score = 0;
  int type = 1;  ///< 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
};

/// The parts of sentencepiece_model.proto (ModelProto) that tokenization needs; defaults are the proto's.
struct SentencePieceModel {
  std::vector<SentencePiece> pieces;
  bool unigram = true;  ///< trainer_spec.model_type: 1 unigram, 2 BPE; others are refused
  bool byte_fallback = false;
  int unk_id = 0, bos_id = 1, eos_id = 2;
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>";
  std::string charsmap;  ///< normalizer_spec.precompiled_charsmap, binary
};

/// Parses a tokenizer.model. @throws ConfigError starting with `name` if `bytes` is no such file.
SentencePieceModel parse_sentencepiece(std::string_view bytes, const std::string& name);

}  // namespace mlx_vision::text
