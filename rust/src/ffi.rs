//! The border: owned buffers that the caller gives back, borrowed byte ranges, and the panic guard.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// Bytes owned by this crate; the caller frees them with `mv_text_free`. Mirrors `MvText`.
#[repr(C)]
pub struct MvText {
    pub data: *mut u8,
    pub size: usize,
    pub capacity: usize,
}

/// Token ids owned by this crate; the caller frees them with `mv_ids_free`. Mirrors `MvIds`.
#[repr(C)]
pub struct MvIds {
    pub data: *mut u32,
    pub size: usize,
    pub capacity: usize,
}

impl From<String> for MvText {
    fn from(text: String) -> Self {
        let mut bytes = std::mem::ManuallyDrop::new(text.into_bytes());
        MvText { data: bytes.as_mut_ptr(), size: bytes.len(), capacity: bytes.capacity() }
    }
}

impl From<Vec<u32>> for MvIds {
    fn from(ids: Vec<u32>) -> Self {
        let mut ids = std::mem::ManuallyDrop::new(ids);
        MvIds { data: ids.as_mut_ptr(), size: ids.len(), capacity: ids.capacity() }
    }
}

/// What a bridge function fails with; only its text crosses the border.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Runs one exported function's body. Returns its value, or `None` after writing the error's (or the
/// panic's) text to `error`.
///
/// # Safety
/// `error` must point to writable memory for one `MvText`, whose former content is overwritten.
pub unsafe fn guard<T>(error: *mut MvText, body: impl FnOnce() -> Result<T, Fault>) -> Option<T> {
    static SILENCE: Once = Once::new();
    // The text reaches the caller; the default hook would print it to stderr as well. Tests need theirs.
    SILENCE.call_once(|| {
        if !cfg!(test) {
            std::panic::set_hook(Box::new(|_| {}));
        }
    });
    let text = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(fault)) => fault.to_string(),
        Err(panic) => format!("internal error: {}", panic_text(panic.as_ref())),
    };
    error.write(text.into());
    None
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "panic without a text",
    }
}

/// The caller's `size` items at `data`, which may be null when there are none.
///
/// # Safety
/// As `std::slice::from_raw_parts` for `size > 0`.
pub unsafe fn slice<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

/// The caller's bytes as text.
///
/// # Safety
/// As [`slice`].
pub unsafe fn utf8<'a>(data: *const u8, size: usize) -> Result<&'a str, Fault> {
    std::str::from_utf8(slice(data, size))
        .map_err(|e| format!("expected UTF-8, got an invalid byte at {}", e.valid_up_to()).into())
}

/// # Safety
/// `text` must come from this crate and be freed once.
#[no_mangle]
pub unsafe extern "C" fn mv_text_free(text: MvText) {
    drop(Vec::from_raw_parts(text.data, text.size, text.capacity));
}

/// # Safety
/// `ids` must come from this crate and be freed once.
#[no_mangle]
pub unsafe extern "C" fn mv_ids_free(ids: MvIds) {
    drop(Vec::from_raw_parts(ids.data, ids.size, ids.capacity));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(body: impl FnOnce() -> Result<(), Fault>) -> String {
        let mut error = std::mem::MaybeUninit::<MvText>::uninit();
        unsafe {
            assert!(guard(error.as_mut_ptr(), body).is_none());
            let text = error.assume_init();
            String::from_raw_parts(text.data, text.size, text.capacity)
        }
    }

    #[test]
    fn a_panic_becomes_an_error_text() {
        assert_eq!(error_of(|| panic!("on purpose")), "internal error: on purpose");
        let empty: Vec<u8> = Vec::new();
        let text = error_of(|| Err(empty[std::hint::black_box(3)].to_string().into()));
        assert!(text.contains("index out of bounds"), "{text}");
    }

    #[test]
    fn a_fault_becomes_its_text() {
        assert_eq!(error_of(|| Err("not this".into())), "not this");
    }

    #[test]
    fn empty_ranges_may_be_null() {
        unsafe {
            assert!(slice::<u32>(std::ptr::null(), 0).is_empty());
            assert_eq!(utf8(std::ptr::null(), 0).unwrap(), "");
            assert!(utf8(b"ab\xff".as_ptr(), 3).unwrap_err().to_string().ends_with("at 2"));
        }
    }
}
