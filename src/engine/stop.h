#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mlx_vision::engine {

/// Lets text through up to the first stop string, holding back whatever might still become one: the longest
/// end of the text that begins a stop string. The result does not depend on how the text is cut into pieces.
class StopFilter {
 public:
  /// @throws RequestError for an empty stop string.
  explicit StopFilter(std::vector<std::string> stops);

  /// Text that is now known to stand before any stop string. Empty once stopped.
  std::string push(std::string_view text);
  /// What is still held back, when generation ends for another reason.
  std::string flush();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace mlx_vision::engine
