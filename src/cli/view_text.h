#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "mlx_vision/preprocess.h"

namespace mlx_vision::cli {

/// An image and what a model sees of it, as every form of `see` shows it.
struct SeenImage {
  std::string name;
  Image original;
  Seen seen;
};

/// Views that belong side by side, row by row: all tiles of a picture, or a single view.
struct Panel {
  int columns = 1;
  std::vector<const View*> views;
};
/// In the encoder's order; the tiles stand where the first of them does. The views must outlive the result.
std::vector<Panel> panels_of(const Seen& seen);

/// What there is to say about a view, each in a few words; empty: nothing.
struct ViewFacts {
  std::string size;     ///< "336x336"
  std::string source;   ///< "all of it", "x 80 to 560, y 0 to 480", with padding named
  std::string scale;    ///< "0.70 of the original", "width 0.52, height 0.70 of the original: distorted"
  std::string patches;  ///< "24x24 of 14x14 pixels"
  std::string tokens;   ///< "576, 24x24 of 14x14 pixels"
};
ViewFacts facts_of(const View& view, const Image& original);

/// "cat.jpg: 640x480, 5 views, 845 tokens"
std::string summary(const SeenImage& image);

/// Lines for a terminal: a summary, and for each view its facts.
std::string facts_table(const SeenImage& image);

/// What `see --json` prints of one image.
nlohmann::ordered_json to_json(const SeenImage& image);

/// "640x480"
std::string by(int width, int height);

}  // namespace mlx_vision::cli
