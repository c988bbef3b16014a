#include "text/tokenizer.h"

#include "mlx_vision/error.h"
#include "text/bridge.h"
#include "text/tokenizer_files.h"

namespace mlx_vision::text {

namespace {

std::vector<std::uint32_t> checked(std::span<const std::int32_t> ids) {
  std::vector<std::uint32_t> out;
  out.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (id < 0) throw RequestError("decode: expected token ids from 0, got " + std::to_string(id));
    out.push_back(std::uint32_t(id));
  }
  return out;
}

}  // namespace

struct Tokenizer::Impl {
  BridgeHandle<MvTokenizer> handle;
  SpecialTokens special;
};

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::open(const std::filesystem::path& folder, std::string_view model_type) {
  TokenizerFiles files = read_tokenizer_files(folder, model_type);
  const std::string changes = files.changes.dump();
  BridgeText error;
  auto impl = std::make_shared<Impl>();
  impl->handle.reset(
      mv_tokenizer_new(bytes(files.json), files.json.size(), bytes(changes), changes.size(), error.out()));
  if (!impl->handle) throw ConfigError(files.source + ": " + error.str());
  impl->special = std::move(files.special);
  return Tokenizer(std::move(impl));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  BridgeText error;
  BridgeIds ids;
  if (!mv_tokenizer_encode(impl_->handle.get(), bytes(text), text.size(), add_special_tokens, ids.out(),
                           error.out()))
    throw RequestError("text: " + error.str());
  return ids.vector();
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  const std::vector<std::uint32_t> list = checked(ids);
  BridgeText text, error;
  if (!mv_tokenizer_decode(impl_->handle.get(), list.data(), list.size(), skip_special_tokens, text.out(),
                           error.out()))
    throw RequestError("decode: " + error.str());
  return text.str();
}

std::optional<std::int32_t> Tokenizer::id(std::string_view token) const {
  BridgeText error;
  std::uint32_t id = 0;
  bool found = false;
  if (!mv_tokenizer_id(impl_->handle.get(), bytes(token), token.size(), &id, &found, error.out()))
    throw RequestError("token: " + error.str());
  return found ? std::optional(std::int32_t(id)) : std::nullopt;
}

std::optional<std::string> Tokenizer::token(std::int32_t id) const {
  if (id < 0) return std::nullopt;
  BridgeText text, error;
  bool found = false;
  if (!mv_tokenizer_token(impl_->handle.get(), std::uint32_t(id), text.out(), &found, error.out()))
    throw RequestError("token: " + error.str());
  return found ? std::optional(text.str()) : std::nullopt;
}

int Tokenizer::size() const { return int(mv_tokenizer_size(impl_->handle.get())); }

const SpecialTokens& Tokenizer::special() const { return impl_->special; }

struct TokenStream::Impl {
  BridgeHandle<MvStream> handle;
};

TokenStream::TokenStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TokenStream::TokenStream(TokenStream&&) noexcept = default;
TokenStream& TokenStream::operator=(TokenStream&&) noexcept = default;
TokenStream::~TokenStream() = default;

TokenStream Tokenizer::stream(bool skip_special_tokens) const {
  BridgeText error;
  auto impl = std::make_unique<TokenStream::Impl>();
  impl->handle.reset(mv_stream_new(impl_->handle.get(), skip_special_tokens, error.out()));
  if (!impl->handle) throw RequestError("stream: " + error.str());
  return TokenStream(std::move(impl));
}

std::string TokenStream::push(std::int32_t id) {
  const std::uint32_t checked_id = checked({&id, 1}).front();
  BridgeText text, error;
  if (!mv_stream_push(impl_->handle.get(), checked_id, text.out(), error.out()))
    throw RequestError("stream: " + error.str());
  return text.str();
}

std::string TokenStream::flush() {
  BridgeText text, error;
  if (!mv_stream_flush(impl_->handle.get(), text.out(), error.out()))
    throw RequestError("stream: " + error.str());
  return text.str();
}

}  // namespace mlx_vision::text
