// Which files hold a checkpoint's tensors, and opening them with hostile content in mind.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/files.h"
#include "weights/fp8.h"
#include "weights/weights.h"

namespace mlx_vision::weights {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the safetensors library's own limit
constexpr std::uint64_t kMaxIndexBytes = 256ull << 20;

struct Element {
  const char* name;
  int bytes;
};
constexpr Element kElements[] = {{"F32", 4}, {"F16", 2},  {"BF16", 2},   {"U32", 4}, {"U8", 1},
                                 {"I64", 8}, {"I32", 4},  {"I16", 2},    {"I8", 1},  {"U16", 2},
                                 {"U64", 8}, {"BOOL", 1}, {"F8_E4M3", 1}};

// A file that is cut off or lies about its tensors is found here, before MLX reads past its end.
void check_tensor(const std::string& where, const nlohmann::json& entry, std::uint64_t data_bytes) {
  const auto type = entry.value("dtype", std::string());
  const auto element = std::find_if(std::begin(kElements), std::end(kElements),
                                    [&](const Element& e) { return type == e.name; });
  if (element == std::end(kElements))
    throw WeightError(where + ": element type " + (type.empty() ? "is missing" : type + " is not supported"));
  std::uint64_t bytes = std::uint64_t(element->bytes);
  for (const auto& n : entry.at("shape")) {
    const auto extent = n.get<std::uint64_t>();
    if (extent > 0x7fffffffu || (extent != 0 && bytes > data_bytes / extent + 8))
      throw WeightError(where + ": shape " + entry.at("shape").dump() + " does not fit the file");
    bytes *= extent;
  }
  const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
  if (offsets.size() != 2 || offsets[1] < offsets[0] || offsets[1] - offsets[0] != bytes)
    throw WeightError(where + ": expected " + std::to_string(bytes) + " bytes, got offsets " +
                      entry.at("data_offsets").dump());
  if (offsets[1] > data_bytes)
    throw WeightError(where + ": ends at byte " + std::to_string(offsets[1]) +
                      " of the data, the file holds " + std::to_string(data_bytes) +
                      "; the file is truncated, download it again");
}

/// Returns the names of tensors of 8-bit floats, which MLX takes for bytes.
std::set<std::string> check_header(const std::filesystem::path& path) {
  std::set<std::string> fp8;
  const std::string name = path.filename().string();
  std::ifstream in(path, std::ios::binary);
  std::uint64_t length = 0;
  char prefix[8] = {};
  if (!in.read(prefix, 8)) throw WeightError(name + ": expected a safetensors file, got fewer than 8 bytes");
  std::memcpy(&length, prefix, 8);
  const std::uint64_t size = std::filesystem::file_size(path);
  if (length > kMaxHeaderBytes || length > size - 8)
    throw WeightError(name + ": expected a header of at most " +
                      std::to_string(std::min(kMaxHeaderBytes, size - 8)) + " bytes, got " +
                      std::to_string(length) + "; not a safetensors file, or truncated");
  std::string header(length, '\0');
  if (!in.read(header.data(), std::streamsize(length))) throw WeightError(name + ": header cannot be read");
  try {
    const auto json = nlohmann::json::parse(header);
    for (const auto& [tensor, entry] : json.items()) {
      if (tensor == "__metadata__") continue;
      check_tensor(name + ": " + tensor, entry, size - 8 - length);
      if (entry.at("dtype") == "F8_E4M3") fp8.insert(tensor);
    }
  } catch (const nlohmann::json::exception& e) {
    throw WeightError(name + ": header is not valid: " + e.what());
  }
  return fp8;
}

std::vector<std::filesystem::path> indexed_files(const std::filesystem::path& folder,
                                                 const std::filesystem::path& index) {
  const auto reader =
      core::ConfigReader::from_text(core::read_file(index, kMaxIndexBytes), index.filename().string());
  std::set<std::string> names;
  for (const auto& [tensor, file] : reader.child("weight_map").raw().items()) {
    if (!file.is_string()) reader.fail("weight_map." + tensor, "expected a file name, got " + file.dump());
    names.insert(file.get<std::string>());
  }
  std::vector<std::filesystem::path> out;
  for (const auto& name : names) {
    const std::filesystem::path relative(name);
    if (relative.has_parent_path() || relative.is_absolute())
      throw WeightError(index.filename().string() + ": expected names of files in the folder itself, got " +
                        name);
    if (!std::filesystem::is_regular_file(folder / relative))
      throw WeightError(index.filename().string() + ": names " + name + ", which is not in " +
                        folder.string() + "; download it or delete the index");
    out.push_back(folder / relative);
  }
  return out;
}

std::vector<std::filesystem::path> plain_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && name.ends_with(".safetensors") &&
        !name.ends_with("consolidated.safetensors"))
      out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Runs a packed product of the mode once: some MLX builds know a mode and have no kernel for it.
void require_kernels(const Quantization& q) {
  if (q.mode == "affine") return;
  try {
    const auto packed = mx::quantize(mx::ones({q.group_size, q.group_size}), q.group_size, q.bits, q.mode);
    mx::eval(mx::quantized_matmul(mx::ones({1, q.group_size}), packed[0], packed[1], std::nullopt, true,
                                  q.group_size, q.bits, q.mode));
  } catch (const std::exception& e) {
    std::string text = "config.json.quantization.mode: ";
    throw ConfigError(text.append(q.mode)
                          .append(" is not supported by this MLX build: ")
                          .append(e.what())
                          .append("; use an affine conversion"));
  }
}

}  // namespace

std::vector<std::filesystem::path> weight_files(const std::filesystem::path& folder) {
  const auto index = folder / "model.safetensors.index.json";
  auto files = std::filesystem::is_regular_file(index) ? indexed_files(folder, index) : plain_files(folder);
  if (files.empty()) throw WeightError(folder.string() + ": expected *.safetensors files, found none");
  return files;
}

WeightStore WeightStore::open(const std::filesystem::path& folder, const NameMap& names,
                              const core::ConfigReader& config, std::optional<mx::Dtype> compute) {
  Tensors tensors;
  std::set<std::string> formats, fp8;
  for (const auto& path : weight_files(folder)) {
    fp8.merge(check_header(path));
    mx::SafetensorsLoad loaded;
    try {
      loaded = mx::load_safetensors(path.string());
    } catch (const std::exception& e) {
      throw WeightError(path.filename().string() + ": " + e.what());
    }
    formats.insert(loaded.second["format"]);
    for (auto& [name, tensor] : loaded.first)
      if (!tensors.emplace(name, std::move(tensor)).second)
        throw WeightError(path.filename().string() + ": " + name + " is also in another file of the folder");
  }
  const std::string format = formats.size() == 1 ? *formats.begin() : "";
  const Layout layout = format == "mlx" ? Layout::mlx : format == "pt" ? Layout::torch : Layout::unknown;
  const double held = unpack_fp8(tensors, fp8);
  WeightStore store(std::move(tensors), layout, names, config, compute);
  store.held_while_read_ = held;
  store.unpacks_fp8_ = !fp8.empty();
  for (const Quantization& q : store.quantizations()) require_kernels(q);
  return store;
}

}  // namespace mlx_vision::weights
