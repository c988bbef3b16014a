#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint.h"
#include "memory/plan.h"
#include "mlx_vision/memory.h"

namespace mlx_vision::engine {

/// Bytes of a built model's weights as they will be held, from headers alone.
memory::WeightBytes weigh(const weights::WeightStore& store);

/// Of the names that every family's tensors are renamed to: "language", "projector" or "vision".
const char* part_of(const std::string& tensor);

/// What a request asks of memory, from its outline.
memory::Work work_of(const memory::ModelShape& model, const Prompt& outline, int max_tokens);

/// The settings that the user gave.
memory::Settings settings_of(const LoadOptions& options);

/// Whom to ask for a request's plan.
struct MemoryQuestion {
  const memory::ModelShape& model;
  memory::Settings wanted;
  std::uint64_t available = 0;  ///< for weights and requests together
};

/// The plan of a request at settings that make it fit. Any thread. @throws CapacityError stating need,
/// available bytes, the largest part and the user's settings that would fit, each found with the plan itself.
memory::MemoryPlan plan_or_refuse(const Frontend& frontend, const Prompt& outline, int max_tokens,
                                  const MemoryQuestion& question);

/// @throws CapacityError when the weights alone do not fit.
void require_room_for_weights(const memory::ModelShape& model, std::uint64_t available);

/// plan_memory() of the public interface.
MemoryReport describe_plan(const std::filesystem::path& folder, const PlanRequest& request,
                           const LoadOptions& options);

}  // namespace mlx_vision::engine
