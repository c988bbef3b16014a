#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/flags.h"
#include "cli/image_source.h"
#include "cli/input_file.h"
#include "cli/picture_file.h"
#include "cli/report.h"
#include "cli/sheet.h"
#include "cli/sheet_html.h"
#include "cli/terminal_picture.h"
#include "cli/view_text.h"
#include "mlx_vision/error.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX names no header for it

namespace mlx_vision::cli {

namespace {

constexpr int kMostColumns = 120, kMostRows = 28;

struct SeeFlags {
  ModelFlags model;
  std::vector<std::string> images;
  std::string output, html;
  bool json = false, open = false;
};

void check_outputs(const SeeFlags& flags) {
  if (!flags.output.empty()) require_picture_name("--output", flags.output);
  if (flags.model.model.empty()) return;
  if (!flags.output.empty()) check_output("--output", flags.output, flags.model.model);
  if (!flags.html.empty()) check_output("--html", flags.html, flags.model.model);
}

std::vector<SeenImage> see_images(const SeeFlags& flags) {
  std::vector<Image> images;
  for (const auto& source : flags.images) images.push_back(load_image(source, "image").image);
  const LoadOptions options = load_options(flags.model);
  const auto row = row_from_file(flags.model);
  auto seen = flags.model.type.empty() ? see(flags.model.model, images, options)
              : row                    ? see(*row, images, options)
                                       : see(ModelType{flags.model.type}, images, options);
  std::vector<SeenImage> out;
  for (std::size_t i = 0; i < images.size(); ++i)
    out.push_back({shown_source(flags.images[i]), images[i], std::move(seen[i])});
  return out;
}

/// Shows a file in the program that the desktop has for it. @throws RequestError
void open_file(const std::filesystem::path& path) {
#ifdef __APPLE__
  std::string program = "open";
#else
  std::string program = "xdg-open";
#endif
  std::string name = path.string();
  char* const arguments[] = {program.data(), name.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0 ||
      waitpid(child, &status, 0) != child || status != 0)
    throw RequestError("--open: " + program + " could not show " + name);
}

void note(const std::string& what, const std::filesystem::path& path) {
  const std::string line = what + " written to " + path.string() + "\n";
  std::fputs(line.c_str(), stderr);
}

void print(const std::vector<SeenImage>& images, bool json) {
  const int columns = json ? 0 : std::min(drawing_columns(), kMostColumns);
  std::string text;
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& image : images) list.push_back(to_json(image));
    text = printed({{"rule", images[0].seen.rule}, {"images", list}});
  } else {
    text = images[0].seen.rule + "\n";
  }
  for (const auto& image : images) {
    if (json) break;
    if (columns > 0) text.append(half_blocks(views_strip(image.seen), columns, kMostRows));
    text.append(facts_table(image));
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
}

int show(SeeFlags flags) {
  check_processor_flags(flags.model);
  flags.model.model = processor_model(flags.model);
  check_outputs(flags);
  const auto images = see_images(flags);
  const std::string& model = flags.model.type.empty() ? flags.model.model : flags.model.type;
  const std::string title = model + ": " + images[0].seen.rule;
  if (flags.open && flags.html.empty() && flags.output.empty())
    flags.html =
        std::filesystem::temp_directory_path() / ("mlx-vision-see-" + std::to_string(getpid()) + ".html");
  if (!flags.output.empty()) {
    write_picture(flags.output, draw_sheet(images, title));
    note("sheet", flags.output);
  }
  if (!flags.html.empty()) {
    write_text(flags.html, sheet_html(images, title));
    note("page", flags.html);
  }
  print(images, flags.json);
  if (flags.open) open_file(flags.html.empty() ? flags.output : flags.html);
  return 0;
}

}  // namespace

void add_see(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<SeeFlags>();
  auto& command =
      *app.add_subcommand("see", "Show what a model sees of images: size, crop, tiles, patches, tokens");
  command.add_option("--image,image", flags->images, "Image files (path, file:// or data: URI)")
      ->required()
      ->take_all();
  add_processor_flags(command, flags->model);
  command.add_option("--output", flags->output, "Write the sheet as .png or .ppm")->type_name("FILE");
  command.add_option("--html", flags->html, "Write the sheet as a page that needs no other file")
      ->type_name("FILE");
  command.add_flag("--open", flags->open, "Show the page (or else the sheet) in a browser or viewer");
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return show(*flags); }; });
}

}  // namespace mlx_vision::cli
