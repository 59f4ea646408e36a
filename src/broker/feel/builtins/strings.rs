//! Functions of text.

use regex_lite::{Regex, RegexBuilder};

use super::{Builtin, Outcome, builtin, text, variadic};
use crate::broker::feel::eval::Evaluator;
use crate::broker::feel::number::Number;
use crate::broker::feel::value::Value;

/// The functions.
pub(super) const TABLE: &[Builtin] = &[
    builtin("contains", &[&["string", "match"]], |_, args| {
        Ok(pair(args).map(|(text, part)| Value::Bool(text.contains(part))))
    }),
    builtin("starts with", &[&["string", "match"]], |_, args| {
        Ok(pair(args).map(|(text, part)| Value::Bool(text.starts_with(part))))
    }),
    builtin("ends with", &[&["string", "match"]], |_, args| {
        Ok(pair(args).map(|(text, part)| Value::Bool(text.ends_with(part))))
    }),
    builtin("upper case", &[&["string"]], |_, args| {
        Ok(text(args).map(|text| text.to_uppercase().into()))
    }),
    builtin("lower case", &[&["string"]], |_, args| {
        Ok(text(args).map(|text| text.to_lowercase().into()))
    }),
    builtin("trim", &[&["string"]], |_, args| Ok(text(args).map(|text| text.trim().into()))),
    builtin("string length", &[&["string"]], |_, args| {
        Ok(text(args).map(|text| text.chars().count().into()))
    }),
    builtin(
        "substring",
        &[&["string", "start position"], &["string", "start position", "length"]],
        substring,
    ),
    builtin("substring before", &[&["string", "match"]], |_, args| {
        Ok(pair(args).map(|(text, part)| text.split_once(part).map_or("", |(head, _)| head).into()))
    }),
    builtin("substring after", &[&["string", "match"]], |_, args| {
        Ok(pair(args).map(|(text, part)| text.split_once(part).map_or("", |(_, tail)| tail).into()))
    }),
    builtin("is blank", &[&["string"]], |_, args| {
        Ok(text(args).map(|text| Value::Bool(text.trim().is_empty())))
    }),
    builtin("matches", &[&["input", "pattern"], &["input", "pattern", "flags"]], |_, args| {
        let (Some(input), Some(regex)) = (text(args), pattern(args, 1, 2)) else { return Ok(None) };
        Ok(Some(Value::Bool(regex.is_match(input))))
    }),
    builtin(
        "replace",
        &[&["input", "pattern", "replacement"], &["input", "pattern", "replacement", "flags"]],
        replace,
    ),
    builtin("split", &[&["string", "delimiter"]], split),
    builtin("extract", &[&["string", "pattern"]], extract),
    variadic("string join", &[&["list"], &["list", "delimiter"]], join),
    builtin("to base64", &[&["value"]], |this, args| {
        use base64::Engine as _;
        let Some(text) = text(args) else { return Ok(None) };
        this.spend(text.len() * 2)?;
        Ok(Some(base64::engine::general_purpose::STANDARD.encode(text).into()))
    }),
];

fn pair(args: &[Value]) -> Option<(&str, &str)> {
    match args {
        [Value::String(a), Value::String(b)] => Some((a, b)),
        _ => None,
    }
}

/// Positions count characters from 1, or from -1 at the end.
fn substring(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let (Some(text), Some(Value::Number(start))) = (text(args), args.get(1)) else {
        return Ok(None);
    };
    this.spend(text.len())?;
    let size = text.chars().count() as i64;
    let Some(start) = start.to_int().filter(|start| *start != 0) else { return Ok(None) };
    let skipped = if start > 0 { start - 1 } else { size.saturating_add(start).max(0) };
    let taken = match args.get(2) {
        None => i64::MAX,
        Some(Value::Number(length)) => match length.to_int() {
            Some(length) => length.max(0),
            None => return Ok(None),
        },
        Some(_) => return Ok(None),
    };
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    let taken = usize::try_from(taken).unwrap_or(usize::MAX);
    Ok(Some(text.chars().skip(skipped).take(taken).collect::<String>().into()))
}

