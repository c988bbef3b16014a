/* C ABI of the Rust bridge (rust/src): Hugging Face tokenizers and Jinja chat templates.
 *
 * Conventions
 * - Text is UTF-8 as pointer and byte count, not zero-terminated; the pointer may be null when the count is
 * 0.
 * - A function that can fail takes `MvText* error`. On failure it returns false or null, writes the reason to
 *   *error (to be freed) and leaves the other outputs untouched; on success it leaves *error untouched.
 * - A panic inside the library is such a failure. No function prints, calls back or ends the process.
 * - Handles come from *_new and end with *_free, which accepts null.
 * - MvTokenizer and MvTemplate are immutable: any number of threads may use one at a time. An MvStream
 * belongs to one thread at a time. A stream keeps what it needs of its tokenizer. */
#ifndef MLX_VISION_BRIDGE_H
#define MLX_VISION_BRIDGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owned by the library: read `size` items at `data`, then free. */
typedef struct {
  uint8_t* data;
  size_t size;
  size_t capacity;
} MvText;

typedef struct {
  uint32_t* data;
  size_t size;
  size_t capacity;
} MvIds;

void mv_text_free(MvText text);
void mv_ids_free(MvIds ids);

typedef struct MvTokenizer MvTokenizer;
typedef struct MvStream MvStream;
typedef struct MvTemplate MvTemplate;

/* `json`: the text of a tokenizer.json. `changes`: a JSON object; all fields are optional:
 * - "rebuild": {"normalizer", "pre_tokenizer", "decoder", "model"}: these parts (null: none) and fields of
 * the model replace the file's; its added tokens are dropped unless "keep_added_tokens" is true. Without
 * effect on a model that is not BPE.
 * - "added_tokens": objects as in tokenizer.json, without ids, in order. A token that the vocabulary has
 * keeps its id and takes these flags; a new one gets the next free id.
 * - "named": texts; a token among "added_tokens" that has one of them is special.
 * - "special_tokens": as "added_tokens", but only those that are none yet; all of them if "again" is true.
 * - "processor_tokens": as "added_tokens", after the others.
 * - "template": tokens around the text, whose place is null; replaces the file's post-processor. */
MvTokenizer* mv_tokenizer_new(const uint8_t* json, size_t json_size, const uint8_t* changes,
                              size_t changes_size, MvText* error);
void mv_tokenizer_free(MvTokenizer* tokenizer);

bool mv_tokenizer_encode(const MvTokenizer* tokenizer, const uint8_t* text, size_t text_size,
                         bool add_special_tokens, MvIds* out, MvText* error);
/* Ids that no token has are skipped. */
bool mv_tokenizer_decode(const MvTokenizer* tokenizer, const uint32_t* ids, size_t size,
                         bool skip_special_tokens, MvText* out, MvText* error);
bool mv_tokenizer_id(const MvTokenizer* tokenizer, const uint8_t* token, size_t size, uint32_t* out,
                     bool* found, MvText* error);
bool mv_tokenizer_token(const MvTokenizer* tokenizer, uint32_t id, MvText* out, bool* found, MvText* error);
/* Number of tokens, added ones included. */
size_t mv_tokenizer_size(const MvTokenizer* tokenizer);

MvStream* mv_stream_new(const MvTokenizer* tokenizer, bool skip_special_tokens, MvText* error);
void mv_stream_free(MvStream* stream);
/* The text that `id` completes, perhaps empty. */
bool mv_stream_push(MvStream* stream, uint32_t id, MvText* out, MvText* error);
/* The text held back so far; the stream is then as new. */
bool mv_stream_flush(MvStream* stream, MvText* out, MvText* error);

/* Parses a Jinja template of the dialect that transformers' chat templates use. */
MvTemplate* mv_template_new(const uint8_t* source, size_t source_size, MvText* error);
void mv_template_free(MvTemplate* chat_template);
/* `context`: a JSON object with the template's variables. `now_seconds`: the Unix time that strftime_now
 * sees. */
bool mv_template_render(const MvTemplate* chat_template, const uint8_t* context, size_t context_size,
                        int64_t now_seconds, MvText* out, MvText* error);

#ifdef __cplusplus
}
#endif
#endif
