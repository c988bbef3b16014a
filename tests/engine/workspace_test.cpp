#include "memory/workspace.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/attend.h"
#include "kernels/dense_many.h"
#include "kernels/few_rows.h"
#include "kernels/many_rows.h"
#include "kernels/tile_rows.h"
#include "kernels/vector_packed.h"

using namespace mlx_vision;

// src/memory sees no other layer and has the sizes a second time.
TEST_CASE("the plan counts what the kernels allocate") {
  memory::ModelShape model;
  model.kernel_threads = 3;
  for (const int in : {32, 588, 1536, 8960, 500'000})
    for (const int rows : {1, 4, 5, 7, 8, 30, 100'000}) {
      CAPTURE(in);
      CAPTURE(rows);
      std::size_t floats = rows < kernels::kManyRows ? kernels::few_rows_workspace(rows, in)
                                                     : std::max(kernels::many_rows_workspace(rows, in),
                                                                kernels::dense_many_workspace(rows, in));
      if (rows >= kernels::kLeastByteRows) floats = std::max(floats, kernels::tile_rows_workspace(rows, in));
      CHECK(memory::product_workspace(model, rows, in) == floats * sizeof(float));
    }
  for (const int d : {16, 64, 72, 80, 128, 256}) {
    CAPTURE(d);
    const std::size_t held =
        3 * sizeof(float) *
        (kernels::attend_scratch(d, d) + kernels::kPanelFloats + kernels::kTilePanelWords);
    const std::uint64_t planned = memory::threads_scratch(model, {.head_dim = d});
    CHECK(planned >= held);
    CHECK(planned <= held + held / 4);
  }
  model.kernel_threads = 0;
  CHECK(memory::product_workspace(model, 100, 100) == 0);
  CHECK(memory::threads_scratch(model, {.head_dim = 64}) == 0);
}
