# Everything from outside, in one place. scripts/setup.sh installs it.
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
# SHA-256: macOS has it in its C library.
if(NOT APPLE)
  pkg_check_modules(libmd REQUIRED IMPORTED_TARGET libmd)
endif()

# Picture codecs: JPEG, PNG (read on zlib, written by libpng) and WebP always.
find_package(JPEG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
add_library(mlx_vision_codecs INTERFACE)
target_link_libraries(mlx_vision_codecs INTERFACE JPEG::JPEG ZLIB::ZLIB PNG::PNG PkgConfig::WEBP)

option(MLX_VISION_TIFF "Decode TIFF (libtiff)" ON)
option(MLX_VISION_AVIF "Decode AVIF (libavif)" ON)
pkg_check_modules(HEIF IMPORTED_TARGET QUIET libheif)
option(MLX_VISION_HEIF "Decode HEIC (libheif, LGPL)" ${HEIF_FOUND})
if(MLX_VISION_TIFF)
  pkg_check_modules(TIFF4 REQUIRED IMPORTED_TARGET libtiff-4>=4.5)
  target_link_libraries(mlx_vision_codecs INTERFACE PkgConfig::TIFF4)
  target_compile_definitions(mlx_vision_codecs INTERFACE MLX_VISION_HAVE_TIFF)
endif()
if(MLX_VISION_AVIF)
  pkg_check_modules(AVIF REQUIRED IMPORTED_TARGET libavif)
  target_link_libraries(mlx_vision_codecs INTERFACE PkgConfig::AVIF)
  target_compile_definitions(mlx_vision_codecs INTERFACE MLX_VISION_HAVE_AVIF)
endif()
if(MLX_VISION_HEIF)
  pkg_check_modules(HEIF REQUIRED IMPORTED_TARGET libheif)
  target_link_libraries(mlx_vision_codecs INTERFACE PkgConfig::HEIF)
  target_compile_definitions(mlx_vision_codecs INTERFACE MLX_VISION_HAVE_HEIF)
endif()

# Video files; folders of pictures are videos without it.
option(MLX_VISION_VIDEO "Decode video files (FFmpeg, LGPL)" ON)
if(MLX_VISION_VIDEO)
  pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat>=59 libavcodec libswscale libavutil)
  target_link_libraries(mlx_vision_codecs INTERFACE PkgConfig::FFMPEG)
  target_compile_definitions(mlx_vision_codecs INTERFACE MLX_VISION_HAVE_FFMPEG)
endif()

# Vector kernels with run-time dispatch.
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)

# MLX comes as a Python wheel in .venv (scripts/setup.sh); -DMLX_DIR=… or -DMLX_ROOT=… names another build.
if(NOT MLX_ROOT)
  file(GLOB mlx_candidates ${PROJECT_SOURCE_DIR}/.venv/lib/python*/site-packages/mlx)
  if(mlx_candidates)
    list(GET mlx_candidates 0 MLX_ROOT)
  endif()
endif()
if(EXISTS ${MLX_ROOT}/include/cccl)
  # The CUDA build. Its package file asks for a whole CUDA toolkit, which only MLX's own CUDA sources would need;
  # the libraries that a program runs with come as wheels beside it.
  include(${MLX_ROOT}/share/cmake/MLX/MLXTargets.cmake)
  set(MLX_INCLUDE_DIRS ${MLX_ROOT}/include)
else()
  find_package(MLX CONFIG)
  if(NOT MLX_FOUND)
    message(FATAL_ERROR "MLX was not found: run scripts/setup.sh (make build does), or name a build with -DMLX_DIR=…")
  endif()
endif()

# What every layer that touches arrays links. OpenBLAS comes before MLX so that MLX's cblas_* calls resolve to it and not to
# the reference BLAS inside the wheel; --no-as-needed keeps it although none of our own code may call it.
add_library(mlx_vision_mlx INTERFACE)
if(UNIX AND NOT APPLE)
  find_library(OPENBLAS_LIBRARY NAMES openblas REQUIRED)
  target_link_libraries(mlx_vision_mlx INTERFACE -Wl,--push-state,--no-as-needed ${OPENBLAS_LIBRARY} -Wl,--pop-state)
endif()
target_link_libraries(mlx_vision_mlx INTERFACE mlx)
target_include_directories(mlx_vision_mlx SYSTEM INTERFACE ${MLX_INCLUDE_DIRS})
