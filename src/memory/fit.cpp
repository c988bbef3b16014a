#include "memory/fit.h"

#include <algorithm>
#include <cstdio>

namespace mlx_vision::memory {
namespace {

constexpr std::uint64_t kLeastAttention = 16ull << 20;
constexpr int kLeastChunk = 128, kSmallCacheStep = 32;

std::string count_text(std::int64_t count, const char* one) {
  std::string text = std::to_string(count);
  text.append(" ").append(one);
  return count == 1 ? text : text.append("s");
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  const auto scaled = [&](double unit, int digits, const char* name) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.*f %s", digits, double(bytes) / unit, name);
    return std::string(text);
  };
  if (bytes >= 1'000'000'000) return scaled(1e9, 2, "GB");
  if (bytes >= 1'000'000) return scaled(1e6, 1, "MB");
  if (bytes >= 1'000) return scaled(1e3, 1, "kB");
  return std::to_string(bytes) + " B";
}

std::optional<MemoryPlan> fit(const ModelShape& model, const Work& work, const Settings& wanted,
                              std::uint64_t available) {
  for (const int step : {wanted.cache_step, std::min(wanted.cache_step, kSmallCacheStep)})
    for (int chunk = wanted.prefill_chunk;; chunk /= 2) {
      for (std::uint64_t attention = wanted.attention_bytes;; attention /= 2) {
        MemoryPlan plan = plan_request(model, work, {attention, chunk, step});
        if (plan.total_peak() <= available) return plan;
        if (attention / 2 < kLeastAttention) break;
      }
      if (chunk / 2 < kLeastChunk) break;
    }
  return std::nullopt;
}

Settings least(const Settings& wanted) {
  Settings out = wanted;
  while (out.attention_bytes / 2 >= kLeastAttention) out.attention_bytes /= 2;
  while (out.prefill_chunk / 2 >= kLeastChunk) out.prefill_chunk /= 2;
  out.cache_step = std::min(wanted.cache_step, kSmallCacheStep);
  return out;
}

std::vector<std::string> changes(const Settings& wanted, const Settings& chosen) {
  std::vector<std::string> out;
  if (chosen.attention_bytes != wanted.attention_bytes)
    out.push_back("attention scores split at " + bytes_text(chosen.attention_bytes));
  if (chosen.prefill_chunk != wanted.prefill_chunk)
    out.push_back("prompt in chunks of " + count_text(chosen.prefill_chunk, "token"));
  if (chosen.cache_step != wanted.cache_step)
    out.push_back("caches grown by " + count_text(chosen.cache_step, "token"));
  return out;
}

std::optional<std::int64_t> largest_that_fits(std::int64_t low, std::int64_t high,
                                              const std::function<bool(std::int64_t)>& fits) {
  if (low > high || !fits(low)) return std::nullopt;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (fits(middle))
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

std::string refusal(const MemoryPlan& plan, std::uint64_t available, const Remedies& remedies) {
  const Phase& phase = plan.largest();
  const Part part = plan.largest_part();
  std::string text = "memory: needs ";
  text.append(bytes_text(plan.total_peak())).append(" to ").append(phase.name).append(", ");
  text.append(bytes_text(available)).append(" are available; the largest part is ");
  text.append(name_of(part)).append(" with ").append(bytes_text(phase[part]));
  std::string ways;
  const auto add = [&](const std::string& way) { ways.append(ways.empty() ? "" : ", or ").append(way); };
  if (remedies.max_pixels) add("--max-pixels " + std::to_string(*remedies.max_pixels));
  if (remedies.max_tokens) add("--max-tokens " + std::to_string(*remedies.max_tokens));
  if (remedies.images) add(count_text(*remedies.images, "image"));
  if (ways.empty()) return text.append("; no setting makes it fit, use a smaller model");
  return text.append("; it would fit with ").append(ways);
}

}  // namespace mlx_vision::memory
