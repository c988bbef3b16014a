# cmake --install: the program, the library, the headers, and the package that find_package(mlx-vision) reads.
#
#   bin/mlx-vision                     finds the library beside it
#   lib/libmlx-vision.so*              finds MLX in lib/mlx-vision
#   lib/mlx-vision/                    MLX as its wheel lays it out (a copy, so that the clone may go)
#   lib/cmake/mlx-vision/, include/mlx_vision/
#   share/mlx-vision/demo-model/       what the program uses when no model is named
include(CMakePackageConfigHelpers)

if(APPLE)
  set(here @loader_path)
else()
  set(here $ORIGIN)
endif()

# A wheel's libraries find each other by their places relative to site-packages, so those places are kept. Besides
# libmlx these are: its BLAS and LAPACK (mlx_*.libs), the CUDA libraries, and the headers that the CUDA build
# compiles kernels with at run time. An MLX from elsewhere (Homebrew, own build) stays where it is.
get_target_property(mlx_location mlx LOCATION)
cmake_path(GET mlx_location PARENT_PATH mlx_libraries)
set(mlx_runtime ${mlx_libraries})
if(MLX_VISION_BUNDLE_MLX AND mlx_libraries MATCHES "/site-packages/mlx/lib$")
  cmake_path(SET site_packages NORMALIZE ${mlx_libraries}/../..)
  set(bundle ${CMAKE_INSTALL_LIBDIR}/mlx-vision)
  set(mlx_runtime ${here}/mlx-vision/mlx/lib)
  install(DIRECTORY ${mlx_libraries} DESTINATION ${bundle}/mlx PATTERN cmake EXCLUDE)
  file(GLOB companions ${site_packages}/mlx_*.libs ${site_packages}/nvidia)
  install(DIRECTORY ${companions} DESTINATION ${bundle})
  if(IS_DIRECTORY ${site_packages}/nvidia)
    install(DIRECTORY ${site_packages}/mlx/include DESTINATION ${bundle}/mlx)
  endif()
  file(GLOB licences ${site_packages}/mlx*.dist-info/licenses)
  foreach(licence IN LISTS licences)
    string(REGEX MATCH "mlx[^/]*(\\.dist-info)" wheel ${licence})
    install(DIRECTORY ${licence}/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/licenses/${wheel})
  endforeach()
endif()

set_target_properties(mlx_vision PROPERTIES INSTALL_RPATH ${mlx_runtime})
install(TARGETS mlx_vision EXPORT mlx-vision)
if(TARGET mlx-vision)
  set_target_properties(mlx-vision PROPERTIES INSTALL_RPATH ${here}/../${CMAKE_INSTALL_LIBDIR})
  install(TARGETS mlx-vision)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/share/demo-model DESTINATION ${CMAKE_INSTALL_DATADIR}/mlx-vision)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mlx_vision DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mlx-vision)
install(EXPORT mlx-vision FILE mlx-vision-targets.cmake NAMESPACE mlx_vision:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/mlx-vision-config.cmake.in
                              ${PROJECT_BINARY_DIR}/mlx-vision-config.cmake INSTALL_DESTINATION ${package_dir}
                              PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mlx-vision-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mlx-vision-config.cmake ${PROJECT_BINARY_DIR}/mlx-vision-config-version.cmake
        DESTINATION ${package_dir})
