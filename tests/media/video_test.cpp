#include "mlx_vision/video.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "mlx_vision/error.h"

using namespace mlx_vision;
namespace fs = std::filesystem;

namespace {

const fs::path kVideos = fs::path(TESTS_DIR) / "fixtures" / "videos";

std::vector<Image> frames(const Video& video, const std::vector<std::int64_t>& numbers) {
  std::vector<Image> out;
  video.for_each_frame(numbers, [&](std::size_t i, const Image& frame) {
    CHECK(i == out.size());
    out.push_back(frame);
  });
  return out;
}

int difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels().size() == b.pixels().size());
  int worst = 0;
  for (std::size_t i = 0; i < a.pixels().size(); ++i)
    worst = std::max(worst, std::abs(int(a.pixels()[i]) - int(b.pixels()[i])));
  return worst;
}

Image plain(int width, int height, std::uint8_t value) {
  return Image::from_rgb(width, height, std::vector<std::uint8_t>(std::size_t(width * height * 3), value));
}

}  // namespace

TEST_CASE("a folder of pictures is a video in the order of names") {
  const Video video = Video::open(kVideos / "clip", 2);
  CHECK(video.frame_count() == 6);
  CHECK(video.fps() == 2);
  CHECK(video.width() == 72);
  CHECK(video.height() == 56);
  const auto shown = frames(video, {0, 3, 3, 5});
  REQUIRE(shown.size() == 4);
  CHECK(difference(shown[3], Image::from_file(kVideos / "clip" / "20.png")) == 0);
  CHECK(difference(shown[1], shown[2]) == 0);
}

TEST_CASE("a folder whose files make no video is refused, when it is opened or read") {
  const fs::path folder =
      fs::temp_directory_path() / ("mlx_vision_frames_test_" + std::to_string(::getpid()));
  fs::create_directory(folder);
  CHECK_THROWS_AS(Video::open(folder), MediaError);
  const auto save = [&](const char* name, const Image& image) {
    const auto bytes = image.to_png();
    std::ofstream(folder / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  };
  save("a.png", plain(4, 4, 1));
  save("b.png", plain(4, 4, 2));
  save("c.png", plain(4, 5, 3));
  std::ofstream(folder / "d.txt") << "no picture";
  CHECK_THROWS_AS(Video::open(folder, 0), MediaError);
  const Video video = Video::open(folder, 1);
  CHECK(video.frame_count() == 4);
  CHECK(frames(video, {0, 1}).size() == 2);
  CHECK_THROWS_WITH_AS(frames(video, {2}), doctest::Contains("got 4x5 in frame 3"), MediaError);
  CHECK_THROWS_WITH_AS(frames(video, {3}), doctest::Contains("d.txt"), MediaError);
  fs::remove_all(folder);
}

TEST_CASE("frames that make no video are refused") {
  CHECK_THROWS_AS(Video::from_frames({}, 2), MediaError);
  CHECK_THROWS_AS(Video::from_frames({plain(2, 2, 0)}, 0), MediaError);
  CHECK_THROWS_WITH_AS(Video::from_frames({plain(2, 2, 0), plain(2, 3, 0)}, 1),
                       "video: expected frames of one size, 2x2, got 2x3 in frame 2", MediaError);
  const Video video = Video::from_frames({plain(2, 2, 0), plain(2, 2, 9)}, 1);
  CHECK_THROWS_AS(frames(video, {2}), MediaError);
  CHECK_THROWS_AS(frames(video, {1, 0}), MediaError);
  CHECK_THROWS_AS(frames(video, {-1}), MediaError);
  CHECK_THROWS_AS(Video::open(kVideos / "absent.mp4"), MediaError);
}

#ifdef MLX_VISION_HAVE_FFMPEG
TEST_CASE("a video file's frames are those that OpenCV reads") {
  const Video video = Video::open(kVideos / "clip.mp4");
  CHECK(video.frame_count() == 24);
  CHECK(video.fps() == 8);
  const auto read = frames(video, {0, 4, 8, 12, 16, 20});
  const auto expected = frames(Video::open(kVideos / "clip"), {0, 1, 2, 3, 4, 5});
  // Versions of FFmpeg round the conversion from YUV differently.
  for (std::size_t i = 0; i < read.size(); ++i) CHECK(difference(read[i], expected[i]) <= 2);
}

TEST_CASE("files that are no video, or half of one, are read as far as they go or refused") {
  std::ifstream in(kVideos / "clip.mp4", std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const fs::path file = fs::temp_directory_path() / ("mlx_vision_video_test_" + std::to_string(::getpid()));
  const auto write = [&](const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; };
  // Its index stands at the end: half of it has none.
  for (const auto& bytes : {std::string(), std::string("not a video"), whole.substr(0, whole.size() / 2)}) {
    write(bytes);
    CHECK_THROWS_AS(Video::open(file), MediaError);
  }
  // A playlist names other files, which are not opened.
  write("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + (kVideos / "clip.mp4").string() + "\n");
  CHECK_THROWS_AS(Video::open(file), MediaError);
  write("ffconcat version 1.0\nfile " + (kVideos / "clip.mp4").string() + "\n");
  CHECK_THROWS_AS(Video::open(file), MediaError);
  for (std::size_t at = 40; at < whole.size(); at += 97) {
    std::string damaged = whole;
    for (std::size_t i = at; i < std::min(at + 24, whole.size()); ++i) damaged[i] = char(damaged[i] ^ 0x5a);
    write(damaged);
    try {
      const Video video = Video::open(file);
      const auto last = std::min<std::int64_t>(video.frame_count() - 1, 100);
      CHECK(frames(video, {0, last}).size() == 2);
    } catch (const MediaError&) {  // the other good end
    }
  }
  fs::remove(file);
}
#endif
