#include "mlx_vision/preprocess.h"

#include "api/out_of_memory.h"
#include "engine/checkpoint.h"
#include "engine/image_preparation.h"

namespace mlx_vision {

Preprocessed preprocess(const std::filesystem::path& model, const std::vector<Image>& images,
                        const LoadOptions& options) {
  return with_memory([&] { return engine::prepare_images(*engine::open_processor(model, options), images); });
}

Preprocessed preprocess(const ModelType& family, const std::vector<Image>& images,
                        const LoadOptions& options) {
  return with_memory(
      [&] { return engine::prepare_images(*engine::open_processor(family, options), images); });
}

Preprocessed preprocess(const VisionConfig& row, const std::vector<Image>& images,
                        const LoadOptions& options) {
  return with_memory([&] { return engine::prepare_images(*engine::open_processor(row, options), images); });
}

std::vector<Seen> see(const std::filesystem::path& model, const std::vector<Image>& images,
                      const LoadOptions& options) {
  return with_memory([&] { return engine::see_images(*engine::open_processor(model, options), images); });
}

std::vector<Seen> see(const ModelType& family, const std::vector<Image>& images, const LoadOptions& options) {
  return with_memory([&] { return engine::see_images(*engine::open_processor(family, options), images); });
}

std::vector<Seen> see(const VisionConfig& row, const std::vector<Image>& images, const LoadOptions& options) {
  return with_memory([&] { return engine::see_images(*engine::open_processor(row, options), images); });
}

Rendered render(const std::filesystem::path& model, const Chat& chat, const LoadOptions& options,
                std::optional<bool> enable_thinking) {
  const auto prompts = engine::open_frontend(model, options).prompts;
  auto prompt = prompts.outline(prompts.render(chat, enable_thinking),
                                processing::sizes_of(prompts.processor(), processing::media_of(chat)));
  Rendered out{.prompt = std::move(prompt.text), .input_ids = std::move(prompt.ids), .image_tokens = {}};
  for (const auto& image : prompt.sizes) out.image_tokens.push_back(image.tokens);
  return out;
}

}  // namespace mlx_vision
