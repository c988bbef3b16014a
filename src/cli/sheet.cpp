#include "cli/sheet.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace mlx_vision::cli {

namespace {

constexpr Colour kPaper{250, 250, 248}, kInk{24, 24, 27}, kFaint{113, 113, 122}, kRule{212, 212, 216};
constexpr Colour kPatchLine{255, 255, 255}, kTokenLine{255, 210, 0}, kUnseen{220, 38, 38};
constexpr int kMargin = 24, kGap = 24, kTileGap = 6, kLine = 18, kThumbnail = 400, kMostTitle = 1200;

/// A picture on the sheet, a heading above it and lines below.
struct Item {
  std::string heading;
  std::vector<std::string> lines;
  int width = 0, height = 0;     ///< of the picture
  const Panel* panel = nullptr;  ///< null: the original
  int zoom = 1;

  int full_width(int text) const {
    int out = std::max(width, Canvas::text_width(heading, text));
    for (const auto& line : lines) out = std::max(out, Canvas::text_width(line, text));
    return out;
  }
  int full_height(int text) const { return height + kLine * text * int(lines.size() + 1); }
};

struct Block {
  const SeenImage* image;
  std::vector<Panel> panels;
  std::vector<Item> items;
};

int rows_of(const Panel& panel) { return (int(panel.views.size()) + panel.columns - 1) / panel.columns; }

/// The largest whole multiple at which the panel stays of a handy size.
int zoom_of(const Panel& panel) {
  const Image& view = panel.views[0]->image;
  const int across = panel.columns * view.width(), down = rows_of(panel) * view.height();
  const int most = std::min({800 / std::max(view.width(), view.height()), 1500 / across, 1100 / down});
  return std::clamp(most, 1, 8);
}

std::vector<std::string> lines_of(const Panel& panel, const Image& original) {
  const ViewFacts facts = facts_of(*panel.views[0], original);
  const bool several = panel.views.size() > 1;
  std::vector<std::string> lines = {"size: " + facts.size + (several ? " each" : "")};
  if (!several) lines.push_back("shows: " + facts.source);
  lines.push_back(facts.scale);
  if (!facts.patches.empty()) lines.push_back("patches: " + facts.patches);
  lines.push_back("tokens: " + facts.tokens + (several ? ", each" : ""));
  return lines;
}

Item item_of(const Panel& panel, const Image& original) {
  const int zoom = zoom_of(panel), count = int(panel.views.size());
  const Image& view = panel.views[0]->image;
  return {.heading = count == 1 ? panel.views[0]->label : std::to_string(count) + " tiles",
          .lines = lines_of(panel, original),
          .width = panel.columns * (view.width() * zoom + kTileGap) - kTileGap,
          .height = rows_of(panel) * (view.height() * zoom + kTileGap) - kTileGap,
          .panel = &panel,
          .zoom = zoom};
}

std::pair<int, int> thumbnail_size(const Image& image) {
  const double scale = std::min(1.0, double(kThumbnail) / std::max(image.width(), image.height()));
  return {std::max(1, int(image.width() * scale)), std::max(1, int(image.height() * scale))};
}

Block block_of(const SeenImage& image) {
  Block block{.image = &image, .panels = panels_of(image.seen), .items = {}};
  const auto [width, height] = thumbnail_size(image.original);
  block.items.push_back({.heading = "original",
                         .lines = {"size: " + by(image.original.width(), image.original.height())},
                         .width = width,
                         .height = height});
  for (const Panel& panel : block.panels) block.items.push_back(item_of(panel, image.original));
  return block;
}

void draw_lines(Canvas& canvas, const Area& at, const Cells& cells, int zoom, Colour colour, int opacity) {
  const int width = cells.columns * cells.width * zoom, height = cells.rows * cells.height * zoom;
  for (int c = 1; c < cells.columns; ++c)
    canvas.fill({at.x + c * cells.width * zoom, at.y, 1, height}, colour, opacity);
  for (int r = 1; r < cells.rows; ++r)
    canvas.fill({at.x, at.y + r * cells.height * zoom, width, 1}, colour, opacity);
}

void draw_view(Canvas& canvas, const View& view, const Area& at, int zoom) {
  canvas.draw(view.image, at.x, at.y, zoom);
  const Cells& patches = view.patches;
  const Cells& tokens = view.tokens;
  const bool merged = tokens.columns > 0 && tokens.width != patches.width;
  if (merged || tokens.columns == 0) draw_lines(canvas, at, patches, zoom, kPatchLine, 70);
  draw_lines(canvas, at, tokens, zoom, kTokenLine, 120);
  if (patches.columns > 0) {
    const int right = patches.columns * patches.width * zoom, bottom = patches.rows * patches.height * zoom;
    canvas.fill({at.x + right, at.y, at.width - right, at.height}, kUnseen, 150);
    canvas.fill({at.x, at.y + bottom, right, at.height - bottom}, kUnseen, 150);
  }
  canvas.frame({at.x - 2, at.y - 2, at.width + 4, at.height + 4}, 2, tile_colour(view));
}

void draw_panel(Canvas& canvas, const Panel& panel, int x, int y, int zoom) {
  for (std::size_t i = 0; i < panel.views.size(); ++i) {
    const View& view = *panel.views[i];
    const Area at{x + int(i) % panel.columns * (view.image.width() * zoom + kTileGap),
                  y + int(i) / panel.columns * (view.image.height() * zoom + kTileGap),
                  view.image.width() * zoom, view.image.height() * zoom};
    draw_view(canvas, view, at, zoom);
  }
}

/// The original, darkened where no view shows it, with a frame around what each view shows.
void draw_original(Canvas& canvas, const SeenImage& image, const Item& item, int x, int y) {
  canvas.draw(image.original.resized(item.width, item.height, Filter::bicubic), x, y);
  const double sx = item.width / double(image.original.width()),
               sy = item.height / double(image.original.height());
  for (const View& view : image.seen.views) {
    const Box& box = view.source;
    const int left = int(std::lround(std::max(0.0, box.left * sx))),
              top = int(std::lround(std::max(0.0, box.top * sy)));
    const int right = int(std::lround(std::min(double(item.width), box.right * sx)));
    const int bottom = int(std::lround(std::min(double(item.height), box.bottom * sy)));
    if (image.seen.views.size() == 1) {
      canvas.fill({x, y, left, item.height}, kInk, 160);
      canvas.fill({x + right, y, item.width - right, item.height}, kInk, 160);
      canvas.fill({x + left, y, right - left, top}, kInk, 160);
      canvas.fill({x + left, y + bottom, right - left, item.height - bottom}, kInk, 160);
    }
    canvas.frame({x + left, y + top, right - left, bottom - top}, 2, tile_colour(view));
  }
}

void draw_item(Canvas& canvas, const Block& block, const Item& item, const Area& at, int text) {
  canvas.text(at.x, at.y, item.heading, kInk, text);
  const int top = at.y + kLine * text;
  if (item.panel == nullptr)
    draw_original(canvas, *block.image, item, at.x, top);
  else
    draw_panel(canvas, *item.panel, at.x, top, item.zoom);
  int y = top + item.height + 6 * text;
  for (const auto& line : item.lines) {
    canvas.text(at.x, y, line, kFaint, text);
    y += kLine * text;
  }
}

int block_width(const Block& block, int text) {
  int width = 2 * kMargin - kGap;
  for (const Item& item : block.items) width += item.full_width(text) + kGap;
  return width;
}

int block_height(const Block& block, int text) {
  int height = 0;
  for (const Item& item : block.items) height = std::max(height, item.full_height(text));
  return height + 3 * kLine * text;
}

std::string legend(const std::vector<SeenImage>& images) {
  bool merged = false, unseen = false, lines = false;
  for (const auto& image : images)
    for (const View& view : image.seen.views) {
      lines = lines || view.tokens.columns > 0;
      merged = merged || (view.tokens.columns > 0 && view.patches.columns > view.tokens.columns);
      unseen = unseen ||
               (view.patches.columns > 0 && (view.patches.columns * view.patches.width < view.image.width() ||
                                             view.patches.rows * view.patches.height < view.image.height()));
    }
  std::string text = lines ? "Yellow cells: one token each. " : "";
  if (merged) text.append("White cells: patches, merged into tokens. ");
  return unseen ? text.append("Red: outside of every patch, not seen.") : text;
}

}  // namespace

