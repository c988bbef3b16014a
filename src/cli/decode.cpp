#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/image_source.h"
#include "cli/picture_file.h"
#include "cli/report.h"
#include "cli/sha256.h"
#include "mlx_vision/error.h"
#include "mlx_vision/image.h"

namespace mlx_vision::cli {

namespace {

using nlohmann::ordered_json;

struct DecodeFlags {
  std::vector<std::string> files;
  std::string output, filter, size, letterbox, alpha = "drop";
  bool raw_orientation = false, json = false;
};

/// What is done with every file.
struct Job {
  DecodeOptions options;
  std::optional<std::pair<int, int>> size;
  bool letterbox = false;
  Filter filter = Filter::bicubic;
};

constexpr std::array<std::pair<const char*, Filter>, 6> kFilters = {{{"nearest", Filter::nearest},
                                                                     {"box", Filter::box},
                                                                     {"bilinear", Filter::bilinear},
                                                                     {"hamming", Filter::hamming},
                                                                     {"bicubic", Filter::bicubic},
                                                                     {"lanczos", Filter::lanczos}}};
constexpr std::array<std::pair<const char*, AlphaMode>, 3> kAlphas = {
    {{"drop", AlphaMode::drop}, {"white", AlphaMode::white}, {"black", AlphaMode::black}}};

/// The value of that name. @throws RequestError listing the names
template <class Table>
auto chosen(const Table& table, const std::string& flag, const std::string& name) {
  std::string known;
  for (const auto& [key, value] : table) {
    if (name == key) return value;
    known.append(known.empty() ? "" : ", ").append(key);
  }
  throw RequestError(flag + ": expected one of " + known + ", got \"" + name + "\"");
}

std::pair<int, int> parse_size(const std::string& flag, const std::string& text) {
  int width = 0, height = 0;
  const char* last = text.data() + text.size();
  const auto x = std::from_chars(text.data(), last, width);
  const bool sides = x.ec == std::errc() && x.ptr != last && *x.ptr == 'x';
  const auto end = sides ? std::from_chars(x.ptr + 1, last, height) : x;
  if (!sides || end.ec != std::errc() || end.ptr != last || width < 1 || height < 1)
    throw RequestError(flag + ": expected WIDTHxHEIGHT in pixels, got \"" + text + "\"");
  return {width, height};
}

Job make_job(const DecodeFlags& flags) {
  Job job;
  job.options.apply_orientation = !flags.raw_orientation;
  job.options.alpha = chosen(kAlphas, "--alpha", flags.alpha);
  if (!flags.size.empty() && !flags.letterbox.empty())
    throw RequestError("--size and --letterbox: expected one of them");
  job.letterbox = !flags.letterbox.empty();
  if (job.letterbox) job.filter = Filter::lanczos;
  if (!flags.size.empty()) job.size = parse_size("--size", flags.size);
  if (job.letterbox) job.size = parse_size("--letterbox", flags.letterbox);
  if (!flags.filter.empty()) {
    if (!job.size) throw RequestError("--filter: goes with --size or --letterbox");
    job.filter = chosen(kFilters, "--filter", flags.filter);
  }
  if (flags.output.empty()) return job;
  if (flags.files.size() != 1) throw RequestError("--output: expected a single file to decode");
  require_picture_name("--output", flags.output);
  return job;
}

Image resized(const Image& image, const Job& job) {
  if (!job.size) return image;
  const auto [width, height] = *job.size;
  return job.letterbox ? image.letterboxed(width, height, job.filter)
                       : image.resized(width, height, job.filter);
}

std::string by(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

void report(const std::string& source, const ImageInfo& info, const Image& image, bool json) {
  const std::string hash = sha256(image.pixels());
  std::string text = shown_source(source);
  if (json) {
    text = printed({{"file", text},
                    {"format", info.format},
                    {"mode", info.mode},
                    {"stored_size", {info.width, info.height}},
                    {"orientation", info.orientation},
                    {"size", {image.width(), image.height()}},
                    {"sha256", hash}});
  } else {
    text.append(": ").append(info.format).append(" ").append(info.mode).append(", stored ");
    text.append(by(info.width, info.height)).append(", orientation ");
    text.append(std::to_string(info.orientation)).append(", decoded ");
    text.append(by(image.width(), image.height())).append(", sha256 ").append(hash).append("\n");
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void report_error(const std::string& source, const std::exception& error, bool json) {
  std::string line = "error: ";
  line.append(error.what()).append("\n");
  std::fputs(line.c_str(), stderr);
  if (!json) return;
  ordered_json object = {{"file", shown_source(source)}};
  object.update(error_json(error_type(error), error.what()));
  std::fputs(printed(object).c_str(), stdout);
}

int decode_files(const DecodeFlags& flags) {
  const Job job = make_job(flags);
  int code = 0;
  for (const auto& file : flags.files) {
    try {
      const Image stored = load_image(file, "file", {}, job.options).image, image = resized(stored, job);
      if (!flags.output.empty()) write_picture(flags.output, image);
      report(file, stored.info(), image, flags.json);
    } catch (const Error& error) {
      report_error(file, error, flags.json);
      code = error.exit_code();
    }
  }
  return code;
}

}  // namespace

void add_decode(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<DecodeFlags>();
  auto& command =
      *app.add_subcommand("decode", "Decode pictures as a model would get them and say what they are");
  command.add_option("file", flags->files, "Picture files (path, file:// or data: URI)")
      ->required()
      ->take_all();
  command.add_option("--output", flags->output, "Write the pixels of a single file as .png or .ppm")
      ->type_name("FILE");
  command.add_option("--size", flags->size, "Resize, the aspect ratio not kept")->type_name("WxH");
  command.add_option("--letterbox", flags->letterbox, "Resize and centre on black, the aspect ratio kept")
      ->type_name("WxH");
  command.add_option(
      "--filter", flags->filter,
      "nearest, box, bilinear, hamming, bicubic (default of --size) or lanczos (of --letterbox)");
  command.add_option("--alpha", flags->alpha, "What becomes of transparency: drop, white or black")
      ->capture_default_str();
  command.add_flag("--raw-orientation", flags->raw_orientation, "Leave the picture as stored, not turned");
  command.add_flag("--json", flags->json, "Print one JSON object for each file");
  command.callback([flags, &action] { action = [flags] { return decode_files(*flags); }; });
}

}  // namespace mlx_vision::cli
