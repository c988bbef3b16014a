#include <string>

#include "media/video.h"
#include "mlx_vision/error.h"

#ifdef MLX_VISION_HAVE_FFMPEG

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "media/orientation.h"

namespace mlx_vision::media {
namespace {

namespace fs = std::filesystem;

// Containers whose demuxers open no further file.
constexpr const char* kFormats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,ogg,flv,asf,gif,h264,hevc,ivf,mjpeg,"
    "apng,yuv4mpegpipe";

struct CloseFormat {
  void operator()(AVFormatContext* c) const { avformat_close_input(&c); }
};
struct FreeCodec {
  void operator()(AVCodecContext* c) const { avcodec_free_context(&c); }
};
struct FreeFrame {
  void operator()(AVFrame* f) const { av_frame_free(&f); }
};
struct FreePacket {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};
struct FreeScaler {
  void operator()(SwsContext* s) const { sws_freeContext(s); }
};

std::string reason(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

// EXIF's number for a clockwise turn of the stored frames.
int orientation_of(const AVStream& stream) {
  const std::uint8_t* matrix = nullptr;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  if (const auto* side = av_packet_side_data_get(
          stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX))
    matrix = side->data;
#else
  matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
#endif
  if (matrix == nullptr) return 1;
  const double turn = -av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix));
  switch ((int(std::lround(turn / 90)) % 4 + 4) % 4) {
    case 1:
      return 6;
    case 2:
      return 3;
    case 3:
      return 8;
    default:
      return 1;
  }
}

// One pass over a file's best video stream.
class Reader {
 public:
  explicit Reader(const fs::path& path) : name_(path.string()) {
    AVDictionary* options = nullptr;
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    av_dict_set(&options, "format_whitelist", kFormats, 0);
    AVFormatContext* opened = nullptr;
    const std::string url = "file:" + path.string();
    const int code = avformat_open_input(&opened, url.c_str(), nullptr, &options);
    av_dict_free(&options);
    check(code, "no video that can be read");
    format_.reset(opened);
    check(avformat_find_stream_info(format_.get(), nullptr), "no stream that can be read");
    const AVCodec* codec = nullptr;
    index_ = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    check(index_, "no video stream");
    decoder_.reset(avcodec_alloc_context3(codec));
    packet_.reset(av_packet_alloc());
    frame_.reset(av_frame_alloc());
    if (!decoder_ || !packet_ || !frame_) fail("out of memory");
    check(avcodec_parameters_to_context(decoder_.get(), stream().codecpar), "codec parameters");
    check(avcodec_open2(decoder_.get(), codec, nullptr), "codec");
  }

  const AVStream& stream() const { return *format_->streams[index_]; }
  std::int64_t duration() const { return format_->duration; }

  // The next frame, or null at the end; valid until the next call.
  const AVFrame* next() {
    while (true) {
      const int code = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (code == 0) return frame_.get();
      if (code == AVERROR_EOF) return nullptr;
      if (code != AVERROR(EAGAIN)) return nullptr;  // damage: what came before it counts
      feed();
    }
  }

  [[noreturn]] void fail(const std::string& why) const { throw MediaError(name_ + ": video: " + why); }

 private:
  void check(int code, const char* what) const {
    if (code < 0) fail(std::string(what) + ": " + reason(code));
  }

  void feed() {
    while (av_read_frame(format_.get(), packet_.get()) >= 0) {
      const bool ours = packet_->stream_index == index_;
      if (ours) avcodec_send_packet(decoder_.get(), packet_.get());  // a damaged packet gives no frame
      av_packet_unref(packet_.get());
      if (ours) return;
    }
    avcodec_send_packet(decoder_.get(), nullptr);
  }

  std::string name_;
  std::unique_ptr<AVFormatContext, CloseFormat> format_;
  std::unique_ptr<AVCodecContext, FreeCodec> decoder_;
  std::unique_ptr<AVPacket, FreePacket> packet_;
  std::unique_ptr<AVFrame, FreeFrame> frame_;
  int index_ = -1;
};

class VideoFile final : public VideoSource {
 public:
  VideoFile(fs::path path, const DecodeLimits& limits) : path_(std::move(path)), limits_(limits) {
    const Reader reader(path_);
    const AVStream& stream = reader.stream();
    const int width = stream.codecpar->width, height = stream.codecpar->height;
    check_size(reader, width, height);
    orientation_ = orientation_of(stream);
    const bool turned = orientation_ >= 5;
    const AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
    const double fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 1;
    std::int64_t frames = stream.nb_frames;
    // As OpenCV: what the header says, else what the duration gives.
    if (frames <= 0 && reader.duration() > 0)
      frames = std::int64_t(std::floor(double(reader.duration()) / AV_TIME_BASE * fps + 0.5));
    header_ = {turned ? height : width, turned ? width : height, std::max<std::int64_t>(frames, 1), fps};
  }

