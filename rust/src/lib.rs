//! Tokenizers and chat templates for mlx-vision behind a C ABI.
//!
//! `include/mlx_vision_bridge.h` declares what is exported here; the comments there are the contract.
//! Every exported function runs inside [`ffi::guard`], so neither an error nor a panic leaves this crate.

mod ffi;
mod python;
mod stream;
mod template;
mod tokenizer;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    /// Parameters of every `mv_…` function declared in `text`: names → how many, by kind of declaration.
    fn signatures(text: &str) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        for (at, _) in text.match_indices("mv_") {
            let name_end = at + text[at..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(0);
            let rest = &text[name_end..];
            let body = rest.strip_prefix('(').and_then(|r| r.split_once(')')).map(|(list, _)| list.trim());
            if let Some(list) = body {
                let count = list.split(',').filter(|p| !p.trim().is_empty()).count();
                out.insert(text[at..name_end].to_owned(), count);
            }
        }
        out
    }

    #[test]
    fn the_header_declares_what_is_exported() {
        let sources = [
            include_str!("ffi.rs"),
            include_str!("tokenizer.rs"),
            include_str!("stream.rs"),
            include_str!("template.rs"),
        ];
        let exported = signatures(&sources.concat());
        let declared = signatures(include_str!("../include/mlx_vision_bridge.h"));
        assert_eq!(exported, declared);
        assert_eq!(declared.len(), 16);
    }
}
