#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "mlx/mlx.h"
#include "models/model.h"
#include "processing/image_processors.h"
#include "weights/weights.h"

namespace fixture {
namespace mx = mlx::core;
namespace mv = mlx_vision;

inline std::filesystem::path root() { return std::filesystem::path(TESTS_DIR) / "fixtures"; }

/// One folder of tests/fixtures; see the README there.
struct Fixture {
  std::string name;
  nlohmann::json golden;
  std::unordered_map<std::string, mx::array> tensors;

  std::filesystem::path model() const { return root() / name / "model"; }
  std::string family() const { return golden.at("family"); }
  mx::array tensor(const nlohmann::json& entry) const {
    return tensors.at(entry.at("tensor").get<std::string>());
  }
};

inline Fixture read(const std::string& name) {
  const auto folder = root() / name;
  return {name, nlohmann::json::parse(std::ifstream(folder / "golden.json")),
          mx::load_safetensors((folder / "golden.safetensors").string()).first};
}

inline std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(root()))
    if (std::filesystem::exists(entry.path() / "golden.json"))
      out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

/// A loaded checkpoint with what the models need to run it.
struct Loaded {
  mv::core::ConfigReader config;
  const mv::models::Family* family;
  std::unique_ptr<mv::models::Model> model;
  std::unique_ptr<mv::processing::ImageProcessor> processor;
};

inline Loaded load(const std::filesystem::path& folder, std::optional<mx::Dtype> compute) {
  auto config = mv::models::read_config(folder);
  const auto& family = mv::models::find_family(config.get<std::string>("model_type"));
  auto store = mv::weights::WeightStore::open(folder, family.names(config), config, compute);
  auto model = family.build(config, mv::weights::Weights(store));
  store.finish();
  auto processor = mv::processing::find_image_processor(config.get<std::string>("model_type"))
                       .make(mv::processing::read_processor_files(folder), {});
  return {config, &family, std::move(model), std::move(processor)};
}

inline std::vector<mv::processing::ImageInput> prepare(const Loaded& loaded, const nlohmann::json& input) {
  std::vector<mv::processing::ImageInput> out;
  for (const auto& path : input.at("images"))
    out.push_back(loaded.processor->prepare(mv::Image::from_file(root() / path.get<std::string>()),
                                            int(input.at("images").size())));
  return out;
}

/// Begins a sequence for a golden's own ids.
inline std::unique_ptr<mv::models::Sequence> start(const Loaded& loaded, const nlohmann::json& input,
                                                   std::vector<std::int32_t> ids) {
  const auto images = prepare(loaded, input);
  std::vector<mx::array> features;
  for (const auto& image : images) features.push_back(loaded.model->encode(image));
  return loaded.model->start(std::move(ids), images, std::move(features));
}

/// Prefill in chunks of `step` tokens; the logits after the last.
inline mx::array prefill(const Loaded& loaded, mv::models::Sequence& sequence, int step) {
  for (;;) {
    auto logits = loaded.model->prefill(sequence, step);
    if (logits) {
      mx::eval(*logits);
      return *logits;
    }
    mx::eval(sequence.state());
  }
}

inline float largest_difference(const mx::array& a, const mx::array& b) {
  return mx::max(mx::abs(mx::astype(a, mx::float32) - mx::astype(b, mx::float32))).item<float>();
}

}  // namespace fixture
