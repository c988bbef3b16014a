#include "core/safetensors.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "mlx_vision/error.h"

using mlx_vision::ElementType;
using mlx_vision::RequestError;
using mlx_vision::Tensor;
using mlx_vision::core::read_file;
using mlx_vision::core::write_safetensors;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("mlx_vision_safetensors_" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::size_t files() const {
    return std::size_t(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string message(const std::vector<Tensor>& tensors, const fs::path& path) {
  try {
    write_safetensors(path, tensors);
  } catch (const RequestError& e) {
    return e.what();
  }
  return "no error";
}

template <class T>
T value_at(const std::string& bytes, std::size_t offset) {
  T out;
  REQUIRE(offset + sizeof(T) <= bytes.size());
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return out;
}

}  // namespace

TEST_CASE("a file holds header and data of every element type, aligned") {
  const Folder folder;
  const auto path = folder.path / "x.safetensors";
  const std::vector<Tensor> tensors = {
      {.name = "mask", .type = ElementType::boolean, .shape = {3}, .ints = {1, 0, 1}},
      {.name = "bytes", .type = ElementType::uint8, .shape = {1, 2}, .ints = {0, 255}},
      {.name = "pixels", .type = ElementType::float32, .shape = {2, 1}, .floats = {0.5f, -2.f}},
      {.name = "grid", .type = ElementType::int64, .shape = {1}, .ints = {1ll << 40}},
      {.name = "ids", .type = ElementType::int32, .shape = {2}, .ints = {-200, 7}},
      {.name = "none", .type = ElementType::float32, .shape = {0, 4}},
      {.name = "one", .type = ElementType::int32, .shape = {}, .ints = {9}}};
  write_safetensors(path, tensors, {{"format", "mlx"}});

  const std::string bytes = read_file(path, 1 << 20);
  const auto length = value_at<std::uint64_t>(bytes, 0);
  CHECK(length % 8 == 0);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  CHECK(header.size() == 8);
  CHECK(header["__metadata__"]["format"] == "mlx");
  CHECK(header["grid"] == nlohmann::json::parse(R"({"dtype":"I64","shape":[1],"data_offsets":[0,8]})"));
  CHECK(header["pixels"]["shape"] == nlohmann::json({2, 1}));
  CHECK(header["none"]["shape"] == nlohmann::json({0, 4}));
  CHECK(header["one"]["shape"] == nlohmann::json::array());
  CHECK(header["mask"]["dtype"] == "BOOL");
  CHECK(header["bytes"]["dtype"] == "U8");

  const auto start = [&](const char* name) {
    return 8 + length + header[name]["data_offsets"][0].get<std::size_t>();
  };
  CHECK(value_at<std::int64_t>(bytes, start("grid")) == 1ll << 40);
  CHECK(value_at<float>(bytes, start("pixels") + 4) == -2.f);
  CHECK(value_at<std::int32_t>(bytes, start("ids")) == -200);
  CHECK(value_at<std::int32_t>(bytes, start("one")) == 9);
  CHECK(value_at<std::uint8_t>(bytes, start("bytes") + 1) == 255);
  CHECK(value_at<std::uint8_t>(bytes, start("mask") + 2) == 1);
  CHECK(bytes.size() == 8 + length + 8 + 2 * 4 + 2 * 4 + 4 + 3 + 2);
  CHECK(folder.files() == 1);
}

TEST_CASE("tensors that contradict themselves are refused and leave no file") {
  const Folder folder;
  const auto path = folder.path / "x.safetensors";
  const Tensor good{.name = "a", .shape = {1}, .floats = {1.f}};
  CHECK(message({good, good}, path) == "tensor \"a\": the name is taken by another tensor");
  CHECK(message({{.name = "__metadata__"}}, path) ==
        "tensor \"__metadata__\": the name is empty or reserved");
  CHECK(message({{.name = "a", .shape = {2, 2}, .floats = {1.f}}}, path) ==
        "tensor \"a\": its shape needs 4 values, got 1");
  CHECK(message({{.name = "a", .shape = {-1}, .floats = {}}}, path) ==
        "tensor \"a\": negative side in its shape");
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  CHECK(message({{.name = "a", .shape = {huge, huge}}}, path) == "tensor \"a\": shape too large");
  CHECK(message({{.name = "a", .type = ElementType::uint8, .shape = {1}, .ints = {256}}}, path) ==
        "tensor \"a\": 256 does not fit U8");
  CHECK(message({{.name = "a", .type = ElementType::int32, .shape = {1}, .floats = {1.f}}}, path) ==
        "tensor \"a\": values of another type than the tensor's");
  CHECK(folder.files() == 0);
}

TEST_CASE("an existing file is replaced, a folder or an absent folder refused") {
  const Folder folder;
  const auto path = folder.path / "x.safetensors";
  write_safetensors(path, std::vector<Tensor>{{.name = "a", .shape = {1}, .floats = {1.f}}});
  const auto before = fs::file_size(path);
  write_safetensors(path, std::vector<Tensor>{{.name = "a", .shape = {3}, .floats = {1.f, 2.f, 3.f}}});
  CHECK(fs::file_size(path) > before);
  CHECK(message({}, folder.path).ends_with("expected the name of a file to write, got a folder or a device"));
  CHECK(message({}, folder.path / "absent" / "x").ends_with("cannot be written: No such file or directory"));
  CHECK(folder.files() == 1);
}
