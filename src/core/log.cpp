#include "core/log.h"

#include <cstdio>
#include <string>

namespace mlx_vision::core {

void warn(std::string_view text) {
  std::string line = "warning: ";
  line.append(text).append("\n");
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call, so that lines of several threads stay whole
}

}  // namespace mlx_vision::core
