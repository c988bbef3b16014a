#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "mlx_vision/vision_config.h"

using namespace mlx_vision;
namespace fs = std::filesystem;
using Source = DetectedModel::Source;

namespace {

/// A folder with a config.json of the given text, gone with the object.
class Folder {
 public:
  Folder(const std::string& name, const std::string& config)
      : root_(fs::temp_directory_path() / "mlx-vision-detect") {
    fs::create_directories(root_ / name);
    std::ofstream(root_ / name / "config.json") << config;
    path_ = (root_ / name).string();
  }
  ~Folder() { fs::remove_all(root_); }
  const std::string& path() const { return path_; }

 private:
  fs::path root_;
  std::string path_;
};

void check_warning(const DetectedModel& model, const char* text) {
  REQUIRE(model.warnings.size() == 1);
  CHECK_MESSAGE(model.warnings[0].find(text) != std::string::npos, model.warnings[0]);
}

}  // namespace

TEST_CASE("config.json decides before the name") {
  const Folder folder("llava-looks-like-it", R"({"model_type": "qwen2_vl"})");
  const auto model = detect_model(folder.path());
  CHECK(model.name == "qwen2_vl");
  CHECK(model.family == "qwen2_vl");
  CHECK(model.source == Source::config);
  CHECK(model.warnings.empty());
}

TEST_CASE("an alias is its family, a row of the table is a row") {
  CHECK(detect_model(Folder("a", R"({"model_type": "smolvlm"})").path()).family == "idefics3");
  const auto row = detect_model(Folder("a", R"({"model_type": "kimi-vl"})").path());
  CHECK(row.name == "kimi-vl");
  CHECK(row.family.empty());
  CHECK(row.source == Source::config);
  CHECK(row.config.prompt_format == "<|image|>{prompt}");
  CHECK(detect_model(Folder("a", R"({"model_type": "idefics"})").path()).config.numbered_images);
}

TEST_CASE("names in the forms people use") {
  struct Expected {
    const char *text, *name;
  };
  for (const auto& [text, name] :
       {Expected{"Qwen/Qwen2-VL-2B-Instruct", "qwen2_vl"},
        Expected{"mlx-community/Qwen2.5-VL-7B-Instruct-4bit", "qwen2_5_vl"},
        Expected{"qwen2_5_vl", "qwen2_5_vl"}, Expected{"QWEN-VL-Chat", "qwen-vl"},
        Expected{"Qwen/QVQ-72B-Preview", "qwen2_vl"}, Expected{"HuggingFaceTB/SmolVLM2-256M", "idefics3"},
        Expected{"Idefics3-8B-Llama3", "idefics3"}, Expected{"idefics-9b", "idefics"},
        Expected{"/models/LLaVA-1.5-7b/", "llava"}, Expected{"Kimi-VL-A3B", "kimi-vl"},
        // the last part of a path before the rest of it
        Expected{"/home/qwen2-vl/llava", "llava"},
        Expected{"models--Qwen--Qwen2-VL/snapshots/0a1b2c", "qwen2_vl"}}) {
    CAPTURE(text);
    const auto model = detect_model(text);
    CHECK(model.name == name);
    CHECK(model.source == Source::name);
    CHECK(model.warnings.empty());
  }
  CHECK(detect_model("llava-1.5").config.width == 336);
  const auto without_row = detect_model("Qwen2-VL").config;
  CHECK(without_row.name == "qwen2_vl");
  CHECK(without_row.width == 224);
  CHECK(without_row.prompt_format == "<image>{prompt}");
}

TEST_CASE("what nothing fits is the default, with what was tried") {
  const auto model = detect_model("some/thing-else");
  CHECK(model.name == "default");
  CHECK(model.family.empty());
  CHECK(model.source == Source::fallback);
  CHECK(model.config.width == 224);
  check_warning(model, "no known model in the name \"some/thing-else\"; taken for \"default\"");
  CHECK(detect_model("").source == Source::fallback);
  CHECK(detect_model("///").source == Source::fallback);
  CHECK(detect_model("the-default-model").source == Source::fallback);
  check_warning(detect_model(Folder("thing", R"({"model_type": "qwen9_vl"})").path()),
                "no known model in model_type \"qwen9_vl\" or the name");
}

TEST_CASE("an unreadable or unknown config.json warns, and the name decides") {
  const auto broken = detect_model(Folder("Qwen2-VL-2B", "{").path());
  CHECK(broken.family == "qwen2_vl");
  check_warning(broken, "config.json");
  check_warning(detect_model(Folder("Qwen2-VL-2B", "{}").path()), "holds no model_type");
  check_warning(detect_model(Folder("Qwen2-VL-2B", R"({"model_type": 3})").path()), "model_type: wrong type");
  const auto unknown = detect_model(Folder("Qwen2-VL-2B", R"({"model_type": "qwen9"})").path());
  CHECK(unknown.family == "qwen2_vl");
  check_warning(unknown, "model_type \"qwen9\" is not known; taken for qwen2_vl by the name");
}

TEST_CASE("rows that a program adds are found") {
  VisionConfigTable table;
  table.add({.name = "my-vlm", .width = 512, .height = 512});
  const auto model = detect_model("weights/My_VLM-v2", table);
  CHECK(model.name == "my-vlm");
  CHECK(model.config.width == 512);
}
