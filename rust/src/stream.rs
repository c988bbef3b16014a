//! Text of a growing list of ids, piece by piece.
//!
//! For valid text the pieces add up to what decoding all ids at once gives. Where tokens do not add up to UTF-8 they
//! add up to what mlx-vlm prints (mlx_vlm/tokenizer_utils.py), which differs between the kinds of decoder.

use std::sync::Arc;

use tokenizers::Tokenizer;

use crate::ffi::{guard, Fault, MvText};
use crate::tokenizer::MvTokenizer;

/// Opaque to the caller.
pub struct MvStream {
    tokenizer: Arc<Tokenizer>,
    skip_special_tokens: bool,
    rule: Rule,
}

enum Rule {
    ByteLevel(ByteLevel),
    Pieces(Pieces),
    Window(Window),
}

impl Rule {
    fn new(tokenizer: &Tokenizer) -> Result<Self, Fault> {
        let decoder = serde_json::to_value(tokenizer.get_decoder())?;
        if decoder["type"] == "ByteLevel" {
            return Ok(Rule::ByteLevel(ByteLevel::default()));
        }
        let mut steps = vec![
            serde_json::json!({"type": "Replace", "pattern": {"String": SPACE_MARK}, "content": " "}),
            serde_json::json!({"type": "ByteFallback"}),
            serde_json::json!({"type": "Fuse"}),
        ];
        if decoder["decoders"] == serde_json::json!(steps) {
            return Ok(Rule::Pieces(Pieces::default()));
        }
        steps.push(serde_json::json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        if decoder["decoders"] == serde_json::json!(steps) {
            return Ok(Rule::Pieces(Pieces { trim: true, ..Pieces::default() }));
        }
        Ok(Rule::Window(Window::default()))
    }
}

impl MvStream {
    fn new(tokenizer: Arc<Tokenizer>, skip_special_tokens: bool) -> Result<Self, Fault> {
        Ok(MvStream { rule: Rule::new(&tokenizer)?, tokenizer, skip_special_tokens })
    }

    fn push(&mut self, id: u32) -> Result<String, Fault> {
        let Some(token) = self.tokenizer.id_to_token(id) else { return Ok(String::new()) };
        if self.skip_special_tokens && self.tokenizer.get_added_vocabulary().is_special_token(&token) {
            return Ok(String::new());
        }
        match &mut self.rule {
            Rule::ByteLevel(state) => Ok(state.push(&token)),
            Rule::Pieces(state) => Ok(state.push(&token)),
            Rule::Window(state) => state.push(id, |ids| self.tokenizer.decode(ids, self.skip_special_tokens)),
        }
    }

    fn flush(&mut self) -> Result<String, Fault> {
        match &mut self.rule {
            Rule::ByteLevel(state) => Ok(std::mem::take(state).finish()),
            Rule::Pieces(state) => {
                let trim = state.trim;
                Ok(std::mem::replace(state, Pieces { trim, ..Pieces::default() }).finish())
            }
            Rule::Window(state) => {
                let text = self.tokenizer.decode(&state.ids, self.skip_special_tokens)?;
                Ok(text.get(std::mem::take(state).done..).unwrap_or_default().to_owned())
            }
        }
    }
}

/// Takes the valid text off the front of `bytes`; what stays is empty or begins with bytes that are no character,
/// perhaps not yet.
fn take_valid(bytes: &mut Vec<u8>) -> String {
    let valid = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    let rest = bytes.split_off(valid);
    let text = std::mem::replace(bytes, rest);
    String::from_utf8_lossy(&text).into_owned()
}

/// Byte-level BPE: each character of a token stands for a byte. Bytes that are no text become replacement
/// characters when a token begins with a space, and are dropped when the text ends.
#[derive(Default)]
struct ByteLevel {
    held: Vec<u8>,
}

impl ByteLevel {
    fn push(&mut self, token: &str) -> String {
        let mut out = String::new();
        let bytes = token_bytes(token);
        if bytes.first() == Some(&b' ') {
            out.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.held)));
        }
        self.held.extend(bytes);
        out.push_str(&take_valid(&mut self.held));
        out
    }

    fn finish(self) -> String {
        self.held.utf8_chunks().map(|chunk| chunk.valid()).collect()
    }
}

