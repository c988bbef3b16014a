#include "core/config.h"

#include <doctest/doctest.h>

using mlx_vision::ConfigError;
using mlx_vision::core::ConfigReader;

namespace {
std::string message(auto&& call) {
  try {
    call();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}
}  // namespace

TEST_CASE("a wrong type names file, field, expected and found") {
  const auto c = ConfigReader::from_text(R"({"text_config": {"hidden_size": "64", "eps": true, "n": 2.5}})",
                                         "config.json");
  const auto text = c.child("text_config");
  CHECK(message([&] { text.get<int>("hidden_size"); }) ==
        "config.json.text_config.hidden_size: wrong type, expected an integer, got \"64\"");
  CHECK(message([&] { text.get<float>("eps"); }) ==
        "config.json.text_config.eps: wrong type, expected a number, got true");
  CHECK(message([&] { text.get<int>("n"); }) ==
        "config.json.text_config.n: wrong type, expected an integer, got 2.5");
  CHECK(message([&] { text.get<int>("layers"); }) ==
        "config.json.text_config.layers: required field is missing, expected an integer");
}

TEST_CASE("numbers that do not fit an int are refused") {
  const auto c = ConfigReader::from_text(R"({"big": 1099511627776, "whole": 2.0, "low": -1})", "c");
  CHECK(message([&] { c.get<int>("big"); }) == "c.big: wrong type, expected an integer, got 1099511627776");
  CHECK(c.get<int>("whole") == 2);
  CHECK(message([&] { c.size("low", 1, 10); }) == "c.low: expected 1..10, got -1");
}

TEST_CASE("null is absent, and unread fields are listed by path") {
  const auto c = ConfigReader::from_text(R"({"a": null, "b": {"c": 1, "d": 2}, "e": 3})", "c");
  CHECK(c.get_or("a", 7) == 7);
  CHECK(c.child("b").get<int>("c") == 1);
  CHECK(c.unread() == std::vector<std::string>{"c.b.d", "c.e"});
}

TEST_CASE("text that is no JSON object") {
  CHECK(message([] { ConfigReader::from_text("[1]", "config.json"); }) ==
        "config.json: expected an object, got [1]");
  CHECK(message([] {
          ConfigReader::from_text("{", "config.json");
        }).starts_with("config.json: not valid JSON"));
}
