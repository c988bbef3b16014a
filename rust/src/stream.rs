//! Text of a growing list of ids, piece by piece.

use std::sync::Arc;

use tokenizers::Tokenizer;

use crate::ffi::{guard, Fault, MvText};
use crate::tokenizer::MvTokenizer;

/// Opaque to the caller. Decodes a window: the ids of the last emitted piece (whose text is `prefix`, so that
/// decoders which treat the first token differently see a token before) and the ids not emitted yet.
pub struct MvStream {
    tokenizer: Arc<Tokenizer>,
    skip_special_tokens: bool,
    window: Vec<u32>,
    emitted: usize,
    prefix: String,
}

impl MvStream {
    fn push(&mut self, id: u32) -> Result<String, Fault> {
        self.window.push(id);
        let text = self.tokenizer.decode(&self.window, self.skip_special_tokens)?;
        // A replacement character at the end may be the first half of a character.
        if text.len() <= self.prefix.len() || text.ends_with('\u{fffd}') || !text.starts_with(&self.prefix) {
            return Ok(String::new());
        }
        let piece = text[self.prefix.len()..].to_string();
        self.window.drain(..self.emitted);
        self.emitted = self.window.len();
        self.prefix = self.tokenizer.decode(&self.window, self.skip_special_tokens)?;
        Ok(piece)
    }

    fn flush(&mut self) -> Result<String, Fault> {
        let text = self.tokenizer.decode(&self.window, self.skip_special_tokens)?;
        let piece = text.get(self.prefix.len()..).unwrap_or_default().to_string();
        self.window.clear();
        self.emitted = 0;
        self.prefix.clear();
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
        Ok(Box::into_raw(Box::new(MvStream {
            tokenizer: (*tokenizer).inner.clone(),
            skip_special_tokens,
            window: Vec::new(),
            emitted: 0,
            prefix: String::new(),
        })))
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
