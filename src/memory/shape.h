#pragma once
#include <cstdint>

namespace mlx_vision::memory {

/// A stack of equal transformer blocks in numbers, whatever the backbone's own specification is.
struct BlocksShape {
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, mlp_hidden = 0;
  bool gated = false;          ///< the MLP has two maps into mlp_hidden, whose results are multiplied
  int activation_arrays = 2;   ///< arrays of mlp_hidden per row that the activation function holds at once
  int mlp_copies = 0;          ///< further arrays of mlp_hidden per row that are made of what these maps give
  bool rotation = false;       ///< positions enter as products with tables of cosines and sines
  bool wide_rotation = false;  ///< these products are float32 whatever an element is

  bool head_norm = false;   ///< queries and keys are normed by head
  int chosen = 0;           ///< experts of each token, mlp_hidden wide; 0 = no mixture
  int shared_hidden = 0;    ///< of the expert that every token takes besides
  int windowed_layers = 0;  ///< of `layers`, those whose cache holds no more than `window` tokens
  int window = 0;
  int recurrent_layers = 0;  ///< of `layers`, those with a recurrence in place of attention and its cache
  std::int64_t recurrent_values = 0;  ///< float32 values that such a layer holds for each row of a prompt
  int streams = 1;                    ///< states of each row between blocks, of which a block computes one
  int shared_layers = 0;              ///< of `layers`, those without a cache of their own
  std::int64_t own_inputs = 0;  ///< values that each row of a prompt has for all blocks' own inputs together
  std::uint64_t recurrent_bytes = 0;  ///< of the state that it carries from token to token

  std::int64_t query_width() const { return std::int64_t(heads) * head_dim; }
  std::int64_t key_width() const { return std::int64_t(kv_heads) * head_dim; }
};

/// An image encoder and what stands between it and the language model.
struct VisionShape {
  BlocksShape blocks;
  int patch_values = 0;  ///< values of one patch, as the first product takes them
  int table_taps = 0;    ///< rows of a position table that are weighed for each patch
  /// Values of 4 bytes that the convolutions of a picture of `convolved_pixels` pixel values hold at once at
  /// most, where an encoder is not blocks alone.
  std::int64_t convolved_values = 0, convolved_pixels = 1;
  int class_rows = 0;      ///< rows that are added to each tile's patches
  int window = 0;          ///< patches that see each other in blocks with windows; 0 = no block has any
  bool whole = true;       ///< there are blocks in which all patches see each other
  int merge = 1;           ///< patches that become one row of the language model
  int merged_hidden = 0;   ///< width inside the projector
  int feature_layers = 1;  ///< hidden states that are kept and joined
  int depth = 0;     ///< widths of the language model that a row has for its first blocks, besides its own
  int unparted = 0;  ///< tokens of a prompt that see each other both ways and are taken at once
  int packing_arrays = 0;  ///< of the language model's width, per row, while rows are put together
};

/// Bytes of the weights as they are held on this backend.
struct WeightBytes {
  std::uint64_t vision = 0, projector = 0, language = 0;
  std::uint64_t load_extra = 0;  ///< held besides, while they are read and converted
  std::uint64_t total() const { return vision + projector + language; }
};

/// What the memory plan knows of a loaded or openable checkpoint.
struct ModelShape {
  VisionShape vision;
  BlocksShape text;
  int vocab = 0;
  int element_bytes = 4;  ///< of activations and caches
  bool packed_text = false,
       packed_vision = false;  ///< weights that are unpacked before products of many rows
  /// Threads of the CPU's kernels (src/kernels) where these serve products and attention; 0 = MLX does.
  int kernel_threads = 0;
  WeightBytes weights;
};

/// One prepared image as the encoder takes it.
struct ImageWork {
  std::int64_t tiles = 1;           ///< encoded side by side
  std::int64_t patches = 0;         ///< of one tile
  std::int64_t values = 0;          ///< elements of pixel_values
  std::int64_t rows = 0;            ///< in the language model
  std::uint64_t scratch_bytes = 0;  ///< of host memory while it is prepared
};

}  // namespace mlx_vision::memory
