#include "cli/view_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace mlx_vision::cli {

using nlohmann::ordered_json;

namespace {

constexpr double kDistorted = 0.02;  // from here on a difference of the scales is worth a word

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 0.1 ? "%.3f" : "%.2f", value);
  return text;
}

std::string rounded(double value) { return std::to_string(std::lround(value)); }

struct Scale {
  double x, y;
};

Scale scale_of(const View& view) {
  return {view.image.width() / double(view.source.right - view.source.left),
          view.image.height() / double(view.source.bottom - view.source.top)};
}

std::string scale_text(const View& view) {
  const auto [x, y] = scale_of(view);
  if (std::abs(x / y - 1) < kDistorted) return "scaled by " + two_digits(std::sqrt(x * y));
  return "scaled by " + two_digits(x) + " across, " + two_digits(y) + " down";
}

std::string source_text(const Box& box, const Image& original) {
  const double width = original.width(), height = original.height();
  const bool left = box.left > 0.5, top = box.top > 0.5, right = box.right < width - 0.5,
             bottom = box.bottom < height - 0.5;
  const bool padded =
      box.left < -0.5 || box.top < -0.5 || box.right > width + 0.5 || box.bottom > height + 0.5;
  std::string text = "all of it";
  if (left || top || right || bottom) {
    text = "x " + rounded(std::max(0.0f, box.left)) + " to " + rounded(std::min(width, double(box.right)));
    text.append(", y ").append(rounded(std::max(0.0f, box.top))).append(" to ");
    text.append(rounded(std::min(height, double(box.bottom))));
  }
  return padded ? text.append(", padded") : text;
}

std::string cells_text(const Cells& cells) {
  return by(cells.columns, cells.rows).append(" of ").append(by(cells.width, cells.height)).append(" pixels");
}

ordered_json cells_json(const Cells& cells) {
  if (cells.columns == 0) return nullptr;
  return {{"width", cells.width}, {"height", cells.height}, {"columns", cells.columns}, {"rows", cells.rows}};
}

std::string padded_to(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

}  // namespace

std::string by(int width, int height) {
  return std::to_string(width).append("x").append(std::to_string(height));
}

std::vector<Panel> panels_of(const Seen& seen) {
  std::vector<Panel> out;
  std::size_t tiles = 0;  // where they are, plus 1
  for (const View& view : seen.views) {
    if (view.row < 0 || tiles == 0) out.emplace_back();
    if (view.row >= 0 && tiles == 0) tiles = out.size();
    Panel& panel = view.row < 0 ? out.back() : out[tiles - 1];
    panel.views.push_back(&view);
    panel.columns = std::max(panel.columns, view.column + 1);
  }
  for (Panel& panel : out)
    std::stable_sort(panel.views.begin(), panel.views.end(), [](const View* a, const View* b) {
      return std::pair(a->row, a->column) < std::pair(b->row, b->column);
    });
  return out;
}

ViewFacts facts_of(const View& view, const Image& original) {
  ViewFacts facts{.size = by(view.image.width(), view.image.height()),
                  .source = source_text(view.source, original),
                  .scale = scale_text(view),
                  .patches = {},
                  .tokens = std::to_string(view.token_count)};
  if (view.patches.columns > 0) facts.patches = cells_text(view.patches);
  if (view.tokens.columns > 0) facts.tokens.append(": ").append(cells_text(view.tokens));
  return facts;
}

std::string summary(const SeenImage& image) {
  std::string text = image.name;
  text.append(": ").append(by(image.original.width(), image.original.height())).append(", ");
  const std::size_t views = image.seen.views.size();
  text.append(std::to_string(views)).append(views == 1 ? " view, " : " views, ");
  return text.append(std::to_string(image.seen.tokens)).append(" tokens");
}

std::string facts_table(const SeenImage& image) {
  std::vector<std::vector<std::string>> rows = {{"view", "size", "shows", "scale", "patches", "tokens"}};
  for (const View& view : image.seen.views) {
    const ViewFacts facts = facts_of(view, image.original);
    rows.push_back({view.label, facts.size, facts.source, facts.scale, facts.patches, facts.tokens});
  }
  std::vector<std::size_t> widths(rows[0].size());  // 0: a column without values is left out
  for (std::size_t i = 0; i < widths.size(); ++i) {
    for (std::size_t r = 1; r < rows.size(); ++r) widths[i] = std::max(widths[i], rows[r][i].size());
    if (widths[i] > 0) widths[i] = std::max(widths[i], rows[0][i].size());
  }
  std::string text = summary(image).append("\n");
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      if (widths[i] > 0) line.append("  ").append(padded_to(row[i], widths[i]));
    text.append(line.substr(0, line.find_last_not_of(' ') + 1)).append("\n");
  }
  return text;
}

ordered_json to_json(const SeenImage& image) {
  ordered_json views = ordered_json::array();
  for (const View& view : image.seen.views) {
    const auto [x, y] = scale_of(view);
    ordered_json place = nullptr;
    if (view.row >= 0) place = {view.row, view.column};
    views.push_back({{"label", view.label},
                     {"tile", place},
                     {"size", {view.image.width(), view.image.height()}},
                     {"source", {view.source.left, view.source.top, view.source.right, view.source.bottom}},
                     {"scale", {x, y}},
                     {"patches", cells_json(view.patches)},
                     {"token_cells", cells_json(view.tokens)},
                     {"tokens", view.token_count}});
  }
  return {{"file", image.name},
          {"size", {image.original.width(), image.original.height()}},
          {"tokens", image.seen.tokens},
          {"views", views}};
}

}  // namespace mlx_vision::cli
