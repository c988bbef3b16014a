#include "media/jpeg_reader.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

#include "media/convert.h"
#include "media/exif.h"

namespace mlx_vision::media {

/// libjpeg reports errors by longjmp. Every jump ends in guarded(), whose frame and whose callees hold
/// nothing with a destructor; results travel through this struct, never through locals that a jump would
/// leave undefined.
struct JpegReader::State {
  jpeg_decompress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg_source_mgr input = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf jump = {};
  char message[JMSG_LENGTH_MAX] = {};
  Bytes bytes;
  int scan_limit = 0;
  bool complete = false;  ///< of the last step; false: the data ended before it
  bool started = false;
  std::uint8_t* row = nullptr;
  std::vector<std::uint8_t> native;  ///< one row of a picture that is not RGB in libjpeg's hands

  ~State() { jpeg_destroy_decompress(&jpeg); }

  using Step = void (*)(State&);
  [[gnu::noinline]] bool guarded(Step step) {
    complete = false;
    if (setjmp(jump) != 0) return false;
    step(*this);
    return true;
  }

  template <class Jpeg>
  static State& of(Jpeg* jpeg) {
    return *static_cast<State*>(jpeg->client_data);
  }
  static void on_error(j_common_ptr jpeg) {
    (*jpeg->err->format_message)(jpeg, of(jpeg).message);
    std::longjmp(of(jpeg).jump, 1);
  }
  static void on_message(j_common_ptr, int) {}
  static void on_progress(j_common_ptr jpeg) {
    State& state = of(jpeg);
    if (state.jpeg.input_scan_number <= state.scan_limit) return;
    std::snprintf(state.message, sizeof state.message, "expected at most %d scans", state.scan_limit);
    std::longjmp(state.jump, 1);
  }
  // All data are in memory: there is never more to fill in, so the library suspends at their end.
  static void no_action(j_decompress_ptr) {}
  static boolean no_more_input(j_decompress_ptr) { return FALSE; }
  static void skip_input(j_decompress_ptr jpeg, long count) {
    const std::size_t step = std::min(std::size_t(std::max(count, 0L)), jpeg->src->bytes_in_buffer);
    jpeg->src->next_input_byte += step;
    jpeg->src->bytes_in_buffer -= step;
  }

  static void open(State& state) {
    jpeg_create_decompress(&state.jpeg);
    state.jpeg.client_data = &state;
    state.jpeg.src = &state.input;
    state.jpeg.progress = &state.progress;
    jpeg_save_markers(&state.jpeg, JPEG_APP0 + 1, 0xFFFF);
    state.complete = jpeg_read_header(&state.jpeg, TRUE) == JPEG_HEADER_OK;
  }
  static void begin(State& state) {
    state.jpeg.out_color_space = state.jpeg.num_components == 1   ? JCS_GRAYSCALE
                                 : state.jpeg.num_components == 3 ? JCS_RGB
                                                                  : JCS_CMYK;
    state.complete = jpeg_start_decompress(&state.jpeg) != FALSE;
  }
  static void next_row(State& state) {
    state.complete = jpeg_read_scanlines(&state.jpeg, &state.row, 1) == 1;
  }
  static void finish(State& state) { jpeg_finish_decompress(&state.jpeg); }
};

namespace {

constexpr std::string_view kExifHeader("Exif\0\0", 6);
constexpr std::string_view kXmpHeader("http://ns.adobe.com/xap/1.0/\0", 29);

/// EXIF may be spread over several APP1 markers; of XMP blocks the last counts.
int orientation_of(const jpeg_decompress_struct& jpeg) {
  std::vector<std::uint8_t> exif;
  std::string_view xmp;
  for (const jpeg_marker_struct* m = jpeg.marker_list; m != nullptr; m = m->next) {
    const std::string_view data(reinterpret_cast<const char*>(m->data), m->data_length);
    if (data.starts_with(kExifHeader))
      exif.insert(exif.end(), m->data + kExifHeader.size(), m->data + m->data_length);
    else if (data.starts_with(kXmpHeader))
      xmp = data.substr(kXmpHeader.size());
  }
  return choose_orientation(exif_orientation(exif), xmp_orientation(xmp));
}

}  // namespace

JpegReader::JpegReader(const Source& source) : source_(source), state_(std::make_unique<State>()) {
  State& state = *state_;
  state.jpeg.err = jpeg_std_error(&state.errors);
  state.jpeg.client_data = &state;
  state.errors.error_exit = State::on_error;
  state.errors.emit_message = State::on_message;
  state.progress.progress_monitor = State::on_progress;
  state.scan_limit = source.options.limits.progressive_scans;
  state.input.init_source = state.input.term_source = State::no_action;
  state.input.fill_input_buffer = State::no_more_input;
  state.input.skip_input_data = State::skip_input;
  state.input.resync_to_restart = jpeg_resync_to_restart;
  state.input.next_input_byte = source.bytes.data();
  state.input.bytes_in_buffer = source.bytes.size();
  if (!state.guarded(State::open)) fail();
  if (!state.complete) source.truncated("JPEG", "no picture data");
  const int components = components_ = state.jpeg.num_components;
  if (components != 1 && components != 3 && components != 4)
    source.fail("JPEG: expected 1, 3 or 4 components, got " + std::to_string(components));
  source.check_size(state.jpeg.image_width, state.jpeg.image_height);
  info_ = {.format = "JPEG",
           .mode = components == 1   ? "L"
                   : components == 3 ? "RGB"
                                     : "CMYK",
           .width = int(state.jpeg.image_width),
           .height = int(state.jpeg.image_height),
           .orientation = orientation_of(state.jpeg)};
}

JpegReader::~JpegReader() = default;

void JpegReader::fail() const { source_.fail("JPEG data are damaged: " + std::string(state_->message)); }

void JpegReader::start() {
  State& state = *state_;
  if (!state.guarded(State::begin)) fail();
  if (!state.complete) source_.truncated("JPEG", "the last scan is not there");
  if (state.jpeg.output_width != state.jpeg.image_width ||
      state.jpeg.output_components != state.jpeg.num_components)
    source_.fail("JPEG: the colour space is not supported");
  if (state.jpeg.num_components != 3)
    state.native.resize(std::size_t(info_.width) * std::size_t(state.jpeg.num_components));
  state.started = true;
}

void JpegReader::read_row(std::uint8_t* rgb) {
  State& state = *state_;
  if (!state.started) start();
  state.row = state.native.empty() ? rgb : state.native.data();
  const int y = int(state.jpeg.output_scanline);
  if (!state.guarded(State::next_row)) fail();
  if (!state.complete)
    source_.truncated("JPEG",
                      "row " + std::to_string(y) + " of " + std::to_string(info_.height) + " is not there");
  // What follows the last row must be sound as far as it is there; the end marker may be missing.
  if (y + 1 == info_.height && !state.guarded(State::finish)) fail();
  const std::size_t width = std::size_t(info_.width);
  if (components_ == 1) {
    gray_to_rgb(state.native.data(), rgb, width);
  } else if (components_ == 4) {
    // As Pillow, all four-component files are taken for Adobe's, which store the inverse.
    for (std::uint8_t& ink : state.native) ink = std::uint8_t(255 - ink);
    cmyk_to_rgb(state.native.data(), rgb, width);
  }
}

Picture decode_jpeg(const Source& source) {
  JpegReader reader(source);
  if (source.header_only) return Picture::header(reader.info());
  Picture picture = Picture::blank(reader.info());
  for (int y = 0; y < picture.height; ++y) reader.read_row(picture.row(y));
  return picture;
}

}  // namespace mlx_vision::media
