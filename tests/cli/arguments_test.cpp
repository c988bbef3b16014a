#include "cli/arguments.h"

#include <doctest/doctest.h>

using mlx_vision::cli::spread_values;
using mlx_vision::cli::unescaped;
using Words = std::vector<std::string>;

TEST_CASE("every value of a list flag gets its own flag") {
  CHECK(spread_values({"generate", "--image", "a", "b", "--seed", "1"}) ==
        Words{"generate", "--image", "a", "--image", "b", "--seed", "1"});
  CHECK(spread_values({"--prompt", "-", "--json"}) == Words{"--prompt", "-", "--json"});
  CHECK(spread_values({"--logit-bias", "3=-1", "-5"}) == Words{"--logit-bias", "3=-1", "--logit-bias", "-5"});
  CHECK(spread_values({"--model", "dir", "other"}) == Words{"--model", "dir", "other"});
  CHECK(spread_values({"--image=a", "b"}) == Words{"--image=a", "b"});
}

TEST_CASE("escapes are Python's, and what is no escape stays") {
  CHECK(unescaped("a\\nb\\t\\\\n") == "a\nb\t\\n");
  CHECK(unescaped("\\x41\\u00e9\\U0001F642") == "Aé🙂");
  CHECK(unescaped("<|图像|>") == "<|图像|>");
  CHECK(unescaped("\\q \\x4 \\ud800 \\U00110000 \\") == "\\q \\x4 \\ud800 \\U00110000 \\");
}
