#include "cli/sha256.h"

#include <algorithm>
#include <array>
#ifdef __APPLE__
#include <CommonCrypto/CommonDigest.h>
#else
#include <sys/types.h>
// sha2.h needs the types.
#include <sha2.h>
#endif

namespace mlx_vision::cli {
namespace {

using Digest = std::array<std::uint8_t, 32>;

#ifdef __APPLE__
Digest digest_of(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kMost = 1u << 30;  // CC_LONG has 32 bits
  Digest digest;
  CC_SHA256_CTX context;
  CC_SHA256_Init(&context);
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kMost)))
    CC_SHA256_Update(&context, bytes.data(), CC_LONG(std::min(bytes.size(), kMost)));
  CC_SHA256_Final(digest.data(), &context);
  return digest;
}
#else
Digest digest_of(std::span<const std::uint8_t> bytes) {
  Digest digest;
  SHA2_CTX context;
  SHA256Init(&context);
  SHA256Update(&context, bytes.data(), bytes.size());
  SHA256Final(digest.data(), &context);
  return digest;
}
#endif

}  // namespace

std::string sha256(std::span<const std::uint8_t> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest_of(bytes)) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace mlx_vision::cli
