#include "cli/default_model.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "mlx_vision/error.h"

using namespace mlx_vision;
namespace fs = std::filesystem;

namespace {

/// Two folders of which either may hold a configuration.
struct Places {
  fs::path root =
      fs::temp_directory_path() / ("mlx_vision_default_model_" + std::to_string(std::random_device{}()));
  cli::ModelPlaces places{"", root / "installed", root / "source"};
  Places() {
    fs::create_directories(places.installed);
    fs::create_directories(places.source);
  }
  ~Places() { fs::remove_all(root); }
  static void fill(const fs::path& folder) { std::ofstream(folder / "config.json") << "{}"; }
};

}  // namespace

TEST_CASE("the variable decides, then the installed model, then the one of the source tree") {
  Places p;
  CHECK_THROWS_AS(cli::default_model(p.places), RequestError);
  Places::fill(p.places.source);
  CHECK(cli::default_model(p.places).folder == p.places.source.string());
  CHECK(cli::default_model(p.places).bundled);
  Places::fill(p.places.installed);
  CHECK(cli::default_model(p.places).folder == p.places.installed.string());
  p.places.environment = "anywhere";
  CHECK(cli::default_model(p.places).folder == "anywhere");
  CHECK_FALSE(cli::default_model(p.places).bundled);
}

TEST_CASE("without any, the error names --model and both places") {
  Places p;
  try {
    cli::default_model(p.places);
    FAIL("expected an error");
  } catch (const RequestError& e) {
    const std::string text = e.what();
    CHECK(text.find("--model") != std::string::npos);
    CHECK(text.find(p.places.installed.string()) != std::string::npos);
    CHECK(text.find(p.places.source.string()) != std::string::npos);
  }
}

TEST_CASE("a named model is taken without a look at the places") {
  cli::ModelFlags flags;
  flags.model = "mine";
  CHECK(cli::chosen_model(flags) == "mine");
}
