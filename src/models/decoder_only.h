#pragma once
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/model.h"
#include "nn/decoder.h"

namespace mlx_vision::models {

/// A sequence of a model whose image rows replace placeholder tokens.
class DecoderSequence : public Sequence {
 public:
  std::vector<mx::array> state() const override;
  std::uint64_t cache_bytes() const override;

  std::vector<std::int32_t> ids;  ///< the prompt, expanded
  /// Rows of all images in order, `[rows, hidden · (1 + depth)]`; dropped after prefill.
  std::optional<mx::array> features;
  std::vector<int> rows_before;        ///< `[prompt + 1]`: image rows that precede each prompt token
  std::vector<nn::MutualRows> mutual;  ///< prompt tokens that see each other both ways, in order
  nn::DecoderCache cache;
};

/// Prefill and decode for families whose image features replace the embeddings of placeholder tokens, over
/// nn::Decoder. Rows wider than the decoder carry features for its first blocks behind them, a width each.
class DecoderOnlyVlm : public Model {
 public:
  std::unique_ptr<Sequence> start(std::vector<std::int32_t> ids,
                                  std::span<const processing::ImageInput> images,
                                  std::vector<mx::array> features) const override;
  std::optional<mx::array> prefill(Sequence& sequence, int count) const override;
  mx::array decode(const mx::array& ids, std::span<Sequence* const> sequences) const override;
  int vocab() const override { return decoder_.spec().vocab; }
  memory::ModelShape shape() const override;

 protected:
  /// `image_token` stands for one row of an image; below 0 for a whole image.
  DecoderOnlyVlm(nn::Decoder decoder, int image_token)
      : decoder_(std::move(decoder)), image_token_(image_token) {}

  const nn::Decoder& decoder() const { return decoder_; }
  int image_token() const { return image_token_; }

  /// Stands for one row of a video; by default as for an image.
  virtual int video_token() const { return image_token_; }

  /// Of the encoder and the projector.
  virtual memory::VisionShape vision_shape() const = 0;
  /// A fresh sequence of the family's own kind; `ids` are checked, the rest is filled by start().
  virtual std::unique_ptr<DecoderSequence> make_sequence(
      std::span<const std::int32_t> ids, std::span<const processing::ImageInput> images) const;
  /// ids `[…]` of text → `[…, hidden]`; by default the decoder's table.
  virtual mx::array embed(const mx::array& ids) const { return decoder_.embed(ids); }
  /// Which tokens of a prompt see each other both ways, in order; by default none.
  virtual std::vector<nn::MutualRows> mutual_rows(std::span<const std::int32_t> ids) const;
  /// Positions of prompt tokens begin … begin + count - 1. `dtype` is that of the embedded tokens.
  virtual nn::Rope::Table prompt_positions(const DecoderSequence& sequence, int begin, int count,
                                           mx::Dtype dtype) const;
  /// Positions of the next token of each sequence.
  virtual nn::Rope::Table next_positions(std::span<Sequence* const> sequences, mx::Dtype dtype) const;

 private:
  std::vector<std::int32_t> expanded(std::vector<std::int32_t> ids,
                                     std::span<const mx::array> features) const;
  mx::array embed_prompt(const DecoderSequence& sequence, int begin, int count) const;
  std::vector<mx::array> added_features(const DecoderSequence& sequence, int begin, int count) const;
  std::optional<mx::array> text_ids(const DecoderSequence& sequence, int begin, int count) const;
  int whole_chunk(const DecoderSequence& sequence, int count) const;

  nn::Decoder decoder_;
  int image_token_;
};

/// Each run of `token` in a prompt.
std::vector<nn::MutualRows> runs_of(std::span<const std::int32_t> ids, int token);

}  // namespace mlx_vision::models
