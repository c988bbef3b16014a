#pragma once
#include <mlx_vision_bridge.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mlx_vision::text {

struct BridgeDeleter {
  void operator()(MvTokenizer* handle) const { mv_tokenizer_free(handle); }
  void operator()(MvStream* handle) const { mv_stream_free(handle); }
  void operator()(MvTemplate* handle) const { mv_template_free(handle); }
};
template <class T>
using BridgeHandle = std::unique_ptr<T, BridgeDeleter>;

inline const std::uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// Receives a string from the bridge and frees it. `out()` goes into the call.
class BridgeText {
 public:
  BridgeText() = default;
  BridgeText(const BridgeText&) = delete;
  BridgeText& operator=(const BridgeText&) = delete;
  ~BridgeText() {
    if (text_.data) mv_text_free(text_);
  }
  MvText* out() { return &text_; }
  std::string str() const {
    return std::string(reinterpret_cast<const char*>(text_.data), text_.data ? text_.size : 0);
  }

 private:
  MvText text_{};
};

/// As BridgeText, for ids.
class BridgeIds {
 public:
  BridgeIds() = default;
  BridgeIds(const BridgeIds&) = delete;
  BridgeIds& operator=(const BridgeIds&) = delete;
  ~BridgeIds() {
    if (ids_.data) mv_ids_free(ids_);
  }
  MvIds* out() { return &ids_; }
  std::vector<std::int32_t> vector() const {
    return ids_.data ? std::vector<std::int32_t>(ids_.data, ids_.data + ids_.size)
                     : std::vector<std::int32_t>();
  }

 private:
  MvIds ids_{};
};

}  // namespace mlx_vision::text
