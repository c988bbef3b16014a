#include "processing/processor.h"

#include <nlohmann/json.hpp>

#include "mlx_vision/error.h"
#include "processing/image_processors.h"

namespace mlx_vision::processing {
namespace {

core::ConfigReader optional_file(const std::filesystem::path& folder, const char* name) {
  const std::filesystem::path path = folder / name;
  return std::filesystem::exists(path) ? core::ConfigReader::from_file(path)
                                       : core::ConfigReader::empty(name);
}

std::string counted(std::size_t count, std::string_view one) {
  std::string text = std::to_string(count);
  text.append(" ").append(one);
  return count == 1 ? text : text.append("s");
}

}  // namespace

PreparedSize ImageProcessor::plan(Size image, int count) const {
  const DecodeLimits limits;
  const auto pixels = std::int64_t(image.width) * image.height;
  if (image.width < 1 || image.height < 1 || image.width > limits.side || image.height > limits.side ||
      std::uint64_t(pixels) > limits.pixels)
    throw MediaError("image: expected sides of 1 to " + std::to_string(limits.side) + " and at most " +
                     std::to_string(limits.pixels) + " pixels, got " + std::to_string(image.width) + "x" +
                     std::to_string(image.height));
  std::vector<std::uint8_t> black(std::size_t(pixels) * 3);
  const ImageInput input = prepare(Image::from_rgb(image.width, image.height, std::move(black)), count);
  const Tensor& values = input.arrays.front();
  // The resized picture and, where there are, the tiles cut from it.
  const auto prepared = std::int64_t(values.floats.size() / 3);
  return {.pixels = values.shape,
          .tokens = input.tokens,
          .expansion = input.expansion,
          .scratch_pixels = 2 * prepared};
}

ProcessorFiles read_processor_files(const std::filesystem::path& folder) {
  constexpr const char* kImages = "preprocessor_config.json";
  constexpr const char* kAll = "processor_config.json";
  const auto config = core::ConfigReader::from_file(folder / "config.json");
  const FamilyImages* images = lookup_image_processor(config.get_or<std::string>("model_type", ""));
  const bool needed = images == nullptr || images->needs_file;
  if (needed && !std::filesystem::exists(folder / kImages) && !std::filesystem::exists(folder / kAll))
    throw ConfigError((folder / kImages).string() +
                      ": required file is missing; without it nobody knows how images are prepared");
  const core::ConfigReader processor = optional_file(folder, kAll);
  return {.config = config,
          .image_processor = processor.has("image_processor") ? processor.child("image_processor")
                                                              : optional_file(folder, kImages),
          .processor = processor};
}

ProcessorFiles default_processor_files(std::string_view model_type) {
  const nlohmann::json config = {{"model_type", model_type}};
  return {.config = core::ConfigReader::from_text(config.dump(), "config.json"),
          .image_processor = core::ConfigReader::empty("preprocessor_config.json"),
          .processor = core::ConfigReader::empty("processor_config.json")};
}

std::string expand_placeholders(std::string_view prompt, std::string_view placeholder,
                                std::span<const PreparedSize> images) {
  std::string out;
  std::size_t places = 0, at = 0;
  for (std::size_t found; (found = prompt.find(placeholder, at)) != prompt.npos; ++places) {
    out.append(prompt.substr(at, found - at));
    if (places < images.size()) out.append(images[places].expansion);
    at = found + placeholder.size();
  }
  if (places != images.size()) {
    std::string text = "prompt: " + counted(places, "place");
    text.append(" for images (").append(placeholder).append("), got ");
    text.append(counted(images.size(), "image"));
    throw RequestError(text.append("; each place needs its image, and no text may hold the placeholder"));
  }
  return out.append(prompt.substr(at));
}

}  // namespace mlx_vision::processing