Colour tile_colour(const View& view) {
  constexpr std::array<Colour, 7> kColours = {{{0, 114, 178},
                                               {213, 94, 0},
                                               {0, 158, 115},
                                               {204, 121, 167},
                                               {230, 159, 0},
                                               {86, 180, 233},
                                               {120, 94, 240}}};
  if (view.row < 0) return kInk;
  return kColours[std::size_t(view.row * 3 + view.column) % kColours.size()];
}

Image draw_sheet(const std::vector<SeenImage>& images, const std::string& title) {
  std::vector<Block> blocks;
  blocks.reserve(images.size());
  for (const auto& image : images) blocks.push_back(block_of(image));
  int width = 0;
  for (const Block& block : blocks) width = std::max(width, block_width(block, 1));
  const int text = std::clamp(width / 1300, 1, 4);  // readable when the sheet is shown small
  width = 2 * kMargin + std::max(Canvas::text_width(legend(images), text),
                                 std::min(Canvas::text_width(title, text), kMostTitle * text));
  int height = kMargin + 2 * kLine * text;
  for (const Block& block : blocks) {
    width = std::max(width, block_width(block, text));
    height += block_height(block, text);
  }
  height += kLine * text + kMargin;

  Canvas canvas(width, height, kPaper);
  const int letters = (width - 2 * kMargin) / (Canvas::text_width("x", text));
  canvas.text(kMargin, kMargin, shortened(title, letters), kFaint, text);
  int y = kMargin + 2 * kLine * text;
  for (const Block& block : blocks) {
    canvas.fill({kMargin, y - kLine * text / 2, width - 2 * kMargin, 1}, kRule);
    canvas.text(kMargin, y, shortened(summary(*block.image), letters), kInk, text);
    int x = kMargin;
    for (const Item& item : block.items) {
      draw_item(canvas, block, item, {x, y + kLine * text * 3 / 2, 0, 0}, text);
      x += item.full_width(text) + kGap;
    }
    y += block_height(block, text);
  }
  canvas.text(kMargin, y, legend(images), kFaint, text);
  return canvas.image();
}

}  // namespace mlx_vision::cli
