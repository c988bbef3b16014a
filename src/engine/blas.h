#pragma once
#include <string>

namespace mlx_vision::engine {

/// What MLX multiplies with on the CPU where no kernel of ours does; empty where it is not known.
struct Blas {
  std::string library;  ///< its path
  std::string kernel;   ///< and build, in its own words
};

/// Any thread.
Blas describe_blas();

/// OpenBLAS takes a processor that is younger than itself for a Prescott and multiplies at a fifth of its
/// rate or less; this names it one that it knows, unless the environment does (OPENBLAS_CORETYPE). Before the
/// first product; any thread.
void choose_blas_kernel();

/// Keeps the BLAS to the thread that calls it. Any thread, before work begins.
void use_one_blas_thread();

}  // namespace mlx_vision::engine
