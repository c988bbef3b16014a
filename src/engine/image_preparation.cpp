#include "engine/image_preparation.h"

#include "core/files.h"
#include "mlx_vision/error.h"
#include "processing/image_processors.h"
#include "processing/letterboxed.h"
#include "processing/prepare_images.h"
#include "processing/resize_first.h"

namespace mlx_vision::engine {
namespace {

processing::ImageLimits limits_of(const LoadOptions& options) {
  return {.min_pixels = options.min_pixels, .max_pixels = options.max_pixels};
}

std::unique_ptr<processing::ImageProcessor> with_resize(std::unique_ptr<processing::ImageProcessor> processor,
                                                        const LoadOptions& options) {
  if (!options.resize_shape) return processor;
  return processing::resize_first(std::move(processor),
                                  {options.resize_shape->first, options.resize_shape->second});
}

std::vector<processing::ImageInput> prepared(const processing::ImageProcessor& processor,
                                             const std::vector<Image>& images) {
  const std::vector<processing::Media> media = unnamed(images);
  return processing::prepare_images(processor, media, processing::sizes_of(processor, media));
}

/// ", llava, qwen-vl, …"
std::string names_of(const VisionConfigTable& table) {
  std::string out;
  for (const VisionConfig& row : table.rows()) out.append(", ").append(row.name);
  return out;
}

}  // namespace

std::unique_ptr<processing::ImageProcessor> open_processor(const std::filesystem::path& folder,
                                                           const LoadOptions& options) {
  core::require_directory(folder);
  const auto files = processing::read_processor_files(folder);
  const auto& family = processing::find_image_processor(files.config.get<std::string>("model_type"));
  return with_resize(family.open(files, limits_of(options)), options);
}

std::unique_ptr<processing::ImageProcessor> open_processor(const ModelType& type,
                                                           const LoadOptions& options) {
  if (const auto* family = processing::lookup_image_processor(type.name))
    return with_resize(family->open(processing::default_processor_files(type.name), limits_of(options)),
                       options);
  const VisionConfigTable table;
  if (const VisionConfig* row = table.find(type.name)) return open_processor(*row, options);
  throw RequestError(std::string("model type: expected one of ")
                         .append(processing::known_image_processors())
                         .append(names_of(table))
                         .append("; got \"")
                         .append(type.name)
                         .append("\""));
}

std::unique_ptr<processing::ImageProcessor> open_processor(const VisionConfig& row,
                                                           const LoadOptions& options) {
  VisionConfigTable().add(row);  // throws where the row means nothing
  return with_resize(processing::make_letterboxed(row, limits_of(options)), options);
}

Preprocessed prepare_images(const processing::ImageProcessor& processor, const std::vector<Image>& images) {
  const auto inputs = prepared(processor, images);
  Preprocessed out{.arrays = processor.batch(inputs), .image_tokens = {}};
  for (const auto& input : inputs) out.image_tokens.push_back(input.tokens);
  return out;
}

std::vector<Seen> see_images(const processing::ImageProcessor& processor, const std::vector<Image>& images) {
  const auto inputs = prepared(processor, images);
  std::vector<Seen> out;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const processing::Size original{images[i].width(), images[i].height()};
    out.push_back({.views = processor.views(inputs[i], original),
                   .tokens = inputs[i].tokens,
                   .rule = processor.describe()});
  }
  return out;
}

std::vector<processing::Media> unnamed(const std::vector<Image>& images) {
  std::vector<processing::Media> out;
  for (const Image& image : images) out.emplace_back(ImagePart{image, {}});
  return out;
}

}  // namespace mlx_vision::engine
