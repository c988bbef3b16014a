#include "cli/image_source.h"

#include <doctest/doctest.h>

#include "cli/base64.h"
#include "mlx_vision/error.h"

using mlx_vision::RequestError;
using mlx_vision::cli::decode_base64;
using mlx_vision::cli::locate_image;

namespace {

std::string decoded(std::string_view text) {
  const auto bytes = decode_base64(text);
  if (!bytes) return "refused";
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

std::string path_of(const std::string& source) {
  return std::get<std::filesystem::path>(locate_image(source, "--image")).string();
}

std::string bytes_of(const std::string& source) {
  const auto location = locate_image(source, "--image");
  const auto& bytes = std::get<std::vector<std::byte>>(location);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string message(const std::string& source) {
  try {
    locate_image(source, "--image");
  } catch (const RequestError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("base64 of RFC 4648, with its test vectors") {
  CHECK(decoded("") == "");
  CHECK(decoded("Zg==") == "f");
  CHECK(decoded("Zm8=") == "fo");
  CHECK(decoded("Zm9v") == "foo");
  CHECK(decoded("Zm9vYg==") == "foob");
  CHECK(decoded("Zm9vYmE=") == "fooba");
  CHECK(decoded("Zm9vYmFy") == "foobar");
  CHECK(decoded("/+8A") == std::string("\xff\xef\0", 3));
  CHECK(decoded("Zm9v\r\n YmFy") == "foobar");
  CHECK(decoded("Zg") == "f");
}

TEST_CASE("what is no base64 is refused") {
  CHECK(decoded("Zm9v!") == "refused");
  CHECK(decoded("Z") == "refused");
  CHECK(decoded("Zg=") == "refused");
  CHECK(decoded("Zg===") == "refused");
  CHECK(decoded("Zm9v=") == "refused");
  CHECK(decoded("Zg==Zg==") == "refused");
  CHECK(decoded("Zm9-") == "refused");
}

TEST_CASE("paths and file URIs") {
  CHECK(path_of("pictures/a b.png") == "pictures/a b.png");
  CHECK(path_of("file:///tmp/a%20b.png") == "/tmp/a b.png");
  CHECK(path_of("FILE://localhost/tmp/x") == "/tmp/x");
  CHECK(message("file://host/x") == "--image: expected file:///absolute/path, got \"file://host/x\"");
  CHECK(message("file:///a%00b") == "--image: malformed percent escape in \"file:///a%00b\"");
  CHECK(message("file:///a%2") == "--image: malformed percent escape in \"file:///a%2\"");
  CHECK(message("") == "--image: expected an image file, got an empty text");
}

TEST_CASE("data URIs") {
  CHECK(bytes_of("data:image/png;base64,Zm9v") == "foo");
  CHECK(bytes_of("data:;BASE64,Zm9vYg%3D%3D") == "foob");
  CHECK(bytes_of("data:,a%20b") == "a b");
  CHECK(message("data:image/png;base64,???") == "--image: the data: URI is not valid base64");
  CHECK(message("data:image/png;base64") ==
        "--image: expected data:image/…;base64,…, got a data: URI without a comma");
}

TEST_CASE("http is refused with what to do") {
  CHECK(message("HTTPS://example.com/a.png") ==
        "--image: images are not fetched over http(s); download \"HTTPS://example.com/a.png\" and give the "
        "file's "
        "path");
}
