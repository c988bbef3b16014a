#include "models/decoder_only.h"

#include <algorithm>

#include "models/shapes.h"

namespace mlx_vision::models {

std::vector<mx::array> DecoderSequence::state() const {
  std::vector<mx::array> out;
  for (const auto& layer : cache) std::visit([&](const auto& c) { c.append_state(out); }, layer);
  return out;
}

std::uint64_t DecoderSequence::cache_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& layer : cache) sum += std::visit([](const auto& c) { return c.bytes(); }, layer);
  return sum;
}

memory::ModelShape DecoderOnlyVlm::shape() const {
  return {.vision = vision_shape(),
          .text = blocks_shape(decoder_.spec()),
          .vocab = vocab(),
          .element_bytes = int(decoder_.dtype().size())};
}

std::unique_ptr<DecoderSequence> DecoderOnlyVlm::make_sequence(
    std::span<const std::int32_t>, std::span<const processing::ImageInput>) const {
  return std::make_unique<DecoderSequence>();
}

// One id for each row of a picture where the prompt has one for the whole.
std::vector<std::int32_t> DecoderOnlyVlm::expanded(std::vector<std::int32_t> ids,
                                                   std::span<const mx::array> features) const {
  const auto places = std::size_t(std::count(ids.begin(), ids.end(), image_token_));
  if (places != features.size())
    throw RequestError("prompt: " + std::to_string(places) + " places for images (id " +
                       std::to_string(image_token_) + "), got " + std::to_string(features.size()) +
                       " images");
  std::vector<std::int32_t> out;
  std::size_t picture = 0;
  for (const auto id : ids)
    out.insert(out.end(), id == image_token_ ? std::size_t(features[picture++].shape(0)) : 1, id);
  return out;
}

std::unique_ptr<Sequence> DecoderOnlyVlm::start(std::vector<std::int32_t> ids,
                                                std::span<const processing::ImageInput> images,
                                                std::vector<mx::array> features) const {
  if (ids.empty()) throw RequestError("prompt: expected at least one token, got none");
  if (image_token_ < 0) ids = expanded(std::move(ids), features);
  // From here on a video's rows are rows like an image's.
  std::replace(ids.begin(), ids.end(), std::int32_t(video_token()), std::int32_t(image_token_));
  std::vector<int> rows_before{0};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != image_token_ && (ids[i] < 0 || ids[i] >= vocab()))
      throw RequestError("input_ids[" + std::to_string(i) + "]: expected 0.." + std::to_string(vocab() - 1) +
                         ", got " + std::to_string(ids[i]));
    rows_before.push_back(rows_before.back() + (ids[i] == image_token_));
  }
  int rows = 0;
  for (const auto& f : features) rows += f.shape(0);
  if (rows != rows_before.back())
    throw RequestError("prompt: " + std::to_string(rows_before.back()) + " places for image rows (token " +
                       std::to_string(image_token_) + "), the images give " + std::to_string(rows));
  auto sequence = make_sequence(ids, images);
  sequence->mutual = mutual_rows(ids);
  sequence->prompt_length = int(ids.size());
  sequence->ids = std::move(ids);
  sequence->rows_before = std::move(rows_before);
  if (rows > 0) sequence->features = mx::astype(mx::concatenate(std::move(features), 0), decoder_.dtype());
  sequence->cache = decoder_.new_cache();
  return sequence;
}

namespace {

// What `text(from, to)` gives for runs of text, and columns begin … begin + width - 1 of the features for
// runs of image rows, `[1, count, width]`.
template <class Text>
mx::array spliced(const DecoderSequence& s, int image_token, std::pair<int, int> tokens, int column,
                  int width, const Text& text) {
  std::vector<mx::array> runs;
  for (int at = tokens.first; at < tokens.second;) {
    const bool image = s.ids[at] == image_token;
    int to = at + 1;
    while (to < tokens.second && (s.ids[to] == image_token) == image) ++to;
    runs.push_back(
        image ? mx::slice(*s.features, {s.rows_before[at], column}, {s.rows_before[to], column + width})
              : text(at, to));
    at = to;
  }
  return mx::expand_dims(nn::joined(std::move(runs), 0), 0);
}

}  // namespace

// Text embeddings with runs of image rows spliced in, `[1, count, hidden]`.
mx::array DecoderOnlyVlm::embed_prompt(const DecoderSequence& s, int begin, int count) const {
  const auto text = [&](int from, int to) {
    return embed(mx::array(s.ids.begin() + from, {to - from}, mx::int32));
  };
  const int end = begin + count;
  if (!s.features) return mx::expand_dims(text(begin, end), 0);
  return spliced(s, image_token_, {begin, end}, 0, decoder_.spec().hidden, text);
}

