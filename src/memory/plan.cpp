#include "memory/plan.h"

#include <algorithm>
#include <initializer_list>
#include <numeric>
#include <optional>

#include "memory/workspace.h"

namespace mlx_vision::memory {
namespace {

using Bytes = std::uint64_t;
constexpr Bytes kSmall = 32 << 10;  // ids, positions, index tables, scalars

Bytes feature_bytes(const ModelShape& m, const ImageWork& image) {
  return Bytes(image.rows) * Bytes(m.text.hidden) * Bytes(1 + m.vision.depth) * Bytes(m.element_bytes);
}

// The attention that sees the whole picture, and the one that sees windows.
Bytes vision_scores(const ModelShape& m, const ImageWork& image, const Settings& settings) {
  const VisionShape& v = m.vision;
  const std::int64_t rows = image.patches + v.class_rows;
  AttentionShape a{.batch = image.tiles, .heads = v.blocks.heads, .queries = rows, .keys = rows};
  const Bytes whole = v.whole ? attention_scores(m, a, settings.attention_bytes) : 0;
  if (v.window == 0) return whole;
  a.batch = (image.patches + v.window - 1) / v.window;
  a.queries = a.keys = v.window;
  return std::max(whole, attention_scores(m, a, settings.attention_bytes));
}

/// The larger of a block's halves, by part.
struct Moment {
  Bytes activations = 0, scores = 0, workspace = 0;
  Bytes total() const { return activations + scores + workspace; }
};

Moment worst_half(const HalfBlock& activations, Bytes scores, const HalfBlock& workspace) {
  const Moment attention{activations.attention, scores, workspace.attention};
  const Moment mlp{activations.mlp, 0, workspace.mlp};
  return attention.total() > mlp.total() ? attention : mlp;
}

Phase encode(const ModelShape& m, const Work& work, std::size_t index, const Settings& settings) {
  const ImageWork& image = work.images[index];
  const VisionShape& v = m.vision;
  const Bytes e = Bytes(m.element_bytes);
  const std::int64_t rows = image.tiles * (image.patches + v.class_rows);
  const Bytes width = Bytes(rows) * Bytes(v.blocks.hidden) * e;
  const Bytes pixels = Bytes(image.values) * kFloat;
  // Angles, angles twice, cosines, sines.
  const Bytes tables = v.blocks.rotation ? Bytes(rows) * Bytes(v.blocks.head_dim) * kFloat * 7 / 2 : 0;
  Moment worst = worst_half(activations(m, v.blocks, rows), vision_scores(m, image, settings),
                            workspace(m, v.blocks, rows, m.packed_vision));
  // The rows of the table that are weighed, weighed, and their sum.
  const Bytes table =
      v.table_taps > 0 ? Bytes(rows) * Bytes(v.blocks.hidden) * Bytes(2 * v.table_taps + 1) * kFloat : 0;
  const Moment embed{.activations = pixels + 4 * width + table,
                     .workspace = product_workspace(m, rows, std::max(1, v.patch_values))};
  // The language model may see fewer rows than the projector makes, or others added to them.
  const std::int64_t projected = std::max(image.rows, image.tiles * image.patches / v.merge);
  const std::int64_t merged = std::int64_t(v.merge) * v.blocks.hidden;
  const Moment project{
      .activations = Bytes(projected) * e *
                     (2 * Bytes(merged) + 3 * Bytes(v.merged_hidden) +
                      Bytes(v.packing_arrays + v.depth) * Bytes(m.text.hidden)),
      .workspace = 2 * product_workspace(m, projected, std::max<std::int64_t>(merged, v.merged_hidden))};
  const Moment convolve{.activations = pixels + Bytes(image.values) * Bytes(v.convolved_values) /
                                                    Bytes(v.convolved_pixels) * kFloat};
  for (const Moment& other : {embed, project, convolve})
    if (other.total() > worst.total()) worst = other;

  Phase out{.name = "encode"};
  out[Part::weights] = m.weights.total();
  out[Part::pixels] = pixels;
  for (std::size_t i = 0; i <= index; ++i) out[Part::features] += feature_bytes(m, work.images[i]);
  out[Part::vision] = kSmall + worst.activations + tables + width * Bytes(v.feature_layers - 1);
  out[Part::scores] = worst.scores;
  out[Part::workspace] = worst.workspace + threads_scratch(m, v.blocks);
  return out;
}

Phase prefill(const ModelShape& m, const Work& work, const Settings& settings) {
  const std::int64_t chunk =
      std::min<std::int64_t>(std::int64_t(settings.prefill_chunk) + m.vision.unparted, work.prompt_tokens);
  const AttentionShape a{.heads = m.text.heads, .queries = chunk, .keys = work.prompt_tokens};
  Moment worst = worst_half(activations(m, m.text, chunk), attention_scores(m, a, settings.attention_bytes),
                            workspace(m, m.text, chunk, m.packed_text));
  const Bytes row_bytes = Bytes(chunk) * Bytes(m.text.hidden) * Bytes(m.element_bytes);
  // From a table, from the states, normed, and their sum, which stays.
  const Bytes inputs = Bytes(chunk) * Bytes(m.text.own_inputs) * Bytes(m.element_bytes);
  if (const Moment made{.activations = 3 * inputs}; made.total() > worst.total()) worst = made;
  // Streams as they enter a block and as it predicts them stay while it works; behind it they are corrected.
  const Bytes streams = m.text.streams == 1 ? 0 : row_bytes * Bytes(m.text.streams);
  worst.activations += 2 * streams;
  if (const Moment corrected{.activations = 6 * streams}; corrected.total() > worst.total())
    worst = corrected;
  Phase out{.name = "prefill"};
  out[Part::weights] = m.weights.total();
  for (const ImageWork& image : work.images) out[Part::features] += feature_bytes(m, image);
  if (work.images.size() > 1) out[Part::features] *= 2;  // and joined
  const Bytes cache = cache_bytes(m, work.prompt_tokens, settings);
  const int growing = work.prompt_tokens > chunk ? 2 : 1;
  out[Part::cache] = cache + cache / Bytes(m.text.layers) * Bytes(growing);
  out[Part::prompt] = kSmall + worst.activations + inputs + row_bytes * Bytes(1 + m.vision.depth);
  out[Part::scores] = worst.scores;
  out[Part::workspace] = worst.workspace + threads_scratch(m, m.text);
  out[Part::logits] = 3 * Bytes(m.vocab) * kFloat;
  return out;
}

Phase decode(const ModelShape& m, const Work& work, const Settings& settings) {
  const std::int64_t tokens = work.prompt_tokens + std::max<std::int64_t>(work.max_tokens - 1, 0);
  const Bytes cache = cache_bytes(m, tokens, settings);
  const HalfBlock half = activations(m, m.text, 1), space = workspace(m, m.text, 1, m.packed_text);
  Phase out{.name = "decode"};
  out[Part::weights] = m.weights.total();
  out[Part::cache] = cache + cache / Bytes(m.text.layers) * kGrowingLayers;
  out[Part::prompt] = kSmall + kGrowingLayers * (half.attention + half.mlp);
  out[Part::workspace] = kGrowingLayers * (space.attention + space.mlp) + threads_scratch(m, m.text);
  out[Part::logits] = 8 * Bytes(m.vocab) * kFloat;
  return out;
}

// The parts that stay while other requests work, and what of the peak is neither they nor weights.
Demand demand_of(const MemoryPlan& plan, Bytes peak, std::initializer_list<Part> staying) {
  Demand out;
  for (const Phase& phase : plan.phases) {
    Bytes held = 0;
    for (const Part part : staying) held += phase[part];
    out.resident = std::max(out.resident, held);
  }
  out.transient = peak - std::min(peak, plan.weights + out.resident);
  return out;
}

}  // namespace

std::string_view name_of(Part part) {
  static constexpr std::array<std::string_view, kParts> kNames = {
      "weights",        "pixels",          "vision activations", "attention scores",
      "image features", "key-value cache", "prompt activations", "logits",
      "workspace",      "pictures"};
  return kNames[std::size_t(part)];
}

std::uint64_t Phase::device() const {
  return std::accumulate(bytes.begin(), bytes.end(), Bytes(0)) - (*this)[Part::pictures];
}

const Phase& MemoryPlan::largest() const {
  return *std::max_element(phases.begin(), phases.end(),
                           [](const Phase& a, const Phase& b) { return a.total() < b.total(); });
}

std::uint64_t MemoryPlan::device_peak() const {
  Bytes most = 0;
  for (const Phase& p : phases) most = std::max(most, p.device());
  return most;
}

Part MemoryPlan::largest_part() const {
  const auto& bytes = largest().bytes;
  return Part(std::max_element(bytes.begin(), bytes.end()) - bytes.begin());
}

Demand MemoryPlan::demand() const {
  return demand_of(*this, total_peak(), {Part::cache, Part::features, Part::pictures});
}

Demand MemoryPlan::device_demand() const {
  return demand_of(*this, device_peak(), {Part::cache, Part::features});
}

std::uint64_t cache_bytes(const ModelShape& m, std::int64_t tokens, const Settings& settings) {
  const auto whole_steps = [&](std::int64_t count) {
    return (count + settings.cache_step - 1) / settings.cache_step * settings.cache_step;
  };
  const BlocksShape& t = m.text;
  // A window's cache holds what a chunk sees, and a step more.
  const std::int64_t shown = std::min<std::int64_t>(tokens, t.window - 1 + settings.prefill_chunk);
  const std::int64_t windowed = t.windowed_layers * whole_steps(shown + settings.cache_step - 1);
  const std::int64_t full =
      (t.layers - t.recurrent_layers - t.windowed_layers - t.shared_layers) * whole_steps(tokens);
  return Bytes(full + windowed) * 2 * Bytes(t.key_width()) * Bytes(m.element_bytes) +
         Bytes(t.recurrent_layers) * t.recurrent_bytes;
}

MemoryPlan plan_request(const ModelShape& model, const Work& work, const Settings& settings) {
  MemoryPlan plan{.phases = {}, .settings = settings, .weights = model.weights.total()};
  std::optional<Phase> largest;
  Bytes prepared = 0, scratch = 0;
  for (const ImageWork& image : work.images) {
    prepared += Bytes(image.values) * kFloat;
    scratch += image.scratch_bytes;
  }
  Phase prepare{.name = "prepare"};
  prepare[Part::weights] = model.weights.total();
  prepare[Part::pictures] = prepared + scratch;
  for (std::size_t i = 0; i < work.images.size(); ++i) {
    Phase next = encode(model, work, i, settings);
    next[Part::pictures] = prepared;
    prepared -= Bytes(work.images[i].values) * kFloat;
    if (!largest || next.total() > largest->total()) largest = next;
  }
  if (largest) plan.phases = {prepare, *largest};
  plan.phases.push_back(prefill(model, work, settings));
  if (work.max_tokens > 0) plan.phases.push_back(decode(model, work, settings));
  return plan;
}

Phase plan_load(const ModelShape& model) {
  Phase out{.name = "load"};
  out[Part::weights] = model.weights.total();
  out[Part::workspace] = model.weights.load_extra;
  return out;
}

}  // namespace mlx_vision::memory
