//! Chat templates: minijinja set up as transformers sets up jinja2.

use std::fmt;

use jiff::{tz::TimeZone, Timestamp};
use minijinja::{syntax::SyntaxConfig, value::Serde, Environment, Error, ErrorKind, Value};

use crate::ffi::{guard, utf8, Fault, MvText};
use crate::python;

const NAME: &str = "chat template";
/// Four million instructions or 256 MB of processed text: a tenth of a second of an endless loop, and several times
/// what a conversation of a million tokens needs.
const FUEL: u64 = 4_000_000;

/// Opaque to the caller.
pub struct MvTemplate {
    environment: Environment<'static>,
}

/// What a template said through `raise_exception`: the text that the user should read, without our position.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
}

/// The chain of reasons in one line, or the template's own message where it raised one.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(raised) = inner.downcast_ref::<Raised>() {
            return raised.to_string();
        }
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl MvTemplate {
    fn parse(source: &str) -> Result<Self, Fault> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", raise_exception);
        python::install(&mut environment);
        environment
            .add_template_owned(NAME, python::replace_generation_tags(source))
            .map_err(|e| describe(&e))?;
        Ok(MvTemplate { environment })
    }

    fn render(&self, context: &str, now_seconds: i64) -> Result<String, Fault> {
        let context: serde_json::Value = serde_json::from_str(context)?;
        let mut variables: Vec<(String, Value)> = match context {
            serde_json::Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (name, Value::from(Serde(value)))).collect()
            }
            _ => return Err("expected a JSON object of variables".into()),
        };
        let strftime_now = move |format: &str| strftime(now_seconds, format);
        variables.push(("strftime_now".into(), Value::from_function(strftime_now)));
        let template = self.environment.get_template(NAME)?;
        template.render(Value::from_pairs(variables)).map_err(|e| describe(&e).into())
    }
}

/// Local time, as Python's `datetime.now().strftime` gives it.
fn strftime(now_seconds: i64, format: &str) -> Result<String, Error> {
    let fail = |e: jiff::Error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {e}"));
    let time = Timestamp::from_second(now_seconds).map_err(fail)?.to_zoned(TimeZone::system());
    jiff::fmt::strtime::format(format, &time).map_err(fail)
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_template_new(
    source: *const u8,
    source_size: usize,
    error: *mut MvText,
) -> *mut MvTemplate {
    guard(error, || Ok(Box::into_raw(Box::new(MvTemplate::parse(utf8(source, source_size)?)?))))
        .unwrap_or(std::ptr::null_mut())
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_template_free(chat_template: *mut MvTemplate) {
    if !chat_template.is_null() {
        drop(Box::from_raw(chat_template));
    }
}

/// # Safety
/// See the header.
#[no_mangle]
pub unsafe extern "C" fn mv_template_render(
    chat_template: *const MvTemplate,
    context: *const u8,
    context_size: usize,
    now_seconds: i64,
    out: *mut MvText,
    error: *mut MvText,
) -> bool {
    guard(error, || {
        out.write((*chat_template).render(utf8(context, context_size)?, now_seconds)?.into());
        Ok(())
    })
    .is_some()
}
