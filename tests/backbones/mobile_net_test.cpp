#include "backbones/mobile_net.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::backbones {
namespace {

using Tensors = std::unordered_map<std::string, mx::array>;

void add(Tensors& t, const std::string& name, const mx::Shape& shape) {
  t.insert_or_assign(name + ".weight", mx::full(shape, 0.1f));
}

void add_normed(Tensors& t, const std::string& at, const std::string& norm, const mx::Shape& shape) {
  add(t, at, shape);
  add(t, norm, {shape[0]});
}

void add_bottleneck(Tensors& t, const std::string& at, int in, int out) {
  add_normed(t, at + ".pw_exp.conv", at + ".pw_exp.bn", {2 * in, 1, 1, in});
  add_normed(t, at + ".pw_proj.conv", at + ".pw_proj.bn", {out, 1, 1, 2 * in});
}

// A stem and two stages of halved sizes: 32 pixels to 8 and 4 places, fused into 4 x 4 rows.
Tensors tower() {
  Tensors t;
  add_normed(t, "conv_stem.conv", "conv_stem.bn", {4, 3, 3, 3});
  add_normed(t, "blocks.0.0.conv_exp", "blocks.0.0.bn1", {8, 3, 3, 4});
  add_normed(t, "blocks.0.0.conv_pwl", "blocks.0.0.bn2", {4, 1, 1, 8});
  add_bottleneck(t, "blocks.1.0", 4, 6);
  add_normed(t, "blocks.1.0.dw_mid.conv", "blocks.1.0.dw_mid.bn", {8, 5, 5, 1});
  add_bottleneck(t, "msfa.ffn", 10, 12);
  add(t, "msfa.norm", {12});
  return t;
}

std::string problems(const std::function<void(Tensors&)>& change, int out = 12) {
  auto tensors = tower();
  change(tensors);
  weights::WeightStore store(std::move(tensors), weights::Layout::mlx, {},
                             core::ConfigReader::empty("config.json"));
  const MobileNetV5 net(weights::Weights(store), out, 4);
  try {
    store.finish();
  } catch (const WeightError& e) {
    return e.what();
  }
  return "";
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the encoder's blocks are what the file holds, and its rows what the last two stages give") {
  CHECK(problems([](Tensors&) {}) == "");
  weights::WeightStore store(tower(), weights::Layout::mlx, {}, core::ConfigReader::empty("config.json"));
  const MobileNetV5 net(weights::Weights(store), 12, 4);
  CHECK(net(mx::ones({2, 3, 32, 32})).shape() == mx::Shape{2, 16, 12});
  CHECK_THROWS_AS(net(mx::ones({1, 3, 36, 36})), RequestError);
  CHECK(net.most_values(64) > net.most_values(32));
}

TEST_CASE("an encoder that is not MobileNetV5's is refused by what it has") {
  CHECK(says(problems([](Tensors& t) { t.erase("blocks.1.0.pw_exp.conv.weight"); }), "at least two stages"));
  CHECK(says(problems([](Tensors&) {}, 16), "expected 16 values in a row"));
  CHECK(says(problems([](Tensors& t) { add(t, "blocks.0.0.se.conv", {4, 1, 1, 4}); }), "blocks.0.0.se.conv"));
  CHECK(
      says(problems([](Tensors& t) { t.insert_or_assign("blocks.1.0.pw_exp.conv.weight", mx::array(1.0f)); }),
           "blocks.1.0.pw_exp.conv.weight"));
  CHECK(says(problems([](Tensors& t) {
               add(t, "blocks.1.0.dw_mid.conv", {8, 77, 77, 1});
             }),
             "blocks.1.0.dw_mid.conv.weight"));
  CHECK(says(problems([](Tensors& t) {
               add(t, "blocks.1.1.norm", {6});
               for (const char* name : {"query", "key", "value"})
                 add(t, std::string("blocks.1.1.attn.") + name + ".proj", {name[0] == 'q' ? 7 : 2, 1, 1, 6});
               add(t, "blocks.1.1.attn.output.proj", {6, 1, 1, 7});
             }),
             "heads of 2 values, got 7"));
}

}  // namespace mlx_vision::backbones
