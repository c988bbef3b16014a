# libmlx-vision: every layer up to api in one shared library that shows the public interface and nothing else.
# The objects go in whole, since a public symbol may lie in a layer that api itself never calls; the archives are
# named again for what they link in turn.

get_property(layers GLOBAL PROPERTY MLX_VISION_LAYERS)
list(REMOVE_ITEM layers mlx_vision_cli mlx_vision_server)  # programs over the library, not part of it
list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)

add_library(mlx_vision SHARED ${objects})
add_library(mlx_vision::mlx_vision ALIAS mlx_vision)
target_link_libraries(mlx_vision PRIVATE ${layers})
target_include_directories(mlx_vision INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(mlx_vision INTERFACE cxx_std_20)
set_target_properties(mlx_vision PROPERTIES
  OUTPUT_NAME mlx-vision
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINKER_LANGUAGE CXX)

if(APPLE)
  set(exports ${PROJECT_SOURCE_DIR}/cmake/exports.txt)
  target_link_options(mlx_vision PRIVATE -Wl,-unexported_symbols_list,${exports})
else()
  set(exports ${PROJECT_SOURCE_DIR}/cmake/exports.map)
  target_link_options(mlx_vision PRIVATE -Wl,--version-script=${exports})
  if(NOT MLX_VISION_SANITIZE)
    target_link_options(mlx_vision PRIVATE -Wl,-z,defs)
  endif()
endif()
set_property(TARGET mlx_vision APPEND PROPERTY LINK_DEPENDS ${exports})
