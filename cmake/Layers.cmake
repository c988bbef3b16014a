# One static library per folder of src/, so that a layer's tests link that layer and what it may use, and nothing else.

add_library(mlx_vision_options INTERFACE)
# Designated initialisers leave out what keeps its default; that is their point, not a mistake.
target_compile_options(mlx_vision_options INTERFACE -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers)
target_include_directories(mlx_vision_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)

# Code that is never hot compiles in half of the time with little optimisation.
add_library(mlx_vision_not_hot INTERFACE)
target_compile_options(mlx_vision_not_hot INTERFACE $<$<CONFIG:Release>:-O1> $<$<CONFIG:Sanitize>:-O0>)

# mlx_vision_precompile(TARGET LAYER [HEADER ...]): the sanitizers' builds parse the large headers once a target. The release
# build does without, so that a file which forgets an #include is found there.
function(mlx_vision_precompile target layer)
  set(headers ${ARGN})
  if(layer MATCHES "^(weights|nn|backbones|models|engine|api)$")
    list(APPEND headers <mlx/mlx.h> <nlohmann/json.hpp>)
  endif()
  if(MLX_VISION_SANITIZE AND headers)
    target_precompile_headers(${target} PRIVATE ${headers})
  endif()
endfunction()

# mlx_vision_layer(NAME [LINKS ...]): every .cpp of the current folder.
function(mlx_vision_layer name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$") # a program's, not the layer's
  set(target mlx_vision_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC mlx_vision_options ${arg_LINKS})
    mlx_vision_precompile(${target} ${name})
    set_property(GLOBAL APPEND PROPERTY MLX_VISION_LAYERS ${target})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE mlx_vision_options ${arg_LINKS})
  endif()
endfunction()

# mlx_vision_test(LAYER [LINKS ...]): tests/LAYER/*_test.cpp in one doctest program.
function(mlx_vision_test layer)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${layer}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${layer} $<TARGET_OBJECTS:mlx_vision_test_main> ${sources})
  target_link_libraries(test_${layer} PRIVATE mlx_vision_${layer} ${arg_LINKS})
  if(NOT layer MATCHES "^(media|processing)$") # these go over every pixel
    target_link_libraries(test_${layer} PRIVATE mlx_vision_not_hot)
  endif()
  mlx_vision_precompile(test_${layer} ${layer} <doctest/doctest.h>)
  target_include_directories(test_${layer} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(test_${layer} PRIVATE -Wno-restrict) # g++ 12 warns falsely on "text" + std::string
  endif()
  target_compile_definitions(test_${layer} PRIVATE TESTS_DIR="${PROJECT_SOURCE_DIR}/tests")
  if(MLX_VISION_SANITIZE)
    target_compile_definitions(test_${layer} PRIVATE MLX_VISION_SANITIZED)
  endif()
  add_test(NAME ${layer} COMMAND test_${layer})
endfunction()
