//! MsgPack → JSON text, as the JVM gateway prints it (command-api §2.3).

use std::fmt::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::JsonDialect;
use super::double::push_double;
use super::scan::unescaped_prefix;
use crate::wire::DecodeError;
use crate::wire::msgpack::{Kind, Reader};

/// Converts the first MsgPack value of `bytes` to compact JSON.
///
/// # Errors
/// A [`DecodeError`]; extension values, and maps or arrays as keys, have no JSON form.
pub fn msgpack_to_json(bytes: &Bytes) -> Result<String, DecodeError> {
    let mut out = String::new();
    append_json(bytes, &mut out)?;
    Ok(out)
}

/// Like [`msgpack_to_json`], at the end of `out`, which keeps what was printed before an error.
///
/// # Errors
/// A [`DecodeError`].
pub fn append_json(bytes: &Bytes, out: &mut String) -> Result<(), DecodeError> {
    out.reserve(bytes.len() + bytes.len() / 4 + 16);
    Printer { input: Reader::new(bytes), out, open: Vec::new() }.run()
}

/// A container that is being printed.
struct Open {
    is_map: bool,
    is_first: bool,
    left: u32,
}

struct Printer<'a> {
    input: Reader<'a>,
    out: &'a mut String,
    open: Vec<Open>,
}

impl Printer<'_> {
    fn run(&mut self) -> Result<(), DecodeError> {
        loop {
            self.value()?;
            loop {
                let Some(open) = self.open.last_mut() else { return Ok(()) };
                if open.left > 0 {
                    open.left -= 1;
                    let first = std::mem::replace(&mut open.is_first, false);
                    let is_map = open.is_map;
                    if !first {
                        self.out.push(',');
                    }
                    if is_map {
                        self.key()?;
                        self.out.push(':');
                    }
                    break;
                }
                self.out.push(if open.is_map { '}' } else { ']' });
                self.open.pop();
            }
        }
    }

    fn open(&mut self, is_map: bool, left: usize) -> Result<(), DecodeError> {
        let offset = self.input.position();
        let limit = JsonDialect::Lenient.max_depth();
        if self.open.len() == limit {
            return Err(DecodeError::TooDeep { offset, limit });
        }
        // Sizes have at most 32 bits on the wire.
        let left = u32::try_from(left)
            .map_err(|_| DecodeError::OutOfRange { offset, what: "a container" })?;
        self.out.push(if is_map { '{' } else { '[' });
        self.open.push(Open { is_map, is_first: true, left });
        Ok(())
    }

    /// Prints a scalar or the opening of a container.
    fn value(&mut self) -> Result<(), DecodeError> {
        match self.input.kind()? {
            Kind::Map => {
                let size = self.input.map()?;
                self.open(true, size)?;
            }
            Kind::Array => {
                let size = self.input.array()?;
                self.open(false, size)?;
            }
            Kind::Str => {
                let text = self.input.str_bytes()?;
                self.quoted(text);
            }
            Kind::Bin => {
                let bytes = self.input.bin_bytes()?;
                self.out.push('"');
                BASE64_STANDARD.encode_string(bytes, self.out);
                self.out.push('"');
            }
            Kind::Float => push_double(self.out, self.input.f64()?),
            kind => self.plain(kind)?,
        }
        Ok(())
    }

    /// Prints the key of a map entry; what is not text becomes text.
    fn key(&mut self) -> Result<(), DecodeError> {
        match self.input.kind()? {
            Kind::Str => {
                let text = self.input.str_bytes()?;
                self.quoted(text);
            }
            Kind::Bin => {
                let text = self.input.bin_bytes()?;
                self.quoted(text);
            }
            Kind::Float => {
                let mut text = String::new();
                push_double(&mut text, self.input.f64()?);
                self.quoted(text.trim_matches('"').as_bytes());
            }
            kind @ (Kind::Nil | Kind::Bool | Kind::Int) => {
                self.out.push('"');
                self.plain(kind)?;
                self.out.push('"');
            }
            Kind::Map | Kind::Array | Kind::Ext => {
                let offset = self.input.position();
                return Err(DecodeError::Invalid { offset, what: "map key without JSON form" });
            }
        }
        Ok(())
    }

    /// Prints a value whose text needs no quotes.
    fn plain(&mut self, kind: Kind) -> Result<(), DecodeError> {
        match kind {
            Kind::Nil => {
                self.input.nil()?;
                self.out.push_str("null");
            }
            Kind::Bool => self.out.push_str(if self.input.bool()? { "true" } else { "false" }),
            Kind::Int => {
                let value = self.input.int128()?;
                // Writing to a String cannot fail.
                _ = match u64::try_from(value) {
                    Ok(value) => write!(self.out, "{value}"),
                    Err(_) => write!(self.out, "{value}"),
                };
            }
            _ => {
                let offset = self.input.position();
                return Err(DecodeError::Invalid { offset, what: "value without JSON form" });
            }
        }
        Ok(())
    }

    fn quoted(&mut self, bytes: &[u8]) {
        self.out.push('"');
        match std::str::from_utf8(bytes) {
            Ok(text) => self.escaped(text),
            // A broken string must not make a job undeliverable.
            Err(_) => self.escaped(&String::from_utf8_lossy(bytes)),
        }
        self.out.push('"');
    }

    fn escaped(&mut self, mut text: &str) {
        loop {
            let plain = unescaped_prefix(text.as_bytes());
            let (before, rest) = text.split_at(plain);
            self.out.push_str(before);
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return };
            text = chars.as_str();
            match char {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\0'..'\x20' => self.unit(char as u16),
                '\u{1_0000}'.. => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        self.unit(*unit);
                    }
                }
                _ => self.out.push(char),
            }
        }
    }

    /// `\uXXXX`, upper-case.
    fn unit(&mut self, unit: u16) {
        _ = write!(self.out, "\\u{unit:04X}");
    }
}