/// The bytes that a byte-level token stands for, or its own where it has a character outside that alphabet (added
/// tokens).
fn token_bytes(token: &str) -> Vec<u8> {
    token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

/// GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other 68 bytes follow from U+0100 on.
fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

const SPACE_MARK: &str = "▁";

/// SentencePiece-like tokens with a mark for the space and tokens like `<0xE5>` for bytes. A run of bytes that is
/// no text becomes replacement characters when the run ends.
#[derive(Default)]
struct Pieces {
    /// Whether the text loses a leading space. As in mlx-vlm each word loses one as long as there is no text yet.
    trim: bool,
    /// Words before the current one gave text.
    started: bool,
    /// The current word has lost its space, or has none to lose.
    trimmed: bool,
    /// The current word gave text.
    word: bool,
    held: Vec<u8>,
}

impl Pieces {
    fn push(&mut self, token: &str) -> String {
        if let Some(byte) = byte_token(token) {
            self.held.push(byte);
            let text = take_valid(&mut self.held);
            return self.emit(&text);
        }
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned();
        let mut out = self.emit(&rest);
        if token.starts_with(SPACE_MARK) {
            self.started |= self.word;
            self.trimmed = false;
            self.word = false;
        }
        out.push_str(&self.emit(&token.replace(SPACE_MARK, " ")));
        out
    }

    fn emit(&mut self, text: &str) -> String {
        let mut text = text;
        if self.trim && !self.started && !self.trimmed && !text.is_empty() {
            text = text.strip_prefix(' ').unwrap_or(text);
            self.trimmed = true;
        }
        self.word |= !text.is_empty();
        text.to_owned()
    }

    fn finish(mut self) -> String {
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned();
        self.emit(&rest)
    }
}

/// The byte that a token like `<0xE5>` stands for.
fn byte_token(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok())?
}

/// Ids after which a window without a clean end is given up: only garbage gets that long.
const LONGEST_WINDOW: usize = 512;

/// Any other decoder: decodes a window of ids, those of the last complete piece, as context for decoders that treat
/// the first token differently, and those since.
#[derive(Default)]
struct Window {
    ids: Vec<u32>,
    /// Ids at the window's start that are context.
    context: usize,
    /// Bytes of the window's text that are out already.
    done: usize,
}

impl Window {
    fn push(&mut self, id: u32, decode: impl Fn(&[u32]) -> Result<String, Fault>) -> Result<String, Fault> {
        self.ids.push(id);
        let text = decode(&self.ids)?;
        // A replacement character at the end may be the first part of a character; those before it are final.
        let complete = !text.ends_with(char::REPLACEMENT_CHARACTER) || self.ids.len() >= LONGEST_WINDOW;
        let end = if complete { text.len() } else { text.len() - char::REPLACEMENT_CHARACTER.len_utf8() };
        let piece = text.get(self.done..end).unwrap_or_default().to_owned();
        self.done = self.done.max(end);
        // Ids without text would be no context: a decoder would take the next token for the first one.
        let tail = if complete { decode(&self.ids[self.context..])?.len() } else { 0 };
        if tail > 0 {
            self.ids.drain(..self.context);
            self.context = self.ids.len();
            self.done = tail;
        }
        Ok(piece)
    }
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_stream_new(
    tokenizer: *const MvTokenizer,
    skip_special_tokens: bool,
    error: *mut MvText,
) -> *mut MvStream {
    guard(error, || {
        let stream = MvStream::new((*tokenizer).inner.clone(), skip_special_tokens)?;
        Ok(Box::into_raw(Box::new(stream)))
    })
    .unwrap_or(std::ptr::null_mut())
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_stream_free(stream: *mut MvStream) {
    if !stream.is_null() {
        drop(Box::from_raw(stream));
    }
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_stream_push(
    stream: *mut MvStream,
    id: u32,
    out: *mut MvText,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        out.write((*stream).push(id)?.into());
        Ok(())
    })
    .is_some()
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_stream_flush(
    stream: *mut MvStream,
    out: *mut MvText,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        out.write((*stream).flush()?.into());
        Ok(())
    })
    .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_is_whole() {
        let mut bytes: Vec<u8> = (0..=0x143).filter_map(char::from_u32).filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(token_bytes("Ġa"), b" a");
        assert_eq!(token_bytes("<｜x｜>"), "<｜x｜>".as_bytes());
    }

    #[test]
    fn characters_wait_for_their_last_byte() {
        let mut state = ByteLevel::default();
        let pieces: Vec<String> = ["Ã", "©", "Ġb", "Ã", "Ġc", "Ã"].iter().map(|t| state.push(t)).collect();
        assert_eq!(pieces, ["", "é", " b", "", "\u{fffd} c", ""]);
        assert_eq!(state.finish(), "");
    }

    #[test]
    fn runs_of_bytes_give_text_as_soon_as_it_is_certain() {
        let mut state = Pieces { trim: true, ..Pieces::default() };
        let tokens = ["▁", "▁a", "<0xC3>", "<0xA9>", "<0xC3>", "▁▁b", "<0xFF>"];
        let pieces: Vec<String> = tokens.iter().map(|t| state.push(t)).collect();
        assert_eq!(pieces, ["", "a", "", "é", "", "\u{fffd}  b", ""]);
        assert_eq!(state.finish(), "\u{fffd}");
    }

    #[test]
    fn a_window_of_garbage_does_not_grow_without_end() {
        let mut state = Window::default();
        for id in 0..5000 {
            state.push(id, |ids| Ok("\u{fffd}".repeat(ids.len()))).unwrap();
            assert!(state.ids.len() <= 2 * LONGEST_WINDOW);
        }
    }
}
