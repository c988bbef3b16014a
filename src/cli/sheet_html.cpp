#include "cli/sheet_html.h"

#include <algorithm>

#include "cli/base64.h"
#include "cli/sheet.h"

namespace mlx_vision::cli {

namespace {

constexpr int kMostOriginal = 1200;  // longer side of the original as stored in the page
constexpr int kMostPanel = 1000;     // width of a panel on the page

constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #18181b; background: #fafaf8; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; }
.rule { color: #71717a; margin: 0 0 1rem; } section { border-top: 1px solid #d4d4d8; padding: 1rem 0 2rem; }
.row { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; margin-top: 1rem; }
figure { margin: 0; } figcaption { color: #52525b; margin-bottom: .4rem; }
svg { display: block; image-rendering: pixelated; overflow: visible; }
.tiles { display: grid; gap: 8px; } .tile { stroke-width: 2; fill: none; }
.patch, .token { fill: none; stroke-width: 1; } .patch { stroke: #fff; stroke-opacity: .35; }
.token { stroke: #ffd200; stroke-opacity: .6; } .unseen { fill: #dc2626; fill-opacity: .55; }
path, rect { vector-effect: non-scaling-stroke; }
body:has(#patches:not(:checked)) .patch, body:has(#tokens:not(:checked)) .token { display: none; }
table { border-collapse: collapse; margin-top: 1rem; } td, th { text-align: left; padding: .15rem 1.2rem .15rem 0; }
th { font-weight: 600; border-bottom: 1px solid #d4d4d8; } label { margin-right: 1rem; }
</style>
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out.append("&amp;");
    } else if (c == '<') {
      out.append("&lt;");
    } else if (c == '>') {
      out.append("&gt;");
    } else if (c == '"') {
      out.append("&quot;");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string attribute(const char* name, double value) {
  return std::string(" ").append(name).append("=\"").append(number(value)).append("\"");
}

std::string rectangle(const char* kind, const Box& box, const std::string& more) {
  std::string out = std::string("<rect class=\"").append(kind).append("\"");
  out.append(attribute("x", box.left)).append(attribute("y", box.top));
  out.append(attribute("width", box.right - box.left)).append(attribute("height", box.bottom - box.top));
  return out.append(more).append("/>");
}

std::string stroke(const View& view) {
  const Colour colour = tile_colour(view);
  std::string out = " stroke=\"rgb(" + std::to_string(colour.red);
  out.append(",").append(std::to_string(colour.green)).append(",").append(std::to_string(colour.blue));
  return out.append(")\"");
}

/// The opening tag and the picture. Units are the picture's own pixels; `width` is that of the page.
std::string picture(const Image& shown, int own_width, int own_height, int width) {
  std::string out = "<svg viewBox=\"0 0 " + std::to_string(own_width);
  out.append(" ").append(std::to_string(own_height)).append("\"").append(attribute("width", width));
  out.append(attribute("height", double(width) * own_height / own_width)).append("><image");
  out.append(attribute("width", own_width)).append(attribute("height", own_height));
  return out.append(" preserveAspectRatio=\"none\" href=\"data:image/png;base64,")
      .append(encode_base64(shown.to_png()))
      .append("\"/>");
}

std::string lattice(const char* kind, const Cells& cells) {
  const int width = cells.columns * cells.width, height = cells.rows * cells.height;
  std::string path;
  for (int c = 1; c < cells.columns; ++c)
    path.append("M").append(std::to_string(c * cells.width)).append(" 0v").append(std::to_string(height));
  for (int r = 1; r < cells.rows; ++r)
    path.append("M0 ").append(std::to_string(r * cells.height)).append("h").append(std::to_string(width));
  if (path.empty()) return path;
  return std::string("<path class=\"").append(kind).append("\" d=\"").append(path).append("\"/>");
}

std::string view_picture(const View& view, int columns) {
  const int width = view.image.width(), height = view.image.height();
  const int zoom = std::clamp(500 / std::max(width, height), 1, 8);
  std::string out = picture(view.image, width, height, std::min(width * zoom, kMostPanel / columns));
  out.append(lattice("patch", view.patches)).append(lattice("token", view.tokens));
  const float right = float(view.patches.columns * view.patches.width),
              bottom = float(view.patches.rows * view.patches.height);
  if (right > 0 && right < float(width))
    out.append(rectangle("unseen", {right, 0, float(width), float(height)}, ""));
  if (bottom > 0 && bottom < float(height))
    out.append(rectangle("unseen", {0, bottom, right, float(height)}, ""));
  out.append(rectangle("tile", {0, 0, float(width), float(height)}, stroke(view)));
  return out.append("</svg>");
}

std::string original_figure(const SeenImage& image) {
  const Image& original = image.original;
  const double scale = std::min(1.0, double(kMostOriginal) / std::max(original.width(), original.height()));
  const Image shown = original.resized(std::max(1, int(original.width() * scale)),
                                       std::max(1, int(original.height() * scale)), Filter::bicubic);
  std::string out = "<figure><figcaption>original, " + by(original.width(), original.height());
  const int width = std::max(1, int(480.0 * std::min(1.0, double(original.width()) / original.height())));
  out.append("</figcaption>").append(picture(shown, original.width(), original.height(), width));
  for (const View& view : image.seen.views) out.append(rectangle("tile", view.source, stroke(view)));
  return out.append("</svg></figure>");
}

std::string panel_figure(const Panel& panel) {
  std::string out = "<figure><figcaption>";
  out.append(panel.views.size() == 1 ? escaped(panel.views[0]->label)
                                     : std::to_string(panel.views.size()) + " tiles");
  out.append("</figcaption><div class=\"tiles\" style=\"grid-template-columns: repeat(");
  out.append(std::to_string(panel.columns)).append(", max-content)\">");
  for (const View* view : panel.views) out.append(view_picture(*view, panel.columns));
  return out.append("</div></figure>");
}

std::string facts_rows(const SeenImage& image) {
  std::string out = "<table><tr><th>view<th>size<th>shows<th>scale<th>patches<th>tokens</tr>";
  for (const View& view : image.seen.views) {
    const ViewFacts facts = facts_of(view, image.original);
    out.append("<tr>");
    for (const auto* cell :
         {&view.label, &facts.size, &facts.source, &facts.scale, &facts.patches, &facts.tokens})
      out.append("<td>").append(escaped(*cell));
    out.append("</tr>");
  }
  return out.append("</table>");
}

}  // namespace

std::string sheet_html(const std::vector<SeenImage>& images, const std::string& title) {
  std::string out = kHead;
  out.append(
      "<title>What the model sees</title></head><body>\n<h1>What the model sees</h1><p class=\"rule\">");
  out.append(escaped(title))
      .append("</p>\n<p><label><input type=\"checkbox\" id=\"patches\" checked> patches</label>");
  out.append("<label><input type=\"checkbox\" id=\"tokens\" checked> tokens</label></p>\n");
  for (const auto& image : images) {
    out.append("<section><h2>").append(escaped(summary(image))).append("</h2><div class=\"row\">");
    out.append(original_figure(image)).append("\n");
    for (const Panel& panel : panels_of(image.seen)) out.append(panel_figure(panel)).append("\n");
    out.append("</div>").append(facts_rows(image)).append("</section>\n");
  }
  return out.append("</body></html>\n");
}

}  // namespace mlx_vision::cli
