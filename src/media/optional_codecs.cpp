#include "media/codec.h"

// Formats that this build leaves out are recognised all the same, so that the error says what to do.

namespace mlx_vision::media {

#ifndef MLX_VISION_HAVE_TIFF
Picture decode_tiff(const Source& source) { source.fail("TIFF pictures need a build with libtiff"); }
#endif
#ifndef MLX_VISION_HAVE_AVIF
Picture decode_avif(const Source& source) { source.fail("AVIF pictures need a build with libavif"); }
#endif
#ifndef MLX_VISION_HAVE_HEIF
Picture decode_heic(const Source& source) { source.fail("HEIC pictures need a build with libheif"); }
#endif

}  // namespace mlx_vision::media
