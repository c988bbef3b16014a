#include "processing/whole_patches.h"

#include <array>
#include <utility>

#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr int kLongestEdge = 1024, kPatch = 16;  // PixtralImageProcessor's and PixtralProcessor's

struct PatchRule {
  Size most;
  int patch = kPatch;  ///< merged ones
  int single = 0;      ///< side of the encoder's patches; 0: not known
  bool pad = true;
};

struct PatchText {
  std::string image, line_break, end;
};

class WholePatches final : public ImageProcessor {
 public:
  WholePatches(PixelRule pixels, PatchRule rule, PatchText text)
      : pixels_(std::move(pixels)), rule_(rule), text_(std::move(text)) {}

  ImageInput prepare(const Image& image, int) const override {
    std::array out = {image};
    if (pixels_.resize)
      out[0] = pixels_.resized(
          image, fit_whole_patches({image.width(), image.height()}, rule_.most, {rule_.patch, rule_.patch}));
    const int rows = out[0].height() / rule_.patch, cols = out[0].width() / rule_.patch;
    if (rows < 1 || cols < 1)
      throw MediaError("image: smaller than a patch of " + std::to_string(rule_.patch) +
                       ", and these settings do not resize it");
    check_token_count(std::int64_t(rows) * cols);
    ImageInput input;
    input.tokens = rows * cols;
    input.expansion = expansion(rows, cols);
    input.arrays.push_back(planes_of("pixel_values", out, pixels_.table));
    input.arrays.push_back(int_tensor("image_sizes", {1, 2}, {out[0].height(), out[0].width()}));
    return input;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    if (images.empty()) return {};
    const auto size = [](const ImageInput& image) { return image.array("image_sizes").ints; };
    for (const ImageInput& image : images)
      if (!rule_.pad && size(image) != size(images.front()))
        throw MediaError("images: of different sizes, which cannot be one array since do_pad is off");
    return {joined("pixel_values", images), joined("image_sizes", images)};
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    std::vector<View> out = plane_views(input.array("pixel_values"), pixels_.table,
                                        {.patch = rule_.single, .tokens = input.tokens});
    View& view = out.front();
    view.source = whole_box(original);
    view.tokens = square_cells({view.image.width(), view.image.height()}, rule_.patch);
    return out;
  }

  std::string_view placeholder() const override { return text_.image; }

  std::string describe() const override {
    return "at most " + std::to_string(rule_.most.width) + "x" + std::to_string(rule_.most.height) +
           ", patches of " + std::to_string(rule_.patch) + ", " + pixels_.describe();
  }

 private:
  std::string expansion(int rows, int cols) const {
    const std::string row = token_run(text_.image, cols).append(text_.line_break);
    std::string out = token_run(row, rows);
    out.resize(out.size() - text_.line_break.size());
    return out.append(text_.end);
  }

  PixelRule pixels_;
  PatchRule rule_;
  PatchText text_;
};

Size read_most(const core::ConfigReader& config) {
  SizeField fallback;
  fallback.longest_edge = kLongestEdge;
  const SizeField size = read_size(config, "size", fallback, BareSize::square);
  if (size.longest_edge) return {*size.longest_edge, *size.longest_edge};
  if (!size.is_rectangle()) config.fail("size", "expected longest_edge, or height and width");
  return {*size.width, *size.height};
}

int read_patch(const ProcessorFiles& files) {
  const core::ConfigReader& processor = files.processor;
  const int model_patch = files.config.child_or_empty("vision_config").size_or("patch_size", kPatch, 1, 1024);
  const int model_merge = files.config.size_or("spatial_merge_size", 1, 1, 16);
  return processor.size_or("patch_size", model_patch, 1, 1024) *
         processor.size_or("spatial_merge_size", model_merge, 1, 16);
}

}  // namespace

std::unique_ptr<ImageProcessor> make_whole_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, "this model limits the sides, not the pixels");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {});
  if (config.get_or("do_center_crop", false)) config.fail("do_center_crop", "is not supported by this model");
  config.ignore({"patch_size", "crop_size"});
  const PatchRule rule{.most = read_most(config),
                       .patch = read_patch(files),
                       .single = read_encoder_patch(files),
                       .pad = config.get_or("do_pad", true)};
  return std::make_unique<WholePatches>(
      std::move(pixels), rule,
      PatchText{.image = read_token(files.processor, "image_token", "[IMG]"),
                .line_break = read_token(files.processor, "image_break_token", "[IMG_BREAK]"),
                .end = read_token(files.processor, "image_end_token", "[IMG_END]")});
}

}  // namespace mlx_vision::processing
