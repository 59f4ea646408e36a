//! Reading.

use std::borrow::Cow;

use super::FIELD_NAMES_MAX;
use crate::wire::{DecodeError, varint};

/// Reads primitives, strings, collections and chunked fields. Offsets in errors count from the start
/// of the chunked value being read.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

/// Header of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Number of elements announced. Never trust it for an allocation.
    pub len: u32,
    /// Class of all elements; `None` when each element brings its own.
    pub class: Option<u32>,
    /// Whether each element of `class` is preceded by a null marker.
    pub nullable: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.pos
    }

    /// Fails unless everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.pos == self.bytes.len() {
            return Ok(());
        }
        Err(self.invalid("bytes after the end of the object"))
    }

    /// An error at the current position.
    #[must_use]
    pub fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { offset: self.pos, what }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    fn end(&self, missing: usize, what: &'static str) -> DecodeError {
        DecodeError::UnexpectedEnd { offset: self.pos, missing, what }
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        let taken = rest.get(..len).ok_or_else(|| self.end(len - rest.len(), what))?;
        self.pos += len;
        Ok(taken)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let byte = *self.rest().first().ok_or_else(|| self.end(1, what))?;
        self.pos += 1;
        Ok(byte)
    }

    /// A boolean of one byte.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8("a boolean")? != 0)
    }

    /// A 32-bit variable-length integer.
    pub fn varint(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let offset = self.pos;
        let read = varint::read_u32(self.rest());
        let read = read.map_err(|_| DecodeError::OutOfRange { offset, what: "32 bits" })?;
        let (value, len) = read.ok_or_else(|| self.end(1, what))?;
        self.pos += len;
        Ok(value)
    }

    /// A 64-bit signed integer in zig-zag form.
    pub fn zigzag64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let (value, len) = varint::read_u64(self.rest()).ok_or_else(|| self.end(1, what))?;
        self.pos += len;
        Ok(varint::unzigzag(value))
    }

    /// A 32-bit signed integer in zig-zag form.
    pub fn zigzag32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        let offset = self.pos;
        let value = varint::unzigzag(self.varint(what)?.into());
        i32::try_from(value).map_err(|_| DecodeError::OutOfRange { offset, what })
    }

    /// A 32-bit little-endian integer.
    pub fn i32_le(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4, what)?);
        Ok(i32::from_le_bytes(four))
    }

    /// Registration number of the next object's class; `None` is null.
    pub fn class(&mut self) -> Result<Option<u32>, DecodeError> {
        match self.varint("a class number")? {
            0 => Ok(None),
            1 => Err(self.invalid("an object of an unregistered class")),
            number => Ok(Some(number - 2)),
        }
    }

    /// Fails unless an object of this class comes next.
    pub fn expect_class(&mut self, class: u32, what: &'static str) -> Result<(), DecodeError> {
        let offset = self.pos;
        match self.class()? {
            Some(found) if found == class => Ok(()),
            _ => Err(DecodeError::Invalid { offset, what }),
        }
    }

    /// A number of at most 32 bits with a flag beside it.
    fn flagged(&mut self, what: &'static str) -> Result<(bool, u32), DecodeError> {
        let offset = self.pos;
        let first = self.u8(what)?;
        let mut value = u64::from(first & 0x3f);
        if first & 0x40 != 0 {
            value |= u64::from(self.varint(what)?) << 6;
        }
        match u32::try_from(value) {
            Ok(value) => Ok((first & 0x80 != 0, value)),
            Err(_) => Err(DecodeError::OutOfRange { offset, what }),
        }
    }

    /// A string, `None` when null.
    pub fn string(&mut self) -> Result<Option<String>, DecodeError> {
        const WHAT: &str = "a string";
        let Some(&first) = self.rest().first() else { return Err(self.end(1, WHAT)) };
        if first < 0x80 {
            return self.short_ascii().map(Some);
        }
        let (_, length) = self.flagged(WHAT)?;
        match length {
            0 => Ok(None),
            length => self.utf16_units(length - 1).map(Some),
        }
    }

    /// A string that must not be null.
    pub fn text(&mut self, what: &'static str) -> Result<String, DecodeError> {
        let offset = self.pos;
        self.string()?.ok_or(DecodeError::Invalid { offset, what })
    }

    /// ASCII whose last character has the high bit set.
    fn short_ascii(&mut self) -> Result<String, DecodeError> {
        let rest = self.rest();
        let last = rest.iter().position(|byte| *byte >= 0x80);
        let last = last.ok_or_else(|| self.end(1, "a string"))?;
        let bytes = self.take(last + 1, "a string")?;
        Ok(bytes.iter().map(|byte| char::from(byte & 0x7f)).collect())
    }

    /// `count` UTF-16 units, each on its own as one to three bytes.
    fn utf16_units(&mut self, count: u32) -> Result<String, DecodeError> {
        const WHAT: &str = "a string";
        let offset = self.pos;
        let count = count as usize;
        if let Some(ascii) = self.rest().get(..count).filter(|bytes| bytes.is_ascii()) {
            self.pos += count;
            return Ok(ascii.iter().copied().map(char::from).collect());
        }
        if count > self.rest().len() {
            return Err(self.end(count - self.rest().len(), WHAT));
        }
        let mut units = Vec::new();
        for _ in 0..count {
            let first = u16::from(self.u8(WHAT)?);
            let mut tail = || Ok::<u16, DecodeError>(u16::from(self.u8(WHAT)?) & 0x3f);
            units.push(match first >> 4 {
                0..=7 => first,
                12 | 13 => (first & 0x1f) << 6 | tail()?,
                14 => (first & 0x0f) << 12 | tail()? << 6 | tail()?,
                _ => return Err(DecodeError::InvalidUtf8 { offset }),
            });
        }
        String::from_utf16(&units).map_err(|_| DecodeError::InvalidUtf8 { offset })
    }

    /// A byte array, `None` when null.
    pub fn byte_array(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.varint("a byte array")? {
            0 => Ok(None),
            length => self.take(length as usize - 1, "a byte array").map(Some),
        }
    }

    /// Header of a list or set; `None` is null.
    pub fn collection(&mut self) -> Result<Option<Collection>, DecodeError> {
        let (same_class, length) = self.flagged("a collection")?;
        let len = match length {
            0 => return Ok(None),
            length => length - 1,
        };
        if len == 0 || !same_class {
            return Ok(Some(Collection { len, class: None, nullable: false }));
        }
        match self.class()? {
            // Elements of "the null class": all of them are null and have no bytes.
            None => Ok(Some(Collection { len: 0, class: None, nullable: false })),
            class => Ok(Some(Collection { len, class, nullable: self.bool()? })),
        }
    }

    /// Names of a class's fields, as they precede the first object of the class.
    pub fn field_names(&mut self) -> Result<Vec<String>, DecodeError> {
        let count = self.varint("a field count")?;
        if count > FIELD_NAMES_MAX {
            return Err(self.invalid("a class with too many fields"));
        }
        (0..count).map(|_| self.text("a field name")).collect()
    }

    /// The bytes of a field: its chunks, joined.
    pub fn chunked(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        const WHAT: &str = "a chunk";
        let mut joined = Cow::Borrowed(&[][..]);
        loop {
            match self.varint(WHAT)? {
                0 => return Ok(joined),
                length => {
                    let chunk = self.take(length as usize, WHAT)?;
                    if joined.is_empty() {
                        joined = Cow::Borrowed(chunk);
                    } else {
                        joined.to_mut().extend_from_slice(chunk);
                    }
                }
            }
        }
    }
}