  const VideoHeader& header() const override { return header_; }

  void read(std::span<const std::int64_t> numbers,
            const std::function<void(std::size_t, const Image&)>& use) const override {
    Reader reader(path_);
    std::size_t done = 0;
    std::int64_t at = 0;
    const std::unique_ptr<AVFrame, FreeFrame> last(av_frame_alloc());
    while (done < numbers.size()) {
      const AVFrame* frame = reader.next();
      if (frame == nullptr) break;
      av_frame_unref(last.get());
      if (av_frame_ref(last.get(), frame) < 0) reader.fail("out of memory");
      if (at++ < numbers[done]) continue;
      const Image image = to_image(reader, *frame);
      while (done < numbers.size() && numbers[done] < at) use(done++, image);
    }
    if (at == 0) reader.fail("no frame could be decoded");
    if (done == numbers.size()) return;
    // The last frame of a file that ends early stands for those that it lacks.
    const Image image = to_image(reader, *last);
    while (done < numbers.size()) use(done++, image);
  }

 private:
  void check_size(const Reader& reader, int width, int height) const {
    const auto pixels = std::uint64_t(std::max(width, 0)) * std::uint64_t(std::max(height, 0));
    if (width < 1 || height < 1 || width > limits_.side || height > limits_.side || pixels > limits_.pixels)
      reader.fail("expected frames of at most " + std::to_string(limits_.pixels) + " pixels, got " +
                  std::to_string(width) + "x" + std::to_string(height));
  }

  // As OpenCV converts: swscale's bicubic, which interpolates colours that are stored at half size.
  Image to_image(const Reader& reader, const AVFrame& frame) const {
    check_size(reader, frame.width, frame.height);
    const std::unique_ptr<SwsContext, FreeScaler> scaler(
        sws_getContext(frame.width, frame.height, AVPixelFormat(frame.format), frame.width, frame.height,
                       AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
    if (!scaler) reader.fail("a pixel format that cannot be converted");
    // It writes whole vectors, beyond the end of a row.
    constexpr int kVector = 64;
    const int stride = (3 * frame.width + 2 * kVector - 1) / kVector * kVector;
    std::vector<std::uint8_t> padded(std::size_t(stride) * std::size_t(frame.height) + kVector);
    std::uint8_t* const planes[] = {padded.data(), nullptr, nullptr, nullptr};
    const int strides[] = {stride, 0, 0, 0};
    if (sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, planes, strides) != frame.height)
      reader.fail("a frame could not be converted");
    Picture picture{.width = frame.width, .height = frame.height};
    picture.rgb.resize(std::size_t(frame.width) * std::size_t(frame.height) * 3);
    for (int y = 0; y < frame.height; ++y)
      std::copy_n(padded.data() + std::size_t(y) * std::size_t(stride), 3 * std::size_t(frame.width),
                  picture.row(y));
    picture = oriented(std::move(picture), orientation_);
    auto image = Image::from_rgb(picture.width, picture.height, std::move(picture.rgb));
    // A stream may change its size on the way.
    if (image.width() == header_.width && image.height() == header_.height) return image;
    return image.resized(header_.width, header_.height, Filter::bicubic);
  }

  fs::path path_;
  DecodeLimits limits_;
  int orientation_ = 1;
  VideoHeader header_;
};

}  // namespace

std::unique_ptr<VideoSource> open_video_file(const fs::path& path, const DecodeLimits& limits) {
  av_log_set_level(AV_LOG_QUIET);
  return std::make_unique<VideoFile>(path, limits);
}

}  // namespace mlx_vision::media

#else

namespace mlx_vision::media {

std::unique_ptr<VideoSource> open_video_file(const std::filesystem::path& path, const DecodeLimits&) {
  throw MediaError(
      path.string() +
      ": video files need a build with FFmpeg (libavformat, libavcodec, libswscale); a folder of "
      "pictures is taken as a video by every build");
}

}  // namespace mlx_vision::media

#endif
