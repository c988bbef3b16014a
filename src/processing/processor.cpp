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
  constexpr const char* kVideos = "video_preprocessor_config.json";
  const core::ConfigReader processor = optional_file(folder, kAll);
  const core::ConfigReader alone = optional_file(folder, kImages);
  const core::ConfigReader videos =
      std::filesystem::exists(folder / kVideos) ? optional_file(folder, kVideos) : alone;
  return {.config = config,
          .image_processor = processor.has("image_processor") ? processor.child("image_processor") : alone,
          .processor = processor,
          .video_processor = processor.has("video_processor") ? processor.child("video_processor") : videos};
}

ProcessorFiles default_processor_files(std::string_view model_type) {
  const nlohmann::json config = {{"model_type", model_type}};
  return {.config = core::ConfigReader::from_text(config.dump(), "config.json"),
          .image_processor = core::ConfigReader::empty("preprocessor_config.json"),
          .processor = core::ConfigReader::empty("processor_config.json"),
          .video_processor = core::ConfigReader::empty("video_preprocessor_config.json")};
}

namespace {

// Where the next place of a picture is, and of which kind.
struct Place {
  std::size_t at;
  bool of_video;
};

std::optional<Place> next_place(std::string_view prompt, const Placeholders& marks, std::size_t from) {
  const std::size_t image = prompt.find(marks.image, from);
  const std::size_t video = marks.video.empty() ? prompt.npos : prompt.find(marks.video, from);
  if (image == prompt.npos && video == prompt.npos) return std::nullopt;
  return video < image ? Place{video, true} : Place{image, false};
}

[[noreturn]] void refuse_places(std::string_view kind, std::string_view mark, std::size_t places,
                                std::size_t given) {
  std::string text = "prompt: " + counted(places, "place");
  text.append(" for ").append(kind).append("s (").append(mark).append("), got ");
  text.append(counted(given, kind));
  throw RequestError(
      text.append("; each place needs its ").append(kind).append(", and no text may hold the placeholder"));
}

}  // namespace

std::string expand_placeholders(std::string_view prompt, const Placeholders& marks,
                                std::span<const PreparedSize> pictures) {
  std::string out;
  std::size_t at = 0, next = 0;
  std::size_t places[2] = {}, given[2] = {};  // of images, of videos
  for (const auto& picture : pictures) given[picture.of_video] += picture.continued ? 0 : 1;
  while (const auto place = next_place(prompt, marks, at)) {
    out.append(prompt.substr(at, place->at - at));
    at = place->at + (place->of_video ? marks.video : marks.image).size();
    ++places[place->of_video];
    // A place of the other kind is counted, and refused below.
    if (next == pictures.size() || pictures[next].of_video != place->of_video) continue;
    do out.append(pictures[next].expansion);
    while (++next < pictures.size() && pictures[next].continued);
  }
  if (places[0] != given[0]) refuse_places("image", marks.image, places[0], given[0]);
  if (places[1] != given[1]) refuse_places("video", marks.video, places[1], given[1]);
  if (next != pictures.size())
    throw RequestError("prompt: images and videos stand in another order than they are given in");
  return out.append(prompt.substr(at));
}

}  // namespace mlx_vision::processing
