//! Tokenizers and chat templates for mlx-vision behind a C ABI.
//!
//! `include/mlx_vision_bridge.h` declares what is exported here; the comments there are the contract.
//! Every exported function runs inside [`ffi::guard`], so neither an error nor a panic leaves this crate.

mod ffi;
mod python;
mod stream;
mod template;
mod tokenizer;
