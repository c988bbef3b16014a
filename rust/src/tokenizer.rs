//! Tokenizer handles: a tokenizer.json text with the parts that a checkpoint's class replaces.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;
use tokenizers::processors::template::{SpecialToken, TemplateProcessing};
use tokenizers::{AddedToken, Tokenizer};

use crate::ffi::{guard, slice, utf8, Fault, MvIds, MvText};

/// Opaque to the caller. Shared with the streams made from it.
pub struct MvTokenizer {
    pub inner: Arc<Tokenizer>,
}

/// How a tokenizer differs from its tokenizer.json; the header describes the fields.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changes<'a> {
    #[serde(borrow)]
    rebuild: Option<Rebuild<'a>>,
    added_tokens: Vec<AddedToken>,
    named: HashSet<String>,
    special_tokens: Vec<AddedToken>,
    again: bool,
    processor_tokens: Vec<AddedToken>,
    #[serde(borrow)]
    template: Option<Vec<Option<Cow<'a, str>>>>,
}

/// Parts that take the place of the file's. Values stay as text: a vocabulary has up to 30 MB.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebuild<'a> {
    #[serde(borrow)]
    normalizer: &'a RawValue,
    #[serde(borrow)]
    pre_tokenizer: &'a RawValue,
    #[serde(borrow)]
    decoder: &'a RawValue,
    #[serde(borrow)]
    model: Fields<'a>,
    keep_added_tokens: bool,
}

type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The file's text with the parts of `rebuild` instead of its own. The vocabulary, the merges, the post-processor
/// and, where asked, the added tokens remain. A model that is not BPE is left alone.
fn rebuilt(json: &str, rebuild: &Rebuild) -> Result<Option<String>, Fault> {
    let mut file: Fields = serde_json::from_str(json)?;
    let model = file.get("model").ok_or("expected a field `model`")?;
    let mut model: Fields = serde_json::from_str(model.get())?;
    if model.get("type").is_some_and(|kind| kind.get() != "\"BPE\"") {
        return Ok(None);
    }
    model.extend(rebuild.model.iter().map(|(name, value)| (name.clone(), *value)));
    let model = serde_json::value::to_raw_value(&model)?;
    let none: &RawValue = serde_json::from_str("[]")?;
    file.extend([
        (Cow::from("normalizer"), rebuild.normalizer),
        (Cow::from("pre_tokenizer"), rebuild.pre_tokenizer),
        (Cow::from("decoder"), rebuild.decoder),
        (Cow::from("model"), model.as_ref()),
    ]);
    if !rebuild.keep_added_tokens {
        file.insert(Cow::from("added_tokens"), none);
    }
    Ok(Some(serde_json::to_string(&file)?))
}

fn load(json: &str, changes: &str) -> Result<Tokenizer, Fault> {
    let changes: Changes = serde_json::from_str(changes)?;
    let text = match &changes.rebuild {
        Some(rebuild) => rebuilt(json, rebuild)?,
        None => None,
    };
    let mut tokenizer = Tokenizer::from_bytes(text.as_deref().unwrap_or(json))?;
    // Limits for training batches, which a file may carry; a prompt is never cut or padded here.
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    let mut added = changes.added_tokens;
    mark_named(&tokenizer, &mut added, &changes.named, text.is_some());
    tokenizer.add_tokens(added)?;
    let known = tokenizer.get_added_tokens_decoder();
    let known: HashSet<&str> = known.values().map(|token| token.content.as_str()).collect();
    let is_new = |token: &AddedToken| changes.again || !known.contains(token.content.as_str());
    let missing: Vec<AddedToken> = changes.special_tokens.into_iter().filter(is_new).collect();
    tokenizer.add_tokens(missing)?;
    tokenizer.add_tokens(changes.processor_tokens)?;
    if let Some(template) = changes.template {
        let processor = template_processing(&tokenizer, &template)?;
        tokenizer.with_post_processor(Some(processor));
    }
    Ok(tokenizer)
}

/// A token that is added and that the configuration names (`mask_token`…) becomes special. Where the tokenizer is
/// rebuilt the file's own tokens count as added.
fn mark_named(tokenizer: &Tokenizer, added: &mut Vec<AddedToken>, named: &HashSet<String>, rebuilt: bool) {
    let known = tokenizer.get_added_tokens_decoder();
    for token in added.iter_mut() {
        let same = tokenizer.token_to_id(&token.content).and_then(|id| known.get(&id)) == Some(token);
        token.special |= !same && named.contains(&token.content);
    }
    if rebuilt {
        let plain = known.into_values().filter(|token| !token.special && named.contains(&token.content));
        added.extend(plain.map(|token| token.special(true)));
    }
}

/// A post-processor that writes the given tokens around the text, whose place is `None`.
fn template_processing(
    tokenizer: &Tokenizer,
    template: &[Option<Cow<str>>],
) -> Result<TemplateProcessing, Fault> {
    let mut specials = Vec::new();
    let mut pieces = Vec::new();
    for (number, token) in template.iter().enumerate() {
        let Some(token) = token else {
            pieces.push("$A".to_owned());
            continue;
        };
        let id =
            tokenizer.token_to_id(token).ok_or_else(|| format!("the vocabulary has no token {token}"))?;
        // A name of our own: the token itself may look like a piece of a template.
        let name = format!("token{number}");
        specials.push(SpecialToken::new(name.clone(), vec![id], vec![token.to_string()])?);
        pieces.push(name);
    }
    Ok(TemplateProcessing::builder().try_single(pieces)?.special_tokens(specials).build()?)
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
