#include "mlx_vision/memory.h"

#include "core/log.h"
#include "engine/device.h"
#include "engine/memory_plan.h"
#include "memory/requirements.h"

namespace mlx_vision {

void check_memory_requirements(std::pair<int, int> image_size, int count) {
  const std::uint64_t available = engine::available_memory();
  const std::string warning =
      memory::check_requirements(image_size.first, image_size.second, count,
                                 {.largest_buffer = engine::largest_buffer(),
                                  .available = available == 0 ? std::nullopt : std::optional(available)});
  if (!warning.empty()) core::warn(warning);
}

MemoryReport plan_memory(const std::filesystem::path& model, const PlanRequest& request,
                         const LoadOptions& options) {
  return engine::describe_plan(model, request, options);
}

}  // namespace mlx_vision
