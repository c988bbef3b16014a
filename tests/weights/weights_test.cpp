#include "weights/weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

using namespace mlx_vision;
using weights::Layout;
using weights::NameMap;
using weights::Weights;
using weights::WeightStore;
namespace mx = mlx::core;

namespace {

core::ConfigReader config(std::string_view text) {
  return core::ConfigReader::from_text(text, "config.json");
}

std::string message(auto&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

/// A folder that goes away with the test.
struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weights_test.XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
  }
  std::filesystem::path path;
};

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  std::string out(8, '\0');
  for (int i = 0; i < 8; ++i) out[i] = char(header.size() >> (8 * i));
  return out + header + std::string(data_bytes, '\0');
}

std::string open_error(const Folder& folder) {
  return message([&] { WeightStore::open(folder.path, {}, config("{}"), std::nullopt); });
}

}  // namespace

TEST_CASE("names change by their prefix, then by parts of what begins as told, once and for all") {
  const NameMap names{.renames = {{"old.", "tower."}, {"lm_head.", "text.lm_head."}},
                      .parts = {{"tower.", ".attn.", ".attention."}, {"text.", ".w1.", ".gate."}}};
  CHECK(names("old.0.attn.weight") == "tower.0.attention.weight");
  CHECK(names(names("old.0.attn.weight")) == "tower.0.attention.weight");
  CHECK(names("text.0.w1.weight") == "text.0.gate.weight");
  CHECK(names("text.0.attn.weight") == "text.0.attn.weight");
  CHECK(names.module("text.0.w1") == "text.0.gate");
  CHECK(names.module("lm_head") == "text.lm_head");
}

namespace {

/// One tensor of 8-bit floats whose values are all 1, and `scale` with the values 1, 2, 3 …
std::string fp8_file(int rows, int columns, const std::vector<int>& scale) {
  const int bytes = rows * columns;
  std::string shape;
  int scales = 1;
  for (const int n : scale) {
    shape += (shape.empty() ? "" : ",") + std::to_string(n);
    scales *= n;
  }
  const int end = bytes + scales * 4;
  std::string header = R"({"w":{"dtype":"F8_E4M3","shape":[)" + std::to_string(rows) + "," +
                       std::to_string(columns) + R"(],"data_offsets":[0,)" + std::to_string(bytes) +
                       R"(]},"w_scale_inv":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" +
                       std::to_string(bytes) + "," + std::to_string(end) + "]}}";
  std::string out = safetensors(header, std::size_t(end));
  std::fill_n(out.end() - end, bytes, char(0x38));
  for (int i = 0; i < scales; ++i) {
    const float value = float(i + 1);
    std::memcpy(&*(out.end() - 4 * (scales - i)), &value, 4);
  }
  return out;
}

}  // namespace

TEST_CASE("8-bit floats are unpacked by the scale of all or of each block") {
  const Folder folder;
  const auto values = [&](int rows, int columns, const std::vector<int>& scale) {
    folder.write("model.safetensors", fp8_file(rows, columns, scale));
    auto store = WeightStore::open(folder.path, {}, config("{}"), std::nullopt);
    CHECK(store.held_while_read() > 0.5);
    CHECK_FALSE(store.has("w_scale_inv"));
    auto w = mx::astype(store.require("w", {rows, columns}), mx::float32);
    mx::eval(w);
    return std::vector<float>(w.data<float>(), w.data<float>() + w.size());
  };
  CHECK(values(2, 4, {1}) == std::vector<float>(8, 1.0f));
  CHECK(values(2, 4, {1, 2}) == std::vector<float>{1, 1, 2, 2, 1, 1, 2, 2});
  CHECK(values(4, 2, {2, 2}) == std::vector<float>{1, 2, 1, 2, 3, 4, 3, 4});
  const auto padded = values(129, 1, {2, 1});  // blocks of 128 where they do not divide the side
  CHECK(padded[127] == 1);
  CHECK(padded[128] == 2);
  folder.write("model.safetensors", fp8_file(4, 2, {3, 2}));
  CHECK(open_error(folder).starts_with("w_scale_inv: expected one scale, or one for each block"));
  folder.write("model.safetensors", fp8_file(4, 2, {2, 2, 1}));
  CHECK(open_error(folder).starts_with("w_scale_inv: expected one scale, or one for each block"));
  folder.write("model.safetensors",
               safetensors(R"({"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})", 2));
  CHECK(open_error(folder) == "w: holds 8-bit floats and there is no w_scale_inv to tell their scale");
}

TEST_CASE("missing, mis-shaped, unused and clashing tensors are reported together") {
  const NameMap names{.renames = {{"old.", "new."}}, .ignored_suffixes = {".position_ids"}};
  WeightStore store({{"new.a", mx::zeros({2})},
                     {"old.a", mx::zeros({2})},
                     {"old.b", mx::zeros({3})},
                     {"left", mx::zeros({4, 1})},
                     {"x.position_ids", mx::zeros({9})}},
                    Layout::mlx, names, config("{}"));
  const Weights w = Weights(store)["new"];
  w.require("a", {2});
  w.require("b", {5});
  w.require("c", {6});
  const auto text = message([&] { store.finish(); });
  CHECK(text.starts_with("4 problem(s) with the weights:\n  clash    "));
  CHECK(text.find("missing  new.c [6]") != std::string::npos);
  CHECK(text.find("shape    new.b: file has [3], model needs [5]") != std::string::npos);
  CHECK(text.find("unused   left [4,1]") != std::string::npos);
}

