#include "text/tokenizer.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "mlx_vision/error.h"
#include "text/chat_template.h"

using namespace mlx_vision;
using namespace mlx_vision::text;

TEST_CASE("a template that raises gives its own message") {
  const auto chat = ChatTemplate::from_source("{{ raise_exception('no images here') }}", {});
  CHECK_THROWS_WITH_AS(chat.render(nlohmann::ordered_json::array()), "chat template: no images here",
                       RequestError);
}
