// Times llama.cpp's picture encoder on a gray picture, for compare.py; tools/make_gguf.py --encoder writes
// its file. Not part of the build: it takes llama.cpp's sources, built with -DLLAMA_BUILD_MTMD=ON, at $L.
//
//   g++ -std=c++17 -O2 bench/llama_encoder.cpp -I $L/tools/mtmd -I $L/include -I $L/ggml/include
//       -L $L/build/bin -Wl,-rpath,$L/build/bin -lmtmd -lllama -lggml -lggml-base -o llama_encoder
//   ./llama_encoder ENCODER.gguf SIDE THREADS ROUNDS
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "clip-impl.h"
#include "clip.h"
#include "ggml-backend.h"

int main(int count, char** words) {
  if (count != 5) return std::fprintf(stderr, "llama_encoder ENCODER.gguf SIDE THREADS ROUNDS\n"), 2;
  const int side = std::atoi(words[2]), threads = std::atoi(words[3]);
  ggml_backend_load_all();
  clip_context_params settings{};
  settings.use_gpu = false;
  settings.flash_attn_type = CLIP_FLASH_ATTN_TYPE_AUTO;
  settings.image_min_tokens = settings.image_max_tokens = -1;
  clip_ctx* encoder = clip_init(words[1], settings).ctx_v;
  if (!encoder) return 1;
  clip_image_f32 picture;
  picture.set_size({side, side}, false, false);
  picture.cpy_buf(std::vector<float>(std::size_t(side) * std::size_t(side) * 3, 0.5f));
  std::vector<float> rows(std::size_t(clip_n_output_tokens(encoder, &picture)) *
                          std::size_t(clip_n_mmproj_embd(encoder)));
  for (int round = 0; round < std::atoi(words[4]); ++round) {
    const auto begin = std::chrono::steady_clock::now();
    if (!clip_image_encode(encoder, threads, &picture, rows)) return 1;
    std::printf("encode s %.3f\n",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  clip_free(encoder);
}
