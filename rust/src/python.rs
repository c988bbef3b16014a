//! What Python's jinja2 and transformers' chat template environment do and minijinja does not.

use std::fmt::Write;

use minijinja::value::{from_args, Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{escape_formatter, Environment, Error, ErrorKind, State, Value};

/// Installs filters, tests, functions, methods and number printing.
pub fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(call_method);
    environment.set_formatter(|out, state, value| match as_float(value) {
        Some(number) => out.write_str(&float_repr(number)).map_err(Error::from),
        None => escape_formatter(out, state, value),
    });
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |value: &Value| match as_float(value) {
        Some(number) => Value::from(float_repr(number)),
        None if value.as_str().is_some() => value.clone(),
        None => Value::from(value.to_string()),
    });
    // minijinja: none is iterable, str and dict are no sequences.
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined)
    });
    environment.add_function("dict", dict);
}

/// `{% generation %}` marks what an assistant wrote, for training. Rendering only needs its scope, which
/// `{% with %}` has too.
pub fn replace_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        match generation_tag(tag) {
            Some((replacement, length)) => {
                out.push_str(&replacement);
                rest = &tag[length..];
            }
            None => {
                out.push_str("{%");
                rest = &tag[2..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The replacement and length of a generation tag at the start of `text`, which begins with `{%`.
fn generation_tag(text: &str) -> Option<(String, usize)> {
    let end = text.find("%}")?;
    let inner = &text[2..end];
    let is_mark = |c: char| c == '-' || c == '+';
    let open = if inner.starts_with(is_mark) { &inner[..1] } else { "" };
    let close = if inner[open.len()..].ends_with(is_mark) { &inner[inner.len() - 1..] } else { "" };
    let word = match inner[open.len()..inner.len() - close.len()].trim() {
        "generation" => "with",
        "endgeneration" => "endwith",
        _ => return None,
    };
    Some((format!("{{%{open} {word} {close}%}}"), end + 2))
}

fn as_float(value: &Value) -> Option<f64> {
    (value.kind() == ValueKind::Number && !value.is_integer()).then(|| f64::try_from(value.clone()).ok())?
}

/// Python's `repr(float)`: shortest digits, an exponent below 1e-4 and from 1e16.
fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number == 0.0 || (-4..16).contains(&exponent) {
        format!("{number:?}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// Lets `bytes` of work in our own functions count, which the engine cannot see: one fuel each `per_fuel` bytes.
fn charge(state: &State, bytes: usize, per_fuel: usize) -> Result<(), Error> {
    state.consume_fuel((bytes / per_fuel) as u64)
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, text.into())
}

/// How `json.dumps` lays out containers.
struct JsonLayout {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// transformers' `tojson`: `json.dumps` without HTML escapes, with its arguments
/// `(ensure_ascii, indent, separators, sort_keys)` in that order or by name.
fn tojson(state: &State, value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = args.into_values();
    let (kwargs, positional) = match args.split_last() {
        Some((last, rest)) if last.is_kwargs() => (Kwargs::try_from(last.clone())?, rest),
        _ => (Kwargs::from_iter::<[(&str, Value); 0]>([]), &args[..]),
    };
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    if positional.len() > names.len() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let option = |place: usize| -> Result<Option<Value>, Error> {
        let named = kwargs.get::<Option<Value>>(names[place])?;
        Ok(positional.get(place).cloned().or(named).filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let indent = option(1)?.map(|v| match v.as_str() {
        Some(text) => text.to_owned(),
        None => " ".repeat(v.as_usize().map_or(0, |width| width.min(64))),
    });
    let (item_separator, key_separator) = match option(2)? {
        Some(pair) => (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string()),
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
    };
    let layout = JsonLayout {
        ensure_ascii: option(0)?.is_some_and(|v| v.is_true()),
        sort_keys: option(3)?.is_some_and(|v| v.is_true()),
        indent,
        item_separator,
        key_separator,
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    write_json(&mut out, value, &layout, 0)?;
    charge(state, out.len(), 8)?;
    Ok(out)
}

fn write_json(out: &mut String, value: &Value, layout: &JsonLayout, depth: usize) -> Result<(), Error> {
    if depth > 200 {
        return Err(invalid("tojson: the value is nested more than 200 deep"));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&json_number(value)),
        ValueKind::String => write_json_string(out, value.as_str().unwrap_or_default(), layout.ensure_ascii),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            write_container(out, ('[', ']'), items.len(), layout, depth, |out, i| {
                write_json(out, &items[i], layout, depth + 1)
            })?;
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if layout.sort_keys {
                keys.sort();
            }
            write_container(out, ('{', '}'), keys.len(), layout, depth, |out, i| {
                write_json_string(out, &json_key(&keys[i])?, layout.ensure_ascii);
                out.push_str(&layout.key_separator);
                write_json(out, &value.get_item(&keys[i])?, layout, depth + 1)
            })?;
        }
        kind => return Err(invalid(format!("tojson: an object of type {kind} is not JSON serializable"))),
    }
    Ok(())
}

fn write_container(
    out: &mut String,
    (open, close): (char, char),
    count: usize,
    layout: &JsonLayout,
    depth: usize,
    mut write_item: impl FnMut(&mut String, usize) -> Result<(), Error>,
) -> Result<(), Error> {
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = &layout.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    };
    out.push(open);
    for i in 0..count {
        if i > 0 {
            out.push_str(&layout.item_separator);
        }
        new_line(out, depth + 1);
        write_item(out, i)?;
    }
    if count > 0 {
        new_line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn json_number(value: &Value) -> String {
    match as_float(value) {
        Some(number) if number.is_nan() => "NaN".into(),
        Some(number) if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        Some(number) => float_repr(number),
        None => value.to_string(),
    }
}

fn json_key(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => Ok(json_number(key)),
        kind => Err(invalid(format!("tojson: keys must be strings, numbers, booleans or none, not {kind}"))),
    }
}

fn write_json_string(out: &mut String, text: &str, ensure_ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ensure_ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Python's `dict(mapping or pairs, **fields)`.
fn dict(source: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    if let Some(source) = source.filter(|v| !v.is_undefined()) {
        for item in source.try_iter()? {
            if source.kind() == ValueKind::Map {
                pairs.push((item.clone(), source.get_item(&item)?));
            } else {
                pairs.push((item.get_item_by_index(0)?, item.get_item_by_index(1)?));
            }
        }
    }
    for name in kwargs.args() {
        pairs.push((Value::from(name), kwargs.get::<Value>(name)?));
    }
    Ok(Value::from_pairs(pairs))
}

fn call_method(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        charge(state, text.len(), 64)?;
    }
    let own = match (value.as_str(), value.kind()) {
        (Some(text), _) => string_method(text, method, args)?,
        (None, ValueKind::Seq) => list_method(value, method, args)?,
        (None, ValueKind::Map) => map_method(value, method, args)?,
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn map_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    if method != "copy" {
        return Ok(None);
    }
    let () = from_args(args)?;
    Ok(Some(value.clone()))
}

fn list_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(value.clone()))
        }
        "index" => {
            let (what,): (&Value,) = from_args(args)?;
            match value.try_iter()?.position(|item| item == *what) {
                Some(place) => Ok(Some(Value::from(place))),
                None => Err(invalid(format!("{what:?} is not in list"))),
            }
        }
        _ => Ok(None),
    }
}

/// The methods of `str` that minijinja-contrib lacks.
fn string_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let characters = |bytes: usize| Value::from(text[..bytes].chars().count());
    Ok(Some(match method {
        "rsplit" => {
            let (separator, count): (Option<&str>, Option<i64>) = from_args(args)?;
            rsplit(text, separator, count.unwrap_or(-1))
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            let (head, tail) = text.split_once(separator).unwrap_or((text, ""));
            partition(head, separator, tail, head.len() < text.len())
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let (head, tail) = text.rsplit_once(separator).unwrap_or(("", text));
            partition(head, separator, tail, tail.len() < text.len())
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "index" | "rindex" => {
            let (what,): (&str,) = from_args(args)?;
            let place = if method == "index" { text.find(what) } else { text.rfind(what) };
            characters(place.ok_or_else(|| invalid("substring not found"))?)
        }
        "swapcase" => {
            let () = from_args(args)?;
            let swap = |c: char| -> String {
                if c.is_uppercase() {
                    c.to_lowercase().collect()
                } else {
                    c.to_uppercase().collect()
                }
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "casefold" => {
            let () = from_args(args)?;
            Value::from(text.to_lowercase())
        }
        "zfill" | "ljust" | "rjust" | "center" => {
            let (width, Rest(fill)): (usize, Rest<Value>) = from_args(args)?;
            pad(text, method, width, fill.first().and_then(|v| v.as_str()).unwrap_or(" "))?
        }
        _ => return Ok(None),
    }))
}

fn partition(head: &str, separator: &str, tail: &str, found: bool) -> Value {
    Value::from(Tuple::from([head, if found { separator } else { "" }, tail].map(Value::from)))
}

fn rsplit(text: &str, separator: Option<&str>, count: i64) -> Value {
    let limit = usize::try_from(count).map_or(usize::MAX, |n| n.saturating_add(1));
    let mut parts: Vec<&str> = Vec::new();
    match separator {
        Some(separator) => parts.extend(text.rsplitn(limit, separator)),
        None => {
            let mut rest = text.trim_end();
            while !rest.is_empty() && parts.len() + 1 < limit {
                let start = rest
                    .rfind(char::is_whitespace)
                    .map_or(0, |i| i + rest[i..].chars().next().map_or(1, char::len_utf8));
                parts.push(&rest[start..]);
                rest = rest[..start].trim_end();
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
        }
    }
    parts.reverse();
    parts.into_iter().map(Value::from).collect()
}

fn pad(text: &str, method: &str, width: usize, fill: &str) -> Result<Value, Error> {
    if width > 1 << 20 {
        return Err(invalid(format!("{method}: width {width} is too large")));
    }
    let missing = width.saturating_sub(text.chars().count());
    Ok(Value::from(match method {
        "ljust" => format!("{text}{}", fill.repeat(missing)),
        "rjust" => format!("{}{text}", fill.repeat(missing)),
        "center" => {
            // CPython puts the odd one on the left when the width is odd.
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left))
        }
        _ => {
            let sign =
                text.len() - text.trim_start_matches(['-', '+']).len().max(text.len().saturating_sub(1));
            format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "inf"),
        ];
        for (number, text) in cases {
            assert_eq!(float_repr(number), text);
        }
    }

    #[test]
    fn generation_tags_become_scopes() {
        let cases = [
            ("{% generation %}a{% endgeneration %}", "{% with %}a{% endwith %}"),
            ("{%- generation -%}{%+endgeneration+%}", "{%- with -%}{%+ endwith +%}"),
            ("{% generations %}{%-%}{%", "{% generations %}{%-%}{%"),
            ("{% if x %}é{% endif %}", "{% if x %}é{% endif %}"),
        ];
        for (source, replaced) in cases {
            assert_eq!(replace_generation_tags(source), replaced);
        }
    }

    #[test]
    fn a_lone_mark_is_no_tag() {
        assert_eq!(generation_tag("{%-%}"), None);
    }
}
