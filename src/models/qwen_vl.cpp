#include "models/qwen_vl.h"

#include <algorithm>

#include "backbones/text_decoders.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

class QwenSequence final : public DecoderSequence {
 public:
  MropePositions positions;
};

backbones::PatchGrid grid_of(const processing::ImageInput& image) {
  const auto& grid = image.array(image.has("video_grid_thw") ? "video_grid_thw" : "image_grid_thw").ints;
  return {int(grid[0]), int(grid[1]), int(grid[2])};
}

mx::array axes_to_array(const std::vector<std::int32_t>& values, int columns) {
  return mx::array(values.begin(), {3, int(values.size()) / 3 / columns, columns}, mx::int32);
}

}  // namespace

MropePositions mrope_positions(std::span<const std::int32_t> ids, int image_token,
                               std::span<const MropeGrid> grids) {
  MropePositions out;
  for (auto& axis : out.axes) axis.reserve(ids.size());
  int next = 0, highest = -1;
  const auto append = [&](int t, int y, int x) {
    out.axes[0].push_back(t);
    out.axes[1].push_back(y);
    out.axes[2].push_back(x);
    highest = std::max({highest, t, y, x});
  };
  std::size_t image = 0;
  for (std::size_t i = 0; i < ids.size();) {
    if (ids[i] != image_token || image == grids.size()) {
      append(next, next, next);
      ++next;
      ++i;
      continue;
    }
    const auto& [g, interval] = grids[image++];
    for (int t = 0; t < g.frames; ++t)
      for (int y = 0; y < g.rows; ++y)
        for (int x = 0; x < g.columns; ++x) append(next + int(float(t) * interval), next + y, next + x);
    i += std::size_t(g.frames) * g.rows * g.columns;
    next += std::max(g.rows, g.columns);
  }
  out.delta = highest + 1 - int(ids.size());
  return out;
}

QwenVl::QwenVl(const backbones::QwenVitSpec& vision, nn::Decoder decoder, const Tokens& tokens,
               const nn::Weights& w)
    : DecoderOnlyVlm(std::move(decoder), tokens.image),
      video_token_(tokens.video),
      spec_(vision),
      vision_(w["vision_tower"], vision) {}

mx::array QwenVl::encode(const processing::ImageInput& image) const {
  const bool video = image.has("pixel_values_videos");
  return vision_(to_array(image.array(video ? "pixel_values_videos" : "pixel_values")), grid_of(image));
}

memory::VisionShape QwenVl::vision_shape() const { return models::vision_shape(spec_); }

std::unique_ptr<DecoderSequence> QwenVl::make_sequence(std::span<const std::int32_t> ids,
                                                       std::span<const processing::ImageInput> images) const {
  std::vector<MropeGrid> grids;
  for (const auto& image : images) {
    const auto g = grid_of(image);
    grids.push_back({.patches = {g.frames, g.rows / spec_.merge, g.columns / spec_.merge},
                     .interval = image.has("time_interval") ? image.array("time_interval").floats[0] : 1});
  }
  auto sequence = std::make_unique<QwenSequence>();
  sequence->positions = mrope_positions(ids, image_token(), grids);
  return sequence;
}

nn::Rope::Table QwenVl::prompt_positions(const DecoderSequence& sequence, int begin, int count,
                                         mx::Dtype dtype) const {
  const auto& axes = static_cast<const QwenSequence&>(sequence).positions.axes;
  std::vector<std::int32_t> values;
  for (const auto& axis : axes)
    values.insert(values.end(), axis.begin() + begin, axis.begin() + begin + count);
  return decoder().rope().table_from_axes(axes_to_array(values, count), dtype);
}

nn::Rope::Table QwenVl::next_positions(std::span<Sequence* const> sequences, mx::Dtype dtype) const {
  std::vector<std::int32_t> values;
  for (int axis = 0; axis < 3; ++axis)
    for (const auto* s : sequences)
      values.push_back(s->processed + static_cast<const QwenSequence*>(s)->positions.delta);
  return decoder().rope().table_from_axes(axes_to_array(values, 1), dtype);
}

weights::NameMap qwen_vl_names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"model.visual.", "vision_tower."},
                      {"visual.", "vision_tower."},
                      {"model.", "language_model.model."},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

core::ConfigReader qwen_vl_text_config(const core::ConfigReader& c) {
  return c.is_object("text_config") && c.child("text_config").has("hidden_size") ? c.child("text_config") : c;
}

std::unique_ptr<Model> build_qwen_vl(const backbones::QwenVitSpec& vision, nn::DecoderSpec text,
                                     const core::ConfigReader& c, const nn::Weights& w) {
  const auto head = w["language_model"]["lm_head"];
  text.tied_head = backbones::tied_head(c, qwen_vl_text_config(c), head);
  if (vision.out != text.hidden)
    c.fail("vision_config", "the encoder gives rows of " + std::to_string(vision.out) +
                                ", the decoder takes " + std::to_string(text.hidden));
  if (int(vision.taps.size()) > text.layers)
    c.fail("vision_config", "deepstack_visual_indexes names more blocks than the decoder has");
  c.ignore({"vision_start_token_id", "vision_end_token_id", "vision_token_id", "vocab_size"});
  return std::make_unique<QwenVl>(vision, nn::Decoder(w["language_model"]["model"], head, text),
                                  QwenVl::Tokens{.image = c.get_or("image_token_id", 151655),
                                                 .video = c.get_or("video_token_id", 151656)},
                                  w);
}

weights::NameMap qwen3_5_names(const core::ConfigReader& config) {
  auto names = qwen_vl_names(config);
  names.ignored_prefixes = {"mtp."};
  return names;
}

std::unique_ptr<Model> build_qwen3_5(const core::ConfigReader& c, const nn::Weights& w, bool mixture) {
  auto vision = backbones::qwen3_vit(c.child("vision_config"));
  if (!c.child("vision_config").has("deepstack_visual_indexes")) vision.taps.clear();
  if (!vision.taps.empty())
    c.child("vision_config").fail("deepstack_visual_indexes", "expected none in this family");
  auto text = backbones::qwen3_5_text(c.child("text_config"), mixture);
  // The originals hold these norms' weights less one, mlx-vlm's conversions whole; a kernel's layout tells
  // the two apart.
  const auto& d = *text.delta_net;
  const auto first = std::find(text.linear.begin(), text.linear.end(), true);
  const auto layer = w["language_model"]["model"]["layers"][int(first - text.linear.begin())];
  const mx::Shape kernel{2 * d.key_heads * d.key_dim + d.value_heads * d.value_dim, d.kernel, 1};
  if (first != text.linear.end() &&
      layer["linear_attn"]["conv1d"].layout_of("weight", kernel) == weights::Layout::torch)
    text.norm_offset = 1;
  return build_qwen_vl(vision, text, c, w);
}

}  // namespace mlx_vision::models
