#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "core/log.h"

namespace mlx_vision::cli {

namespace {

struct ForeignFlag {
  const char* name;
  const char* advice;
};

// Taken without effect: what they ask for does not arise with a checkpoint folder and without Python.
constexpr ForeignFlag kHarmless[] = {
    {"--trust-remote-code", "no code of a checkpoint is ever run"},
    {"--force-download", "--model is a local folder"},
};

constexpr const char* kAudio = "pictures are taken, audio is not";
constexpr const char* kMaking = "this program writes text only";
constexpr const char* kDiffusion = "no diffusion model can be loaded";
constexpr const char* kCache = "the KV cache is kept whole and unquantised";
constexpr const char* kDraft = "there is no speculative decoding";
constexpr const char* kThinking = "use --enable-thinking";

// Options of mlx_vlm 0.7.10, mlx_vlm/generate/dispatch.py, parse_arguments().
constexpr ForeignFlag kRefused[] = {
    {"--revision", "--model is a local folder"},
    {"--output-modality", kMaking},
    {"--output", kMaking},
    {"--ref-audio", kAudio},
    {"--task", kMaking},
    {"--size", kMaking},
    {"--steps", kMaking},
    {"--workflow", kMaking},
    {"--num-frames", kMaking},
    {"--last-image", kMaking},
    {"--reference", kMaking},
    {"--guidance", kMaking},
    {"--prompt-expansion-model", kMaking},
    {"--adapter-path", "fuse the adapter into the checkpoint first"},
    {"--audio", kAudio},
    {"--max-denoising-steps", kDiffusion},
    {"--block-length", kDiffusion},
    {"--num-to-transfer", kDiffusion},
    {"--max-transfer-per-step", kDiffusion},
    {"--editing-threshold", kDiffusion},
    {"--max-post-steps", kDiffusion},
    {"--stability-steps", kDiffusion},
    {"--diffusion-full-canvas", kDiffusion},
    {"--diffusion-min-canvas-length", kDiffusion},
    {"--diffusion-max-canvas-length", kDiffusion},
    {"--diffusion-sampler", kDiffusion},
    {"--threshold", kDiffusion},
    {"--min-threshold", kDiffusion},
    {"--chat", "use `mlx-vision chat`"},
    {"--max-kv-size", kCache},
    {"--kv-bits", kCache},
    {"--kv-key-bits", kCache},
    {"--kv-value-bits", kCache},
    {"--kv-key-scheme", kCache},
    {"--kv-value-scheme", kCache},
    {"--kv-quant-scheme", kCache},
    {"--kv-group-size", kCache},
    {"--quantized-kv-start", kCache},
    {"--quantize-activations", "activations are not quantised"},
    {"--expert-cache-gb", "experts are not offloaded"},
    {"--processor-kwargs", "use --min-pixels and --max-pixels"},
    {"--gen-kwargs", "use the flags of this program; see --help"},
    {"--draft-model", kDraft},
    {"--draft-kind", kDraft},
    {"--draft-block-size", kDraft},
    {"--thinking-mode", kThinking},
    {"--thinking-budget", kThinking},
    {"--thinking-start-token", kThinking},
    {"--thinking-end-token", kThinking},
};

}  // namespace

void add_foreign_flags(CLI::App& app) {
  for (const auto& flag : kHarmless)
    app.add_flag_callback(flag.name,
                          [flag] { core::warn(std::string(flag.name) + " has no effect: " + flag.advice); })
        ->group("");
  for (const auto& flag : kRefused)
    app.add_option_function<std::vector<std::string>>(
           flag.name,
           [flag](const std::vector<std::string>&) {
             throw CLI::ValidationError(std::string(flag.name) + " is not supported: " + flag.advice);
           })
        ->expected(0, CLI::detail::expected_max_vector_size)
        ->group("");
}

}  // namespace mlx_vision::cli