TEST_CASE("kernels are read in both layouts, and refused where the shape fits both") {
  const auto kernel = mx::reshape(mx::arange(2 * 3 * 5 * 5, mx::float32), {2, 5, 5, 3});
  const auto read = [&](const mx::array& stored, Layout layout) {
    WeightStore store({{"k", stored}}, layout, {}, config("{}"));
    auto out = store.require_conv("k", {2, 5, 5, 3});
    store.finish();
    return mx::array_equal(out, kernel).item<bool>();
  };
  const auto torch_kernel = mx::transpose(kernel, {0, 3, 1, 2});
  CHECK(read(kernel, Layout::mlx));
  CHECK(read(torch_kernel, Layout::torch));
  CHECK(read(kernel, Layout::unknown));
  CHECK(read(torch_kernel, Layout::unknown));
  WeightStore store({{"k", mx::zeros({2, 3, 3, 3})}}, Layout::unknown, {}, config("{}"));
  store.require_conv("k", {2, 3, 3, 3});
  CHECK(message([&] { store.finish(); }).find("does not say whether kernels are OHWI or OIHW") !=
        std::string::npos);
}

TEST_CASE("the table of packings: defaults, overrides that replace, renamed keys") {
  const NameMap names{.renames = {{"model.", "language_model.model."}}};
  WeightStore store({}, Layout::mlx, names,
                    config(R"({"quantization": {"group_size": 32, "bits": 6, "model.layers.0.q": {"bits": 8},
                               "model.layers.1.q": {"mode": "mxfp4"}, "model.norm": false}})"));
  CHECK(store.quantization_of("anything", 64).bits == 6);
  CHECK(store.quantization_of("anything", 64).group_size == 32);
  CHECK(store.quantization_of("language_model.model.layers.0.q", 64).bits == 8);
  CHECK(store.quantization_of("language_model.model.layers.0.q", 64).group_size == 64);
  CHECK(store.quantization_of("language_model.model.layers.1.q", 64).mode == "mxfp4");
  CHECK(store.quantization_of("language_model.model.layers.1.q", 64).group_size == 32);
  store.quantization_of("language_model.model.norm", 64);
  store.quantization_of("odd", 48);
  const auto text = message([&] { store.finish(); });
  CHECK(
      text.find("quant    language_model.model.norm: the file holds packed weights, config.json says none") !=
      std::string::npos);
  CHECK(text.find("quant    odd: 48 inputs cannot be split into groups of 32") != std::string::npos);
}

TEST_CASE("packings that MLX does not know are refused by name") {
  const auto refusal = [](std::string_view json) {
    return message([&] { WeightStore({}, Layout::mlx, {}, config(json)); });
  };
  CHECK(refusal(R"({"quantization": {"bits": 7}})") ==
        "config.json.quantization.bits: expected 2, 3, 4, 5, 6 or 8, got 7");
  CHECK(refusal(R"({"quantization": {"group_size": 48}})") ==
        "config.json.quantization.group_size: expected 32, 64 or 128, got 48");
  CHECK(refusal(R"({"quantization": {"mode": "int4"}})") ==
        "config.json.quantization.mode: expected affine, mxfp4, nvfp4 or mxfp8, got int4");
  CHECK(refusal(R"({"quantization_config": {"quant_method": "awq"}})")
            .find("expected a checkpoint quantised for MLX, or fp8, got awq") != std::string::npos);
}

TEST_CASE("floating tensors take the compute type, packed ones do not") {
  WeightStore store({{"a", mx::zeros({2}, mx::bfloat16)}, {"b", mx::zeros({2}, mx::uint32)}}, Layout::mlx, {},
                    config("{}"), mx::float32);
  CHECK(store.require("a", {2}).dtype() == mx::float32);
  CHECK(store.require("b", {2}).dtype() == mx::uint32);
}

TEST_CASE("damaged files are refused before MLX reads them") {
  Folder folder;
  CHECK(open_error(folder).find("expected *.safetensors files, found none") != std::string::npos);

  const std::string header = R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})";
  folder.write("model.safetensors", "short");
  CHECK(open_error(folder) == "model.safetensors: expected a safetensors file, got fewer than 8 bytes");
  folder.write("model.safetensors", safetensors(header, 8));
  CHECK(open_error(folder).find("a: ends at byte 16 of the data, the file holds 8; the file is truncated") !=
        std::string::npos);
  folder.write("model.safetensors", std::string(8, '\x7f') + "{}");
  CHECK(open_error(folder).find("not a safetensors file, or truncated") != std::string::npos);
  folder.write("model.safetensors",
               safetensors(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}})", 16));
  CHECK(open_error(folder).find("a: expected 16 bytes, got offsets [0,12]") != std::string::npos);
  folder.write(
      "model.safetensors",
      safetensors(
          R"({"a": {"dtype": "F32", "shape": [2147483647, 2147483647, 2147483647], "data_offsets": [0, 12]}})",
          16));
  CHECK(open_error(folder).find("does not fit the file") != std::string::npos);
  folder.write("model.safetensors",
               safetensors(R"({"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}})", 16));
  CHECK(open_error(folder).find("element type F4 is not supported") != std::string::npos);
  folder.write("model.safetensors", safetensors("{\"a\": ", 16));
  CHECK(open_error(folder).find("header is not valid") != std::string::npos);
  folder.write("model.safetensors",
               safetensors(R"({"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 2]}})", 16));
  CHECK(open_error(folder).find("header is not valid") != std::string::npos);
}

TEST_CASE("an index that names an absent file, or one elsewhere, is refused") {
  Folder folder;
  folder.write("model.safetensors.index.json",
               R"({"weight_map": {"a": "model-00002-of-00002.safetensors"}})");
  CHECK(open_error(folder).find("names model-00002-of-00002.safetensors, which is not in") !=
        std::string::npos);
  folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "../secret.safetensors"}})");
  CHECK(open_error(folder).find("expected names of files in the folder itself, got ../secret.safetensors") !=
        std::string::npos);
}
