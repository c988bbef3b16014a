#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/image.h"

namespace mlx_vision::cli {

struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
};

struct Area {
  int x = 0, y = 0, width = 0, height = 0;
};

/// A picture to draw on. What lies outside is cut off. Not for concurrent use.
class Canvas {
 public:
  /// @throws MediaError beyond the decode limits' pixel count.
  Canvas(int width, int height, Colour background);

  /// `opacity` 0..255
  void fill(const Area& area, Colour colour, int opacity = 255);
  /// A border inside the area.
  void frame(const Area& area, int thickness, Colour colour);
  /// Each pixel becomes a square of `zoom` pixels.
  void draw(const Image& image, int x, int y, int zoom = 1);
  /// Latin-1 letters of 8 x 13 pixels times `zoom`; others become "?". (x, y) is the top left corner.
  void text(int x, int y, std::string_view utf8, Colour colour, int zoom = 1);

  Image image() const;

  static int text_width(std::string_view utf8, int zoom);

 private:
  int width_, height_;
  std::vector<std::uint8_t> rgb_;
};

/// Cut to `letters` at most, with an ellipsis in the middle, where the least is lost of a file's name.
std::string shortened(std::string_view utf8, int letters);

}  // namespace mlx_vision::cli
