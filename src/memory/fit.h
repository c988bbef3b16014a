#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "memory/plan.h"

namespace mlx_vision::memory {

/// "12.3 GB" (10⁹ bytes), "45.6 MB", …
std::string bytes_text(std::uint64_t bytes);

/// The plan at the settings wanted, or at the dearest ones in their stead that keep it within `available`:
/// first scores are split more finely, then the prompt runs in smaller chunks, then caches grow in smaller
/// steps. nullopt = none does.
std::optional<MemoryPlan> fit(const ModelShape& model, const Work& work, const Settings& wanted,
                              std::uint64_t available);

/// The dearest settings that fit() tries.
Settings least(const Settings& wanted);

/// What `chosen` has other than `wanted`, in words; empty = nothing.
std::vector<std::string> changes(const Settings& wanted, const Settings& chosen);

/// The largest n in low … high with `fits(n)`, for a condition that holds up to some n; nullopt = not even
/// low.
std::optional<std::int64_t> largest_that_fits(std::int64_t low, std::int64_t high,
                                              const std::function<bool(std::int64_t)>& fits);

/// Settings of the user's that would each make the work fit.
struct Remedies {
  std::optional<std::int64_t> max_pixels, max_tokens, images;
};

/// "memory: needs 9.71 GB, 8.00 GB are available; the largest part is …; it would fit with --max-pixels N …"
std::string refusal(const MemoryPlan& plan, std::uint64_t available, const Remedies& remedies);

}  // namespace mlx_vision::memory
