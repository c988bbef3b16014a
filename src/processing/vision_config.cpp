#include "mlx_vision/vision_config.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "core/config.h"
#include "core/lower.h"
#include "media/geometry.h"
#include "media/normalize.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"

namespace mlx_vision {
namespace {

constexpr std::string_view kPlace = "{prompt}";
constexpr int kMostImages = 10'000;

[[noreturn]] void fail(const VisionConfig& row, const char* field, const std::string& why) {
  throw ConfigError(std::string("vision configuration \"")
                        .append(row.name)
                        .append("\".")
                        .append(field)
                        .append(": ")
                        .append(why));
}

void check_sides(const VisionConfig& row) {
  for (const auto& [field, side] : {std::pair("width", row.width), std::pair("height", row.height)})
    if (side < 1 || side > processing::kMaxEdge)
      fail(row, field,
           "expected 1.." + std::to_string(processing::kMaxEdge) + ", got " + std::to_string(side));
}

void check_prompt(const VisionConfig& row) {
  const auto at = row.prompt_format.find(kPlace);
  if (at == std::string::npos || row.prompt_format.find(kPlace, at + 1) != std::string::npos)
    fail(row, "prompt", "expected {prompt} exactly once, got \"" + row.prompt_format + "\"");
}

void check_channels(const VisionConfig& row) {
  for (const double mean : row.mean)
    if (!std::isfinite(float(mean))) fail(row, "mean", "expected finite numbers");
  for (const double std : row.std)
    if (!(float(std) > 0) || !std::isfinite(float(std))) fail(row, "std", "expected finite numbers above 0");
}

void check(const VisionConfig& row) {
  if (row.name.empty()) fail(row, "name", "expected a name, got none");
  check_sides(row);
  check_prompt(row);
  check_channels(row);
}

std::array<double, 3> read_channels(const core::ConfigReader& config, std::string_view key,
                                    const std::array<double, 3>& fallback) {
  const auto values = config.find<std::vector<double>>(key);
  if (!values) return fallback;
  if (values->size() != 3) config.fail(key, "expected 3 numbers, got " + std::to_string(values->size()));
  return {(*values)[0], (*values)[1], (*values)[2]};
}

VisionConfig read_row(const core::ConfigReader& config, const std::string& name, VisionConfig row) {
  for (const auto& key : config.keys())
    if (key != "width" && key != "height" && key != "prompt" && key != "numbered_images" && key != "mean" &&
        key != "std")
      config.fail(key, "unknown field; known: width, height, prompt, numbered_images, mean, std");
  row.name = name;
  row.width = config.size_or("width", row.width, 1, processing::kMaxEdge);
  row.height = config.size_or("height", row.height, 1, processing::kMaxEdge);
  row.prompt_format = config.get_or("prompt", row.prompt_format);
  row.numbered_images = config.get_or("numbered_images", false);
  row.mean = read_channels(config, "mean", row.mean);
  row.std = read_channels(config, "std", row.std);
  return row;
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  out.reserve(text.size() * std::size_t(count));
  for (int i = 0; i < count; ++i) out.append(text);
  return out;
}

/// "<image3><image2><image1>"
std::string numbered_markers(int count) {
  std::string out;
  for (int i = count; i > 0; --i) out.append("<image").append(std::to_string(i)).append(">");
  return out;
}

}  // namespace

std::string image_rule(const VisionConfig& row) {
  std::ostringstream out;
  out << row.width << "x" << row.height << ", ratio kept, black borders, lanczos, mean";
  for (const double mean : row.mean) out << ' ' << mean;
  out << ", std";
  for (const double std : row.std) out << ' ' << std;
  return out.str();
}

VisionConfigTable::VisionConfigTable()
    : rows_{{.name = "llava", .width = 336, .height = 336, .prompt_format = "<image>\n{prompt}"},
            {.name = "qwen-vl",
             .width = 448,
             .height = 448,
             .prompt_format = "<img>{prompt}",
             .numbered_images = true},
            {.name = "kimi-vl", .prompt_format = "<|image|>{prompt}"},
            {.name = "idefics", .numbered_images = true},
            {.name = "default"}} {}

void VisionConfigTable::add(VisionConfig row) {
  row.name = core::lower(row.name);
  check(row);
  const auto same =
      std::find_if(rows_.begin(), rows_.end(), [&](const auto& r) { return r.name == row.name; });
  if (same != rows_.end())
    *same = std::move(row);
  else
    rows_.push_back(std::move(row));
}

std::vector<std::string> VisionConfigTable::add_from_file(const std::filesystem::path& path) {
  const auto file = core::ConfigReader::from_file(path);
  VisionConfigTable extended = *this;
  std::vector<std::string> names;
  for (const auto& name : file.keys()) {
    extended.add(read_row(file.child(name), name, extended.get("default")));
    names.push_back(core::lower(name));
  }
  *this = std::move(extended);
  return names;
}

const VisionConfig* VisionConfigTable::find(std::string_view name) const {
  const std::string wanted = core::lower(name);
  const auto row = std::find_if(rows_.begin(), rows_.end(), [&](const auto& r) { return r.name == wanted; });
  return row == rows_.end() ? nullptr : &*row;
}

VisionConfig VisionConfigTable::get(std::string_view name) const {
  if (const auto* row = find(name)) return *row;
  VisionConfig row = *find("default");
  row.name = core::lower(name);
  return row;
}

std::string format_prompt(const std::string& prompt, int images, const VisionConfig& config) {
  if (images < 0 || images > kMostImages)
    throw RequestError("images: expected 0.." + std::to_string(kMostImages) + ", got " +
                       std::to_string(images));
  check_prompt(config);
  if (images > 1 && config.numbered_images) return numbered_markers(images) + prompt;
  const std::string_view format = config.prompt_format;
  const auto place = format.find(kPlace);
  std::string out = repeated(format.substr(0, place), images);
  return out.append(prompt).append(repeated(format.substr(place + kPlace.size()), images));
}

Tensor prepare_image(const Image& image, const VisionConfig& config) {
  using Stage = ImageProcessingError::Stage;
  Stage stage = Stage::load;
  try {
    (void)image.pixels();  // decodes one that still is encoded, so that damage is told from a failed resize
    stage = Stage::resize;
    check_sides(config);
    const Image fitted = media::letterbox(image, config.width, config.height);
    stage = Stage::normalize;
    check_channels(config);
    const media::NormalizeTable table(config.mean, config.std, media::RescaleOrder::f32_divide);
    std::vector<float> planes(fitted.pixels().size());
    media::write_planes(fitted, table, planes);
    return processing::float_tensor("pixel_values", {3, fitted.height(), fitted.width()}, std::move(planes));
  } catch (const Error& e) {
    throw ImageProcessingError(stage, e.what());
  }
}

}  // namespace mlx_vision
