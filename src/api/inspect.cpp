#include "mlx_vision/inspect.h"

#include "engine/checkpoint.h"
#include "engine/device.h"
#include "engine/inspect.h"

namespace mlx_vision {

ModelInfo inspect(const std::filesystem::path& model) { return engine::describe_model(model); }

DeviceInfo device_info() { return engine::describe_device(); }

std::vector<FamilyInfo> families() { return engine::describe_families(); }

std::vector<ImageRule> image_rules() { return engine::describe_image_rules(); }

std::vector<std::string> known_model_types() { return engine::known_model_types(); }

}  // namespace mlx_vision
