#pragma once
#include "core/config.h"
#include "processing/processor.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// size.{shortest,longest}_edge, which hold pixel counts here in spite of their names; min_pixels and
/// max_pixels of the older files stand above them where the class reads these. @throws ConfigError
PixelBudget read_budget(const core::ConfigReader& config, const PixelBudget& defaults,
                        bool reads_pixel_limits);

/// A user's limits, of one frame, in place of the budget's ends, which are for `frames`. @throws RequestError
PixelBudget limited(PixelBudget budget, const ImageLimits& limits, int frames);

}  // namespace mlx_vision::processing
