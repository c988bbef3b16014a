//! Tokenizer handles: a tokenizer.json text with the parts that a checkpoint's class replaces.

use std::sync::Arc;

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use crate::ffi::{guard, slice, utf8, Fault, MvIds, MvText};

/// Opaque to the caller. Shared with the streams made from it.
pub struct MvTokenizer {
    pub inner: Arc<Tokenizer>,
}

/// Replaces parts of a loaded tokenizer. `changes` may hold `normalizer`, `pre_tokenizer`,
/// `post_processor`, `decoder` (each as in tokenizer.json, null removes it), `model` (fields that replace
/// those of the file's model), and `added_tokens` (a list as in tokenizer.json without ids; tokens that the
/// file lacks get the next free ids).
fn load(json: &str, changes: &str) -> Result<Tokenizer, Fault> {
    let changes: Value = serde_json::from_str(changes)?;
    let mut tokenizer = match changes.get("model").and_then(Value::as_object) {
        Some(fields) => {
            let mut file: Value = serde_json::from_str(json)?;
            let model = file.get_mut("model").and_then(Value::as_object_mut).ok_or("expected a model")?;
            model.extend(fields.clone());
            serde_json::from_value::<Tokenizer>(file)?
        }
        None => Tokenizer::from_bytes(json)?,
    };
    // Limits for training batches, which a file may carry; a prompt is never cut or padded here.
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    if let Some(part) = changes.get("normalizer") {
        tokenizer.with_normalizer(parse::<Option<tokenizers::NormalizerWrapper>>(part)?)?;
    }
    if let Some(part) = changes.get("pre_tokenizer") {
        tokenizer.with_pre_tokenizer(parse::<Option<tokenizers::PreTokenizerWrapper>>(part)?);
    }
    if let Some(part) = changes.get("post_processor") {
        tokenizer.with_post_processor(parse::<Option<tokenizers::PostProcessorWrapper>>(part)?);
    }
    if let Some(part) = changes.get("decoder") {
        tokenizer.with_decoder(parse::<Option<tokenizers::DecoderWrapper>>(part)?);
    }
    if let Some(tokens) = changes.get("added_tokens") {
        tokenizer.add_tokens(parse::<Vec<AddedToken>>(tokens)?)?;
    }
    Ok(tokenizer)
}

fn parse<T: serde::de::DeserializeOwned>(part: &Value) -> Result<T, Fault> {
    Ok(T::deserialize(part)?)
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_new(
    json: *const u8,
    json_size: usize,
    changes: *const u8,
    changes_size: usize,
    error: *mut MvText,
) -> *mut MvTokenizer {
    guard(error, || {
        let tokenizer = load(utf8(json, json_size)?, utf8(changes, changes_size)?)?;
        Ok(Box::into_raw(Box::new(MvTokenizer { inner: Arc::new(tokenizer) })))
    })
    .unwrap_or(std::ptr::null_mut())
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_free(tokenizer: *mut MvTokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_encode(
    tokenizer: *const MvTokenizer,
    text: *const u8,
    text_size: usize,
    add_special_tokens: bool,
    out: *mut MvIds,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        let encoding = (*tokenizer).inner.encode_fast(utf8(text, text_size)?, add_special_tokens)?;
        out.write(encoding.get_ids().to_vec().into());
        Ok(())
    })
    .is_some()
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_decode(
    tokenizer: *const MvTokenizer,
    ids: *const u32,
    size: usize,
    skip_special_tokens: bool,
    out: *mut MvText,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        out.write((*tokenizer).inner.decode(slice(ids, size), skip_special_tokens)?.into());
        Ok(())
    })
    .is_some()
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_id(
    tokenizer: *const MvTokenizer,
    token: *const u8,
    size: usize,
    out: *mut u32,
    found: *mut bool,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        let id = (*tokenizer).inner.token_to_id(utf8(token, size)?);
        out.write(id.unwrap_or(0));
        found.write(id.is_some());
        Ok(())
    })
    .is_some()
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_token(
    tokenizer: *const MvTokenizer,
    id: u32,
    out: *mut MvText,
    found: *mut bool,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        let token = (*tokenizer).inner.id_to_token(id);
        found.write(token.is_some());
        out.write(token.unwrap_or_default().into());
        Ok(())
    })
    .is_some()
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_tokenizer_size(tokenizer: *const MvTokenizer) -> usize {
    (*tokenizer).inner.get_vocab_size(true)
}
