#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "mlx_vision/export.h"
#include "mlx_vision/options.h"

namespace mlx_vision {

/// Whether `count` pictures of a size may be handed to the device as one float32 array: width · height · 3 ·
/// 4 · count bytes. Warns on standard error when twice that is more than the available memory, or when that
/// cannot be read.
///
///     mlx_vision::check_memory_requirements({4032, 3024}, 4);
///
/// @throws MemoryError when it is more than the device's largest buffer (77,309,411,328 bytes where MLX
/// reports none), with count, size, need and limit in the text.
MLX_VISION_API void check_memory_requirements(std::pair<int, int> image_size, int count);

/// One request, known by sizes alone.
struct PlanRequest {
  std::vector<std::pair<int, int>> images;  ///< width and height of each, as seen
  std::string prompt = "Describe this image.";
  int max_tokens = 2048;
};

/// What a request would take, by part, in bytes.
struct MemoryReport {
  struct Row {
    std::string part;
    std::vector<std::uint64_t> bytes;  ///< by phase
  };
  std::vector<std::string> phases;  ///< "load", "prepare", "encode", "prefill", "decode"
  std::vector<Row> rows;
  std::vector<std::uint64_t> totals;     ///< by phase, `pictures` included
  std::uint64_t planned_peak_bytes = 0;  ///< of MLX's allocator, as in Result::memory
  std::uint64_t process_peak_bytes = 0;  ///< with pictures and the program itself
  std::uint64_t available_bytes = 0;     ///< for the largest total; of the device, lowered to memory_limit
  std::uint64_t largest_buffer_bytes = 0;
  int prompt_tokens = 0;
  std::vector<int> image_tokens;
  std::vector<std::string> adjustments;  ///< what was changed to make it fit
  std::string refusal;                   ///< why it would be refused; "" = it fits
};

/// The memory plan of a request, from configuration, weight headers and sizes; loads no weights and touches
/// no pixel. @throws ConfigError, WeightError, RequestError, MediaError
MLX_VISION_API MemoryReport plan_memory(const std::filesystem::path& model, const PlanRequest& request,
                                        const LoadOptions& options = {});

}  // namespace mlx_vision
