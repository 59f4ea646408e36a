//! JSON text → MsgPack.
//!
//! Memory: the output is at most 9/4 of the text (a float such as `1.0` becomes nine bytes), grows
//! at most once, and an open container costs 12 bytes up to [`JsonDialect::max_depth`].

use bytes::Bytes;

use super::patch::Patches;
use super::scan::plain_prefix;
use super::text::{Fault, unescape};
use super::{JsonDialect, JsonError};
use crate::wire::msgpack::writer::{MAX_STR_HEADER, put_int, put_str_header, put_uint};
use crate::wire::record::Document;

/// Longest text that is converted, in bytes; offsets are kept in 32 bits. Far above the limits of
/// the frontends.
const MAX_TEXT: usize = 1 << 30;

/// Header of a map before its size is known.
pub(super) const EMPTY_MAP: u8 = 0x80;
const EMPTY_ARRAY: u8 = 0x90;
const NIL: u8 = 0xc0;

/// Converts the first JSON value of `text`; what follows it is ignored.
///
/// # Errors
/// [`JsonError`], but never [`JsonError::NotAnObject`].
pub fn json_to_msgpack(text: &str, dialect: JsonDialect) -> Result<Bytes, JsonError> {
    if text.len() > MAX_TEXT {
        return Err(JsonError::TooLong { limit: MAX_TEXT });
    }
    if dialect == JsonDialect::Lenient && text.trim_start().is_empty() {
        return Ok(Bytes::from_static(&[EMPTY_MAP]));
    }
    let mut converter = Converter::new(text, dialect);
    match converter.run() {
        Ok(()) => Ok(converter.finish()),
        Err(Stop::Fault(fault)) => Err(JsonError::syntax(text, fault.at, fault.what)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Converts `text` to a document: an object, or `null` for the empty one.
///
/// # Errors
/// [`JsonError`].
pub fn document_from_json(text: &str, dialect: JsonDialect) -> Result<Document, JsonError> {
    let msgpack = json_to_msgpack(text, dialect)?;
    let found = match msgpack.first() {
        Some(0x90..=0x9f | 0xdc | 0xdd) => "ARRAY",
        Some(0xa0..=0xbf | 0xd9..=0xdb) => "STRING",
        Some(0xc2 | 0xc3) => "BOOLEAN",
        Some(0xca | 0xcb) => "FLOAT",
        _ => "INTEGER",
    };
    Document::from_msgpack(msgpack).map_err(|_| JsonError::NotAnObject { found })
}

/// The string that was written at `at`.
fn written_str(out: &[u8], at: usize) -> &[u8] {
    let rest = &out[at..];
    match *rest {
        [len @ 0xa0..=0xbf, ref rest @ ..] => &rest[..usize::from(len & 0x1f)],
        [0xd9, len, ref rest @ ..] => &rest[..usize::from(len)],
        [0xda, l0, l1, ref rest @ ..] => &rest[..usize::from(u16::from_be_bytes([l0, l1]))],
        [0xdb, l0, l1, l2, l3, ref rest @ ..] => {
            &rest[..u32::from_be_bytes([l0, l1, l2, l3]) as usize]
        }
        // Only names are looked up, and names are strings.
        _ => rest,
    }
}

enum Stop {
    Fault(Fault),
    Error(JsonError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A container whose end was not read yet.
struct Open {
    /// Offset of its header in the output, which also says what it is.
    at: u32,
    size: u32,
    /// Where its entries begin in [`Converter::entries`].
    first_entry: u32,
}

struct Converter<'a> {
    text: &'a [u8],
    pos: usize,
    dialect: JsonDialect,
    out: Vec<u8>,
    open: Vec<Open>,
    /// Output offsets of the entries of the open maps; only kept to find duplicates.
    entries: Vec<u32>,
    patches: Patches,
}

#[derive(PartialEq)]
enum Next {
    Value,
    Done,
}

impl<'a> Converter<'a> {
    fn new(text: &'a str, dialect: JsonDialect) -> Self {
        Self {
            text: text.as_bytes(),
            pos: 0,
            dialect,
            out: Vec::with_capacity(text.len() + MAX_STR_HEADER),
            open: Vec::new(),
            entries: Vec::new(),
            patches: Patches::default(),
        }
    }

    fn finish(mut self) -> Bytes {
        self.patches.apply(&mut self.out);
        self.out.into()
    }

    fn run(&mut self) -> Result<(), Stop> {
        if self.dialect == JsonDialect::Lenient && self.text.starts_with("\u{feff}".as_bytes()) {
            self.pos = 3;
        }
        loop {
            let opened = self.value()?;
            let next = if opened { self.first_item()? } else { self.next_item()? };
            if next == Next::Done {
                return Ok(());
            }
        }
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, Stop> {
        Err(Stop::Fault(Fault { at: self.pos, what }))
    }

    /// The next byte that is not white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.pos) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.pos += 1,
                other => return other.copied(),
            }
        }
    }

    /// Converts a scalar, or the opening of a container; says whether it was the latter.
    fn value(&mut self) -> Result<bool, Stop> {
        match self.token() {
            Some(b'{') => return self.open(EMPTY_MAP).map(|()| true),
            Some(b'[') => return self.open(EMPTY_ARRAY).map(|()| true),
            Some(b'"') => self.string(b'"')?,
            Some(b'\'') if self.dialect == JsonDialect::Lenient => self.string(b'\'')?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true", 0xc3)?,
            Some(b'f') => self.word(b"false", 0xc2)?,
            Some(b'n') => self.word(b"null", NIL)?,
            Some(_) => return self.fault("a value was expected"),
            None => return self.fault("text ends where a value was expected"),
        }
        Ok(false)
    }

    fn open(&mut self, header: u8) -> Result<(), Stop> {
        let limit = self.dialect.max_depth();
        if self.open.len() == limit {
            return Err(Stop::Error(JsonError::TooDeep { limit }));
        }
        self.pos += 1;
        let first_entry = self.entries.len() as u32;
        self.open.push(Open { at: self.out.len() as u32, size: 0, first_entry });
        self.out.push(header);
        Ok(())
    }

    /// After the opening of a container.
    fn first_item(&mut self) -> Result<Next, Stop> {
        match (self.token(), self.in_map()) {
            (Some(b'}'), Some(true)) | (Some(b']'), Some(false)) => {
                self.close();
                self.next_item()
            }
            (_, in_map) => self.item(in_map == Some(true)),
        }
    }

    /// After a value: what its container says.
    fn next_item(&mut self) -> Result<Next, Stop> {
        while let Some(in_map) = self.in_map() {
            match (self.token(), in_map) {
                (Some(b','), _) => {
                    self.pos += 1;
                    return self.item(in_map);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                (Some(_), true) => return self.fault("`,` or `}` was expected"),
                (Some(_), false) => return self.fault("`,` or `]` was expected"),
                (None, _) => return self.fault("text ends inside a container"),
            }
        }
        Ok(Next::Done)
    }

    /// Whether the innermost container is a map; none outside of all.
    fn in_map(&self) -> Option<bool> {
        self.open.last().map(|open| self.out[open.at as usize] == EMPTY_MAP)
    }

    /// Begins an item: counts it and converts its name.
    fn item(&mut self, in_map: bool) -> Result<Next, Stop> {
        if let Some(open) = self.open.last_mut() {
            open.size += 1;
        }
        if in_map {
            if self.dialect == JsonDialect::Strict {
                self.entries.push(self.out.len() as u32);
            }
            match self.token() {
                Some(b'"') => self.string(b'"')?,
                Some(b'\'') if self.dialect == JsonDialect::Lenient => self.string(b'\'')?,
                _ => return self.fault("a quoted name was expected"),
            }
            if self.token() != Some(b':') {
                return self.fault("`:` was expected");
            }
            self.pos += 1;
        }
        Ok(Next::Value)
    }

    /// Ends the innermost container.
    fn close(&mut self) {
        self.pos += 1;
        let Some(mut open) = self.open.pop() else { return };
        let header = self.out[open.at as usize];
        if header == EMPTY_MAP && self.dialect == JsonDialect::Strict {
            open.size -= self.remove_duplicates(open.first_entry as usize);
            self.entries.truncate(open.first_entry as usize);
        }
        match open.size {
            0..16 => self.out[open.at as usize] = header | open.size as u8,
            size => self.patches.enlarge(open.at, size),
        }
    }

    /// Notes the entries that a later one of the same name supersedes; gives their number.
    fn remove_duplicates(&mut self, first: usize) -> u32 {
        let entries = &self.entries[first..];
        let name = |entry: u32| written_str(&self.out, entry as usize);
        let end = |index: usize| entries.get(index + 1).map_or(self.out.len() as u32, |end| *end);
        let mut removed = 0;
        // Few names are compared with each other; many are sorted, so that time stays bounded.
        if entries.len() <= 16 {
            for (index, entry) in entries.iter().enumerate() {
                if entries[index + 1..].iter().any(|later| name(*later) == name(*entry)) {
                    self.patches.remove(*entry, end(index));
                    removed += 1;
                }
            }
            return removed;
        }
        let mut order: Vec<u32> = (0..entries.len() as u32).collect();
        order.sort_unstable_by_key(|index| (name(entries[*index as usize]), *index));
        for pair in order.windows(2) {
            let index = pair[0] as usize;
            if name(entries[index]) == name(entries[pair[1] as usize]) {
                self.patches.remove(entries[index], end(index));
                removed += 1;
            }
        }
        removed
    }

    fn word(&mut self, word: &[u8], value: u8) -> Result<(), Stop> {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
        if !rest.starts_with(word) || rest.get(word.len()).is_some_and(goes_on) {
            return self.fault("unknown word");
        }
        self.pos += word.len();
        self.out.push(value);
        Ok(())
    }

    fn string(&mut self, quote: u8) -> Result<(), Stop> {
        self.pos += 1;
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let plain = plain_prefix(rest, quote);
        if rest.get(plain) == Some(&quote) {
            put_str_header(&mut self.out, plain);
            self.out.extend_from_slice(&rest[..plain]);
            self.pos += plain + 1;
            return Ok(());
        }
        // Its length is known only after its escapes: write it after the longest header, then
        // move it to the right one.
        let start = self.out.len();
        let mut header = [0; MAX_STR_HEADER];
        self.out.extend_from_slice(&header);
        self.pos = unescape(self.text, self.pos, quote, &mut self.out)?;
        let content = start + MAX_STR_HEADER;
        let mut unused = &mut header[..];
        put_str_header(&mut unused, self.out.len() - content);
        let unused = unused.len();
        let len = MAX_STR_HEADER - unused;
        self.out[start..start + len].copy_from_slice(&header[..len]);
        self.out.copy_within(content.., start + len);
        self.out.truncate(self.out.len() - unused);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Stop> {
        let start = self.pos;
        let negative = self.text.get(self.pos) == Some(&b'-');
        self.pos += usize::from(negative);
        let leading_zero = self.text.get(self.pos) == Some(&b'0');
        let integer = self.digits()?;
        if leading_zero && integer.len() > 1 {
            self.pos = start + usize::from(negative) + 1;
            return self.fault("number begins with a zero");
        }
        let mut float = false;
        if self.text.get(self.pos) == Some(&b'.') {
            float = true;
            self.pos += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.pos) {
            float = true;
            self.pos += 1;
            self.pos += usize::from(matches!(self.text.get(self.pos), Some(b'+' | b'-')));
            self.digits()?;
        }
        let follower = self.text.get(self.pos);
        if self.open.is_empty() && !matches!(follower, None | Some(b' ' | b'\t' | b'\n' | b'\r')) {
            return self.fault("number does not end");
        }
        if float { self.float(start) } else { self.integer(negative, integer) }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<&'a [u8], Stop> {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let len = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        if len == 0 {
            return self.fault("a digit was expected");
        }
        self.pos += len;
        Ok(&rest[..len])
    }

    fn integer(&mut self, negative: bool, digits: &[u8]) -> Result<(), Stop> {
        let magnitude = digits.iter().try_fold(0u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        let out_of_range = Stop::Error(JsonError::IntegerOutOfRange);
        let Some(magnitude) = magnitude else { return Err(out_of_range) };
        if !negative {
            put_uint(&mut self.out, magnitude);
        } else if let Some(value) = 0i64.checked_sub_unsigned(magnitude) {
            put_int(&mut self.out, value);
        } else {
            return Err(out_of_range);
        }
        Ok(())
    }

    fn float(&mut self, start: usize) -> Result<(), Stop> {
        let text = std::str::from_utf8(&self.text[start..self.pos]);
        let Some(value) = text.ok().and_then(|text| text.parse::<f64>().ok()) else {
            return self.fault("not a number");
        };
        const FLOAT: usize = 9;
        if self.out.capacity() - self.out.len() < FLOAT {
            // Only floats outgrow their text: make room for nothing but floats to come.
            let left = self.text.len() - self.pos;
            self.out.reserve_exact(FLOAT + MAX_STR_HEADER + left * FLOAT / 4);
        }
        self.out.push(0xcb);
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }
}