/// Longest pattern, in bytes: compiling costs far more than its text.
const MAX_PATTERN: usize = 1_000;
/// Largest compiled pattern, in bytes.
const MAX_COMPILED: usize = 256 * 1024;

fn pattern(args: &[Value], at: usize, flags_at: usize) -> Option<Regex> {
    let pattern = args.get(at)?.as_str().filter(|pattern| pattern.len() <= MAX_PATTERN)?;
    let flags = args.get(flags_at).map_or(Some(""), Value::as_str)?;
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(MAX_COMPILED);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            's' => builder.dot_matches_new_line(true),
            'm' => builder.multi_line(true),
            'x' => builder.ignore_whitespace(true),
            _ => return None,
        };
    }
    builder.build().ok()
}

fn replace(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let (Some(input), Some(regex)) = (text(args), pattern(args, 1, 3)) else { return Ok(None) };
    let Some(replacement) = args.get(2).and_then(Value::as_str) else { return Ok(None) };
    // `$1x` means group 1 and then `x`; the library would read a group named `1x`.
    let group = Regex::new(r"\$(\d+)").ok();
    let replacement = match &group {
        Some(group) => group.replace_all(replacement, "$${$1}").into_owned(),
        None => return Ok(None),
    };
    let mut out = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(input) {
        this.step()?;
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(input.get(end..whole.start()).unwrap_or(""));
        let before = out.len();
        captures.expand(&replacement, &mut out);
        this.spend(out.len() - before)?;
        end = whole.end();
    }
    out.push_str(input.get(end..).unwrap_or(""));
    this.spend(input.len())?;
    Ok(Some(out.into()))
}

fn split(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let (Some(input), Some(regex)) = (text(args), pattern(args, 1, 2)) else { return Ok(None) };
    this.spend(input.len())?;
    let mut parts = Vec::new();
    for part in regex.split(input) {
        this.step()?;
        parts.push(Value::string(part));
    }
    Ok(Some(Value::list(parts)))
}

fn extract(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let (Some(input), Some(regex)) = (text(args), pattern(args, 1, 2)) else { return Ok(None) };
    this.spend(input.len())?;
    let mut parts = Vec::new();
    for found in regex.find_iter(input) {
        this.step()?;
        parts.push(Value::string(found.as_str()));
    }
    Ok(Some(Value::list(parts)))
}

/// Nulls are left out.
fn join(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let Some(Value::List(items)) = args.first() else { return Ok(None) };
    let around = |at: usize| match args.get(at) {
        None | Some(Value::Null) => Some(""),
        Some(value) => value.as_str(),
    };
    let (Some(delimiter), Some(prefix), Some(suffix)) = (around(1), around(2), around(3)) else {
        return Ok(None);
    };
    let mut out = String::from(prefix);
    let mut first = true;
    for item in items.iter() {
        this.step()?;
        let part = match item {
            Value::Null => continue,
            Value::String(part) => part,
            _ => return Ok(None),
        };
        this.spend(part.len() + delimiter.len())?;
        if !first {
            out.push_str(delimiter);
        }
        first = false;
        out.push_str(part);
    }
    out.push_str(suffix);
    Ok(Some(out.into()))
}

/// Text as a number, with grouping and decimal separators when they are given.
pub(super) fn number_from(args: &[Value]) -> Option<Number> {
    let text = match args.first()? {
        Value::Number(number) => return Some(*number),
        Value::String(text) => text,
        _ => return None,
    };
    let separator = |at: usize| match args.get(at) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_str().map(Some),
    };
    let (grouping, decimal) = (separator(1)?, separator(2)?);
    let mut plain = match grouping {
        Some(grouping) => text.replace(grouping, ""),
        None => text.to_string(),
    };
    if let Some(decimal) = decimal {
        plain = plain.replace(decimal, ".");
    }
    plain.parse().ok()
}