// For each block that takes features of its own: those at image rows, zeros at text.
std::vector<mx::array> DecoderOnlyVlm::added_features(const DecoderSequence& s, int begin, int count) const {
  std::vector<mx::array> out;
  const int hidden = decoder_.spec().hidden;
  if (!s.features || s.rows_before[begin] == s.rows_before[begin + count]) return out;
  const auto text = [&](int from, int to) { return mx::zeros({to - from, hidden}, s.features->dtype()); };
  for (int column = hidden; column < s.features->shape(1); column += hidden)
    out.push_back(spliced(s, image_token_, {begin, begin + count}, column, hidden, text));
  return out;
}

// Rows of images are token 0 to blocks that look tokens up.
std::optional<mx::array> DecoderOnlyVlm::text_ids(const DecoderSequence& s, int begin, int count) const {
  if (!decoder_.spec().per_layer) return std::nullopt;
  std::vector<std::int32_t> ids(s.ids.begin() + begin, s.ids.begin() + begin + count);
  std::replace(ids.begin(), ids.end(), std::int32_t(image_token_), 0);
  return mx::array(ids.begin(), {1, count}, mx::int32);
}

// At least `count` tokens, so that none that see each other are parted.
int DecoderOnlyVlm::whole_chunk(const DecoderSequence& s, int count) const {
  int end = std::min(s.processed + count, s.prompt_length);
  for (const auto& rows : s.mutual)
    if (rows.begin < end) end = std::max(end, rows.end);
  return end - s.processed;
}

std::vector<nn::MutualRows> DecoderOnlyVlm::mutual_rows(std::span<const std::int32_t>) const { return {}; }

std::vector<nn::MutualRows> runs_of(std::span<const std::int32_t> ids, int token) {
  std::vector<nn::MutualRows> out;
  for (int i = 0; i < int(ids.size()); ++i) {
    if (ids[i] != token) continue;
    if (out.empty() || out.back().end != i) out.push_back({i, i});
    out.back().end = i + 1;
  }
  return out;
}

nn::Rope::Table DecoderOnlyVlm::prompt_positions(const DecoderSequence&, int begin, int count,
                                                 mx::Dtype dtype) const {
  return decoder_.rope().table_from_offsets(std::vector<int>{begin}, count, dtype);
}

nn::Rope::Table DecoderOnlyVlm::next_positions(std::span<Sequence* const> sequences, mx::Dtype dtype) const {
  std::vector<int> begin;
  for (const auto* s : sequences) begin.push_back(s->processed);
  return decoder_.rope().table_from_offsets(begin, 1, dtype);
}

std::optional<mx::array> DecoderOnlyVlm::prefill(Sequence& sequence, int count) const {
  auto& s = static_cast<DecoderSequence&>(sequence);
  const int begin = s.processed;
  count = whole_chunk(s, count);
  nn::DecoderCache* cache = &s.cache;
  // As the reference, which embeds a prompt whole: with images all of it has the features' type, whatever
  // this chunk holds.
  auto embedded = embed_prompt(s, begin, count);
  if (s.features) embedded = mx::astype(embedded, decoder_.dtype());
  const nn::StepPositions positions{.table = prompt_positions(s, begin, count, embedded.dtype()),
                                    .mutual = s.mutual};
  const auto added = added_features(s, begin, count);
  const auto h = decoder_(std::move(embedded), positions, {&cache, 1},
                          {.added = added, .ids = text_ids(s, begin, count)});
  s.processed += count;
  if (s.processed < s.prompt_length) return std::nullopt;
  s.features.reset();
  const auto last = mx::slice(h, {0, count - 1, 0}, {1, count, h.shape(2)});
  return mx::flatten(decoder_.logits(last));
}

mx::array DecoderOnlyVlm::decode(const mx::array& ids, std::span<Sequence* const> sequences) const {
  const auto embedded = mx::expand_dims(embed(ids), 1);
  const nn::StepPositions positions{.table = next_positions(sequences, embedded.dtype())};
  std::vector<nn::DecoderCache*> caches;
  for (auto* s : sequences) {
    caches.push_back(&static_cast<DecoderSequence*>(s)->cache);
    ++s->processed;
  }
  return decoder_.logits(
      mx::squeeze(decoder_(embedded, positions, caches, {.ids = mx::expand_dims(ids, 1)}), 1));
}

}  // namespace mlx_vision::models
