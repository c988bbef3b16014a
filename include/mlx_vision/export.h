#pragma once

/// Marks what the shared library exports; everything else is hidden.
#define MLX_VISION_API __attribute__((visibility("default")))
