#include "memory/requirements.h"

#include <doctest/doctest.h>

#include <limits>

#include "mlx_vision/error.h"

using namespace mlx_vision;
using memory::check_requirements;
using memory::DeviceMemory;

TEST_CASE("pictures are reckoned as one float32 array") {
  CHECK(memory::picture_array_bytes(336, 336, 1) == 336ull * 336 * 12);
  CHECK(memory::picture_array_bytes(4032, 3024, 4) == 4032ull * 3024 * 12 * 4);
  CHECK(memory::picture_array_bytes(5, 5, 0) == 0);
  constexpr int kMost = std::numeric_limits<int>::max();
  CHECK(memory::picture_array_bytes(kMost, kMost, kMost) == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("the largest buffer is a limit, at it is still good") {
  const std::uint64_t need = 1000ull * 1000 * 12 * 3;
  CHECK(check_requirements(1000, 1000, 3, {.largest_buffer = need, .available = 2 * need}).empty());
  CHECK(check_requirements(1000, 1000, 3, {.largest_buffer = need + 1, .available = 2 * need}).empty());
  try {
    check_requirements(1000, 1000, 3, {.largest_buffer = need - 1, .available = 2 * need});
    FAIL("expected a MemoryError");
  } catch (const MemoryError& error) {
    CHECK(
        std::string(error.what()) ==
        "memory: 3 images of 1000x1000 need 0.04 GB, the device's largest buffer holds 0.04 GB; use fewer or "
        "smaller images");
    CHECK(error.needed() == need);
    CHECK(error.available() == need - 1);
    CHECK(error.exit_code() == 4);
  }
}

TEST_CASE("where MLX reports no largest buffer, 77,309,411,328 bytes") {
  const DeviceMemory device{.available = 1ull << 50};
  CHECK(check_requirements(65536, 65536, 1, device).empty());
  CHECK(check_requirements(32768, 32768, 6, device).empty());  // the limit exactly
  CHECK_THROWS_WITH_AS(
      check_requirements(32768, 32768, 7, device),
      "memory: 7 images of 32768x32768 need 90.19 GB, the device's largest buffer holds 77.31 GB; "
      "use fewer or smaller images",
      MemoryError);
}

TEST_CASE("twice the need above what is available warns with both figures") {
  const std::uint64_t need = 1000ull * 1000 * 12;
  CHECK(check_requirements(1000, 1000, 1, {.available = 2 * need}).empty());
  CHECK(check_requirements(1000, 1000, 1, {.available = 2 * need + 1}).empty());
  CHECK(check_requirements(10000, 10000, 1, {.available = 2'000'000'000}) ==
        "memory: 1 image of 10000x10000 need about 2.40 GB with copies, 2.00 GB are available");
}

TEST_CASE("unreadable memory warns and goes on") {
  CHECK(check_requirements(1000, 1000, 1, {.available = std::nullopt}).find("cannot be read") !=
        std::string::npos);
}

TEST_CASE("sizes that are none are the caller's mistake") {
  CHECK_THROWS_AS(check_requirements(0, 5, 1, {}), RequestError);
  CHECK_THROWS_AS(check_requirements(5, -1, 1, {}), RequestError);
  CHECK_THROWS_AS(check_requirements(5, 5, -1, {}), RequestError);
}
