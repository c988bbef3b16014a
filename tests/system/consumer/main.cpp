// Uses each kind of thing that crosses the library's boundary: functions, values, typed errors.
#include <mlx_vision/mlx_vision.h>

#include <cstdio>
#include <vector>

int main() {
  const mlx_vision::DeviceInfo device = mlx_vision::device_info();
  std::printf("blas %s\n", device.blas_library.c_str());
  std::printf("families %zu\n", mlx_vision::known_model_types().size());

  const mlx_vision::Image image = mlx_vision::Image::from_rgb(2, 1, {255, 0, 0, 0, 0, 255});
  std::printf("image %dx%d\n", image.width(), image.height());
  try {
    mlx_vision::Image::from_rgb(2, 1, {});
    return 1;
  } catch (const mlx_vision::MediaError& e) {
    std::printf("media %d\n", e.exit_code());
  }
  try {
    mlx_vision::Runtime::load("no such folder");
    return 1;
  } catch (const mlx_vision::ConfigError& e) {
    std::printf("config %s\n", e.what());
  }
  return 0;
}
