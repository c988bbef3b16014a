#include "cli/default_model.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include "mlx_vision/error.h"

#ifdef __APPLE__
#include <mach-o/dyld.h>

#include <array>
#include <cstdint>
#endif

namespace mlx_vision::cli {

namespace {

// Empty if the system does not say.
std::filesystem::path program_file() {
  std::error_code failed;
#ifdef __APPLE__
  std::array<char, 4096> name{};
  std::uint32_t size = name.size();
  if (_NSGetExecutablePath(name.data(), &size) != 0) return {};
  return std::filesystem::canonical(name.data(), failed);
#else
  return std::filesystem::read_symlink("/proc/self/exe", failed);
#endif
}

bool is_checkpoint(const std::filesystem::path& folder) {
  std::error_code failed;
  return !folder.empty() && std::filesystem::is_regular_file(folder / "config.json", failed);
}

}  // namespace

ModelPlaces model_places() {
  ModelPlaces places;
  if (const char* value = std::getenv("MLX_VISION_MODEL")) places.environment = value;
  if (const auto program = program_file(); !program.empty())
    places.installed = (program.parent_path() / MLX_VISION_INSTALLED_MODEL).lexically_normal();
  places.source = MLX_VISION_SOURCE_MODEL;
  return places;
}

DefaultModel default_model(const ModelPlaces& places) {
  if (!places.environment.empty()) return {places.environment, false};
  for (const auto& folder : {places.installed, places.source})
    if (is_checkpoint(folder)) return {folder.string(), true};
  throw RequestError(
      "--model: expected the folder of a checkpoint, got none, and the bundled model is neither at " +
      places.installed.string() + " nor at " + places.source.string());
}

std::string chosen_model(const ModelFlags& flags) {
  if (!flags.model.empty()) return flags.model;
  const DefaultModel model = default_model(model_places());
  if (model.bundled)
    std::fputs(
        "model: the bundled demo, which knows shapes, colours, printed words and bar charts only; "
        "--model DIR takes a real one\n",
        stderr);
  return model.folder;
}

std::string processor_model(const ModelFlags& flags) {
  return flags.type.empty() ? chosen_model(flags) : std::string();
}

}  // namespace mlx_vision::cli
