#pragma once

/// The whole public interface.
#include "mlx_vision/chat.h"
#include "mlx_vision/error.h"
#include "mlx_vision/events.h"
#include "mlx_vision/image.h"
#include "mlx_vision/inspect.h"
#include "mlx_vision/memory.h"
#include "mlx_vision/options.h"
#include "mlx_vision/preprocess.h"
#include "mlx_vision/runtime.h"
#include "mlx_vision/tensor.h"
#include "mlx_vision/video.h"
#include "mlx_vision/vision_config.h"
