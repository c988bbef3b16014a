#include "processing/pixel_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr double kByteScale = 1.0 / 255.0;

Filter read_filter(const core::ConfigReader& config, Filter fallback) {
  // The numbers are Pillow's Image.Resampling.
  constexpr std::array kFilters = {Filter::nearest, Filter::lanczos, Filter::bilinear,
                                   Filter::bicubic, Filter::box,     Filter::hamming};
  const auto value = config.find<int>("resample");
  if (!value) return fallback;
  if (*value < 0 || *value >= int(kFilters.size()))
    config.fail("resample", "expected one of Pillow's filters 0..5, got " + std::to_string(*value));
  return kFilters[std::size_t(*value)];
}

int read_edge(const core::ConfigReader& config, std::string_view key, double value) {
  if (!(value >= 1 && value <= kMaxEdge) || value != std::floor(value))
    config.fail(key, "expected a whole number of pixels in 1.." + std::to_string(kMaxEdge));
  return int(value);
}

SizeField read_size_object(const core::ConfigReader& object) {
  SizeField out;
  const std::array<std::pair<std::string_view, std::optional<int>*>, 4> fields = {
      {{"height", &out.height},
       {"width", &out.width},
       {"shortest_edge", &out.shortest_edge},
       {"longest_edge", &out.longest_edge}}};
  for (const auto& [name, field] : fields)
    if (object.has(name)) *field = object.size(name, 1, kMaxEdge);
  for (const auto& key : object.keys()) {
    bool known = false;
    for (const auto& [name, field] : fields) known = known || key == name;
    if (!known && object.has(key)) object.fail(key, "this way to give a size is not supported");
  }
  if (out.height.has_value() != out.width.has_value())
    object.fail(out.height ? "width" : "height", "required beside the other side");
  return out;
}

void append(std::ostringstream& out, const char* name, const std::array<double, 3>& values) {
  out << ", " << name;
  for (const double v : values) out << ' ' << v;
}

}  // namespace

std::string PixelRule::describe() const {
  std::ostringstream out;
  out << (resize ? filter_name(filter) : "not resized");
  append(out, "mean", mean);
  append(out, "std", std);
  return out.str();
}

PixelRule read_pixel_rule(const core::ConfigReader& config, const PixelDefaults& defaults) {
  config.ignore({"do_convert_rgb", "data_format", "input_data_format", "image_processor_type",
                 "feature_extractor_type", "processor_class", "return_tensors", "device"});
  const bool resize = config.get_or("do_resize", true), rescale = config.get_or("do_rescale", true);
  const bool normalize = config.get_or("do_normalize", defaults.normalize);
  const Filter filter = read_filter(config, defaults.filter);
  const double factor = config.get_or("rescale_factor", kByteScale);
  if (!std::isfinite(float(factor)) || factor == 0)
    config.fail("rescale_factor", "expected a finite number other than 0");
  const auto mean = read_channels(config, "image_mean", defaults.mean);
  const auto std = read_channels(config, "image_std", defaults.std);
  for (std::size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(float(mean[c]))) config.fail("image_mean", "expected finite numbers");
    if (!std::isfinite(float(std[c])) || float(std[c]) == 0)
      config.fail("image_std", "expected finite numbers other than 0");
  }
  const double scale = rescale ? factor : 1.0;
  // The fused order exists only where both steps are taken.
  const bool fused = defaults.order == media::RescaleOrder::fused && !(rescale && normalize);
  const auto order = fused ? media::RescaleOrder::f32_multiply : defaults.order;
  return {.resize = resize,
          .filter = filter,
          .mean = mean,
          .std = std,
          .table = normalize ? media::NormalizeTable(mean, std, order, scale)
                             : media::NormalizeTable::rescale_only(order, scale)};
}

SizeField read_size(const core::ConfigReader& config, std::string_view key, const SizeField& fallback,
                    BareSize bare) {
  if (!config.has(key)) return fallback;
  const nlohmann::json& value = *config.raw().find(key);
  SizeField out;
  if (value.is_object()) return read_size_object(config.child(key));
  if (value.is_number()) {
    const int edge = read_edge(config, key, value.get<double>());
    if (bare == BareSize::shortest_edge)
      out.shortest_edge = edge;
    else
      out.height = out.width = edge;
  } else if (value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_number()) {
    out.height = read_edge(config, key, value[0].get<double>());
    out.width = read_edge(config, key, value[1].get<double>());
  } else {
    config.fail(key, "expected an object, a number or a list [height, width]");
  }
  return out;
}

std::array<double, 3> read_channels(const core::ConfigReader& config, std::string_view key,
                                    const std::array<double, 3>& fallback) {
  if (!config.has(key)) return fallback;
  const nlohmann::json& value = *config.raw().find(key);
  std::array<double, 3> out{};  // float64: padding colours depend on it
  if (value.is_number()) {
    out.fill(value.get<double>());
    return out;
  }
  if (!value.is_array() || value.size() != 3) config.fail(key, "expected a list of 3 numbers");
  for (std::size_t c = 0; c < 3; ++c) {
    if (!value[c].is_number()) config.fail(key, "expected a list of 3 numbers");
    out[c] = value[c].get<double>();
  }
  return out;
}

Size read_rectangle(const core::ConfigReader& config, std::string_view key, Size fallback) {
  SizeField field;
  field.width = fallback.width;
  field.height = fallback.height;
  field = read_size(config, key, field, BareSize::square);
  if (!field.is_rectangle()) config.fail(key, "expected height and width");
  return {*field.width, *field.height};
}

media::Rgb mean_colour(const core::ConfigReader& config, const std::array<double, 3>& mean,
                       std::string_view key) {
  media::Rgb colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    if (!(mean[c] >= 0 && mean[c] <= 1)) config.fail(key, "expected 0..1, since it colours the padding");
    colour[c] = std::uint8_t(mean[c] * 255);
  }
  return colour;
}

std::string image_processor_type(const core::ConfigReader& config) {
  std::string type = config.get_or<std::string>("image_processor_type", "");
  if (type.empty()) {
    type = config.get_or<std::string>("feature_extractor_type", "");
    constexpr std::string_view kOld = "FeatureExtractor";
    if (type.ends_with(kOld)) type.replace(type.size() - kOld.size(), kOld.size(), "ImageProcessor");
  }
  for (const std::string_view backend : {"Fast", "Pil"})
    if (type.ends_with(backend)) type.resize(type.size() - backend.size());
  return type;
}

int read_encoder_patch(const ProcessorFiles& files) {
  const core::ConfigReader vision = files.config.child_or_empty("vision_config");
  const SizeField patch = read_size(vision, "patch_size", {}, BareSize::square);
  return patch.is_rectangle() && *patch.height == *patch.width ? *patch.height : 0;
}

std::string filter_name(Filter filter) {
  switch (filter) {
    case Filter::nearest:
      return "nearest";
    case Filter::box:
      return "box";
    case Filter::bilinear:
      return "bilinear";
    case Filter::hamming:
      return "hamming";
    case Filter::bicubic:
      return "bicubic";
    case Filter::lanczos:
      return "lanczos";
  }
  return "unknown";
}

void refuse_limits(const ImageLimits& limits, std::string_view why) {
  if (limits.min_pixels || limits.max_pixels)
    throw RequestError(std::string("image limits: ")
                           .append(why)
                           .append(", min_pixels and max_pixels have no meaning here; leave them out"));
}

}  // namespace mlx_vision::processing
