#include "cli/terminal_picture.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/canvas.h"

namespace mlx_vision::cli {

namespace {

constexpr int kUsualColumns = 80;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void set_colour(std::string& out, const char* kind, const std::uint8_t* pixel) {
  out.append("\x1b[").append(kind);
  for (int c = 0; c < 3; ++c) out.append(";").append(std::to_string(pixel[c]));
  out.append("m");
}

}  // namespace

bool has_true_colour(const std::string& colorterm, const std::string& term) {
  if (colorterm == "truecolor" || colorterm == "24bit") return true;
  for (const char* name : {"-direct", "-truecolor", "kitty", "alacritty", "ghostty", "wezterm"})
    if (term.find(name) != std::string::npos) return true;
  return false;
}

int drawing_columns() {
  if (isatty(STDOUT_FILENO) == 0 || !variable("NO_COLOR").empty()) return 0;
  if (!has_true_colour(variable("COLORTERM"), variable("TERM"))) return 0;
  winsize size = {};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

std::string half_blocks(const Image& image, int columns, int rows) {
  const double scale = std::min(double(columns) / image.width(), 2.0 * rows / image.height());
  const int width = std::max(1, int(image.width() * scale));
  const int height = std::max(2, int(image.height() * scale) / 2 * 2);
  const Image small = image.resized(width, height, Filter::box);
  std::string out;
  for (int y = 0; y < height; y += 2) {
    for (int x = 0; x < width; ++x) {
      set_colour(out, "38;2", small.row(y) + 3 * x);
      set_colour(out, "48;2", small.row(y + 1) + 3 * x);
      out.append("\u2580");
    }
    out.append("\x1b[0m\n");
  }
  return out;
}

Image views_strip(const Seen& seen) {
  const auto panels = panels_of(seen);
  const auto rows = [](const Panel& panel) { return (int(panel.views.size()) - 1) / panel.columns + 1; };
  int bare = 0;
  for (const Panel& panel : panels) bare += panel.columns * panel.views[0]->image.width();
  const int gap = std::max(1, bare / 60);  // about a column of a terminal
  int width = 0, height = 0;
  for (const Panel& panel : panels) {
    const Image& first = panel.views[0]->image;
    width += panel.columns * (first.width() + gap);
    height = std::max(height, rows(panel) * (first.height() + gap) - gap);
  }
  Canvas canvas(width - gap, height, {});
  int x = 0;
  for (const Panel& panel : panels) {
    const Image& first = panel.views[0]->image;
    for (std::size_t i = 0; i < panel.views.size(); ++i)
      canvas.draw(panel.views[i]->image, x + int(i) % panel.columns * (first.width() + gap),
                  int(i) / panel.columns * (first.height() + gap));
    x += panel.columns * (first.width() + gap);
  }
  return canvas.image();
}

}  // namespace mlx_vision::cli
