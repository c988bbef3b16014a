#include "engine/stop.h"

#include <doctest/doctest.h>

#include "mlx_vision/error.h"

using mlx_vision::engine::StopFilter;

namespace {

std::string through(const std::vector<std::string>& stops, std::string_view text, std::size_t piece,
                    bool* stopped = nullptr) {
  StopFilter filter(stops);
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += piece) out += filter.push(text.substr(i, piece));
  out += filter.flush();
  if (stopped) *stopped = filter.stopped();
  return out;
}

}  // namespace

TEST_CASE("text ends before the first stop string, however it is cut") {
  const std::vector<std::vector<std::string>> stops = {{"END"},       {"aab"},  {"ab", "b"}, {"abcd", "bc"},
                                                       {"bc", "abc"}, {"\n\n"}, {"é"},       {}};
  const std::vector<std::string> texts = {"",       "xENEND", "aaaab", "zabcd", "ENENDEND",
                                          "a\n\nb", "caféx",  "EN",    "aa"};
  for (const auto& stop : stops)
    for (const auto& text : texts) {
      bool whole_stopped;
      const std::string whole = through(stop, text, text.size() + 1, &whole_stopped);
      for (std::size_t piece = 1; piece < 5; ++piece) {
        bool stopped;
        CHECK(through(stop, text, piece, &stopped) == whole);
        CHECK(stopped == whole_stopped);
      }
    }
  CHECK(through({"END"}, "xENENDy", 1) == "xEN");
  CHECK(through({"aab"}, "aaaab", 1) == "aa");
  CHECK(through({"ab", "b"}, "zab", 1) == "z");
  CHECK(through({"abcd", "bc"}, "zabcd", 5) == "za");
  CHECK(through({"END"}, "xEN", 1) == "xEN");
}

TEST_CASE("only what may become a stop string is held back") {
  StopFilter filter({"</s>", "##"});
  CHECK(filter.push("hello <") == "hello ");
  CHECK(filter.push("/b> #") == "</b> ");
  CHECK(filter.push("1") == "#1");
  CHECK(filter.push("</s") == "");
  CHECK_FALSE(filter.stopped());
  CHECK(filter.push(">tail") == "");
  CHECK(filter.stopped());
  CHECK(filter.push("more") == "");
  CHECK(filter.flush() == "");
}

TEST_CASE("an empty stop string is refused") {
  CHECK_THROWS_AS(StopFilter({"a", ""}), mlx_vision::RequestError);
}
