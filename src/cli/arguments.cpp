#include "cli/arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace mlx_vision::cli {

namespace {

constexpr std::array<std::string_view, 5> kListFlags = {"--image", "--prompt", "--eos-tokens", "--stop",
                                                        "--logit-bias"};

// Escapes of one letter, and what they stand for.
constexpr std::string_view kNames = "ntr\\\"'abfv";
constexpr std::string_view kValues = "\n\t\r\\\"'\a\b\f\v";

bool is_flag(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-' && !(argument[1] >= '0' && argument[1] <= '9');
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(char(code));
  } else if (code < 0x800) {
    out.push_back(char(0xc0 | code >> 6));
    out.push_back(char(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out.push_back(char(0xe0 | code >> 12));
    out.push_back(char(0x80 | (code >> 6 & 0x3f)));
    out.push_back(char(0x80 | (code & 0x3f)));
  } else {
    out.push_back(char(0xf0 | code >> 18));
    out.push_back(char(0x80 | (code >> 12 & 0x3f)));
    out.push_back(char(0x80 | (code >> 6 & 0x3f)));
    out.push_back(char(0x80 | (code & 0x3f)));
  }
}

// `text` stands after the backslash. Returns the characters taken, 0 for no escape.
std::size_t take_escape(std::string_view text, std::string& out) {
  if (text.empty()) return 0;
  if (const auto at = kNames.find(text[0]); at != std::string_view::npos) {
    out.push_back(kValues[at]);
    return 1;
  }
  const std::size_t digits = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : text[0] == 'U' ? 8 : 0;
  if (digits == 0 || text.size() < digits + 1) return 0;
  std::uint32_t code = 0;
  const char* last = text.data() + 1 + digits;
  if (std::from_chars(text.data() + 1, last, code, 16).ptr != last) return 0;
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  append_utf8(out, code);
  return digits + 1;
}

}  // namespace

std::vector<std::string> spread_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  std::string list_flag;   // the flag whose values follow
  bool has_value = false;  // the flag stands before the next value already
  for (const auto& argument : arguments) {
    if (is_flag(argument)) {
      const bool known = std::find(kListFlags.begin(), kListFlags.end(), argument) != kListFlags.end();
      list_flag = known ? argument : "";
      has_value = false;
    } else if (!list_flag.empty()) {
      if (has_value) out.push_back(list_flag);
      has_value = true;
    }
    out.push_back(argument);
  }
  return out;
}

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t taken = text[i] == '\\' ? take_escape(std::string_view(text).substr(i + 1), out) : 0;
    if (taken == 0) out.push_back(text[i]);
    i += taken;
  }
  return out;
}

}  // namespace mlx_vision::cli
