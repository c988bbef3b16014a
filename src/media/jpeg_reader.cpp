#include "media/jpeg_reader.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

#include "media/band_pipe.h"
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
  std::uint8_t* row = nullptr;
  int arrays = 0;                                           ///< of coefficients that libjpeg has asked for
  std::array<std::array<JBLOCKROW, 2>, 3> block_rows = {};  ///< of the band being read, by component

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
    state.progress.progress_monitor = on_progress;
    jpeg_save_markers(&state.jpeg, JPEG_APP0 + 1, 0xFFFF);
    state.complete = jpeg_read_header(&state.jpeg, TRUE) == JPEG_HEADER_OK;
  }

  /// Whether coefficients are worth more than pixels: the files that cameras and most programs write, whose
  /// pixels the kernels make. Others are upsampled in other ways, or refined scan by scan.
  bool has_ordinary_layout() {
    if (jpeg.num_components != 3 || jpeg.jpeg_color_space != JCS_YCbCr || jpeg.data_precision != 8)
      return false;
    if (jpeg.progressive_mode != FALSE || jpeg_has_multiple_scans(&jpeg) != FALSE ||
        jpeg.CCIR601_sampling != FALSE)
      return false;
    if (jpeg.Ss != 0 || jpeg.Se != DCTSIZE2 - 1) return false;  // lossless, where the library knows it
    const jpeg_component_info &luma = jpeg.comp_info[0], &cb = jpeg.comp_info[1], &cr = jpeg.comp_info[2];
    if (cb.h_samp_factor != 1 || cb.v_samp_factor != 1 || cr.h_samp_factor != 1 || cr.v_samp_factor != 1)
      return false;
    if (luma.h_samp_factor > 2 || luma.v_samp_factor > luma.h_samp_factor) return false;
    return cb.downsampled_width > 2;  // below that jdsample.c repeats samples
  }

  // In its buffered mode libjpeg decodes the entropy coding alone, row of MCUs by row of MCUs, into an array
  // of the whole picture's coefficients that its memory manager holds. This one has room for the band being
  // read.
  static jvirt_barray_ptr request_array(j_common_ptr jpeg, int, boolean, JDIMENSION, JDIMENSION, JDIMENSION) {
    return reinterpret_cast<jvirt_barray_ptr>(of(jpeg).block_rows[std::size_t(of(jpeg).arrays++)].data());
  }
  static JBLOCKARRAY access_array(j_common_ptr, jvirt_barray_ptr array, JDIMENSION, JDIMENSION, boolean) {
    return reinterpret_cast<JBLOCKARRAY>(array);
  }
  static void begin_coefficients(State& state) {
    state.jpeg.buffered_image = state.jpeg.raw_data_out = TRUE;
    state.jpeg.mem->request_virt_barray = request_array;
    state.jpeg.mem->access_virt_barray = access_array;
    begin(state);
  }
  static void next_coefficients(State& state) {
    const int status = jpeg_consume_input(&state.jpeg);
    state.complete = status == JPEG_ROW_COMPLETED || status == JPEG_SCAN_COMPLETED;
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

/// Of a smaller picture, or one whose bands are shorter, a second thread costs more than it saves.
constexpr std::int64_t kSharedPixels = 1 << 16;
constexpr int kSharedWidth = 256;

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
  state.scan_limit = source.options.limits.progressive_scans;
  state.input.init_source = state.input.term_source = State::no_action;
  state.input.fill_input_buffer = State::no_more_input;
  state.input.skip_input_data = State::skip_input;
  state.input.resync_to_restart = jpeg_resync_to_restart;
  state.input.next_input_byte = source.bytes.data();
  state.input.bytes_in_buffer = source.bytes.size();
  if (!state.guarded(State::open)) fail();
  if (!state.complete) source.truncated("JPEG", "no picture data");
  const int components = state.jpeg.num_components;
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

const JpegBands& JpegReader::start() {
  State& state = *state_;
  const bool coefficients = has_jpeg_kernels() && state.has_ordinary_layout();
  if (!state.guarded(coefficients ? State::begin_coefficients : State::begin)) fail();
  if (!state.complete) source_.truncated("JPEG", "the last scan is not there");
  const jpeg_decompress_struct& jpeg = state.jpeg;
  if (jpeg.output_width != jpeg.image_width || jpeg.output_components != jpeg.num_components)
    source_.fail("JPEG: the colour space is not supported");
  bands_.width = info_.width;
  bands_.height = info_.height;
  bands_.rows = jpeg.max_v_samp_factor * DCTSIZE;
  if (!coefficients) {
    bands_.channels = jpeg.num_components;
    return bands_;
  }
  bands_.sampling = jpeg.max_v_samp_factor == 2   ? ChromaSampling::half_both
                    : jpeg.max_h_samp_factor == 2 ? ChromaSampling::half_width
                                                  : ChromaSampling::full;
  for (std::size_t c = 0; c < bands_.components.size(); ++c) {
    const jpeg_component_info& component = jpeg.comp_info[c];
    JpegBands::Component& out = bands_.components[c];
    out.block_rows = component.v_samp_factor;
    out.blocks = std::size_t(jpeg.MCUs_per_row) * std::size_t(component.h_samp_factor);
    out.width = int(component.downsampled_width);
    out.height = int(component.downsampled_height);
    std::copy_n(component.quant_table->quantval, kBlockSize, out.quant.begin());
  }
  return bands_;
}

void JpegReader::read_band(std::int16_t* band) {
  if (bands_.channels > 0)
    read_pixels(reinterpret_cast<std::uint8_t*>(band));
  else
    read_coefficients(band);
  // What follows the last row must be sound as far as it is there; the end marker may be missing.
  if (++read_ == bands_.count() && !state_->guarded(State::finish)) fail();
}

void JpegReader::read_pixels(std::uint8_t* pixels) {
  const int first = read_ * bands_.rows, end = std::min(first + bands_.rows, bands_.height);
  for (int y = first; y < end; ++y) {
    state_->row = pixels;
    if (!state_->guarded(State::next_row)) fail();
    if (!state_->complete) fail_at(y);
    pixels += std::size_t(bands_.width) * std::size_t(bands_.channels);
  }
}

void JpegReader::read_coefficients(std::int16_t* blocks) {
  State& state = *state_;
  for (std::size_t c = 0; c < bands_.components.size(); ++c) {
    const JpegBands::Component& component = bands_.components[c];
    for (int i = 0; i < component.block_rows; ++i, blocks += component.blocks * kBlockSize)
      state.block_rows[c][std::size_t(i)] = reinterpret_cast<JBLOCKROW>(blocks);
  }
  if (!state.guarded(State::next_coefficients)) fail();
  // The colours of a band's last two rows would need it.
  if (!state.complete) fail_at(std::max(0, read_ * bands_.rows - (bands_.has_halved_rows() ? 2 : 0)));
}

void JpegReader::fail_at(int y) const {
  source_.truncated("JPEG",
                    "row " + std::to_string(y) + " of " + std::to_string(info_.height) + " is not there");
}

void stream_rows(JpegReader& reader, const std::function<void(const JpegRows&)>& use) {
  const JpegBands& bands = reader.start();
  JpegRows rows(bands);
  const auto take = [&](std::int16_t* band) {
    rows.take(band);
    use(rows);
  };
  if (bands.width < kSharedWidth || std::int64_t(bands.width) * bands.height < kSharedPixels) {
    std::vector<std::int16_t> band(bands.size());
    for (int i = 0; i < bands.count(); ++i) {
      reader.read_band(band.data());
      take(band.data());
    }
    return;
  }
  BandPipe pipe(bands.count(), bands.size(), take);
  for (int i = 0; i < bands.count(); ++i) {
    reader.read_band(pipe.room());
    pipe.publish();
  }
  pipe.finish();
}

Picture decode_jpeg(const Source& source) {
  JpegReader reader(source);
  if (source.header_only) return Picture::header(reader.info());
  Picture picture = Picture::blank(reader.info());
  stream_rows(reader, [&](const JpegRows& rows) {
    for (int y = rows.first(); y < rows.last(); ++y) rows.make(y, picture.row(y));
  });
  return picture;
}

}  // namespace mlx_vision::media
