# How everything is compiled, whichever layer it belongs to.

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# One section a function, so that the link drops what nobody calls (most of the Rust standard library, say).
add_compile_options(-ffunction-sections -fdata-sections)
if(APPLE)
  add_link_options(-Wl,-dead_strip)
else()
  add_link_options(-Wl,--gc-sections)
endif()

if(MLX_VISION_SANITIZE)
  add_compile_options(-O1 -g1 -fsanitize=${MLX_VISION_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MLX_VISION_SANITIZE})
endif()
