//! Reading: any width of header, any order of properties.

use bytes::Bytes;

use crate::wire::DecodeError;

/// What the next value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `nil`.
    Nil,
    /// A boolean.
    Bool,
    /// An integer of any width.
    Int,
    /// A float of any width.
    Float,
    /// Text.
    Str,
    /// Binary data.
    Bin,
    /// An array.
    Array,
    /// A map.
    Map,
    /// An extension value.
    Ext,
}

/// Memory that the lists decoded from `input` bytes may take, in bytes.
///
/// An element can be one byte on the wire and hundreds in memory, so without a budget a small
/// message could become a huge value. Real records stay far below three times their encoded size;
/// the constant is for short ones, such as a list of one-letter variable names.
#[must_use]
pub const fn list_budget(input: usize) -> usize {
    input.saturating_mul(3).saturating_add(64 * 1024)
}

/// Reads MsgPack values from a buffer without copying it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    pos: usize,
    /// What is left of the [`list_budget`].
    budget: usize,
}

const NEVER_USED: u8 = 0xc1;

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, pos: 0, budget: list_budget(bytes.len()) }
    }

    /// Header of an array that becomes a list of `T`: the number of elements that follow. Room for
    /// that many is within the budget and may be allocated.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] for more elements than bytes are left,
    /// [`DecodeError::OutOfRange`] when the list would need too much memory.
    pub fn list<T>(&mut self) -> Result<usize, DecodeError> {
        let offset = self.pos;
        let len = self.array()?;
        if len > self.remaining() {
            let missing = len - self.remaining();
            return Err(DecodeError::UnexpectedEnd { offset, missing, what: "a list" });
        }
        let left = len.checked_mul(size_of::<T>()).and_then(|size| self.budget.checked_sub(size));
        let what = "a list in a message of this size";
        self.budget = left.ok_or(DecodeError::OutOfRange { offset, what })?;
        Ok(len)
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.pos
    }

    /// Number of bytes left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.pos
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self.pos.checked_add(len).filter(|end| *end <= self.bytes.len());
        let Some(slice) = end.and_then(|end| self.bytes.get(self.pos..end)) else {
            let missing = len.saturating_sub(self.remaining());
            return Err(DecodeError::UnexpectedEnd { offset: self.pos, missing, what });
        };
        self.pos += len;
        Ok(slice)
    }

    fn be<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let slice = self.take(N, what)?;
        let mut out = [0; N];
        out.copy_from_slice(slice);
        Ok(out)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.be(what)?))
    }

    fn peek(&self, what: &'static str) -> Result<u8, DecodeError> {
        let end = || DecodeError::UnexpectedEnd { offset: self.pos, missing: 1, what };
        self.bytes.get(self.pos).copied().ok_or_else(end)
    }

    fn unexpected(&self, expected: &'static str, found: u8) -> DecodeError {
        DecodeError::UnexpectedType { offset: self.pos.saturating_sub(1), expected, found }
    }

    /// What the next value is, without reading it.
    pub fn kind(&self) -> Result<Kind, DecodeError> {
        let byte = self.peek("a value")?;
        Ok(match byte {
            0x00..=0x7f | 0xe0..=0xff | 0xcc..=0xd3 => Kind::Int,
            0x80..=0x8f | 0xde | 0xdf => Kind::Map,
            0x90..=0x9f | 0xdc | 0xdd => Kind::Array,
            0xa0..=0xbf | 0xd9..=0xdb => Kind::Str,
            0xc0 => Kind::Nil,
            0xc2 | 0xc3 => Kind::Bool,
            0xc4..=0xc6 => Kind::Bin,
            0xca | 0xcb => Kind::Float,
            0xc7..=0xc9 | 0xd4..=0xd8 => Kind::Ext,
            NEVER_USED => {
                return Err(DecodeError::UnexpectedType {
                    offset: self.pos,
                    expected: "a value",
                    found: byte,
                });
            }
        })
    }

    /// `nil`.
    pub fn nil(&mut self) -> Result<(), DecodeError> {
        match self.u8("nil")? {
            0xc0 => Ok(()),
            found => Err(self.unexpected("nil", found)),
        }
    }

    /// A boolean.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.u8("a boolean")? {
            0xc3 => Ok(true),
            0xc2 => Ok(false),
            found => Err(self.unexpected("a boolean", found)),
        }
    }

    /// An integer of any width, over the full range of both signs.
    pub fn int128(&mut self) -> Result<i128, DecodeError> {
        const WHAT: &str = "an integer";
        let byte = self.u8(WHAT)?;
        Ok(match byte {
            0x00..=0x7f => i128::from(byte),
            0xe0..=0xff => i128::from(byte as i8),
            0xcc => i128::from(self.u8(WHAT)?),
            0xcd => i128::from(u16::from_be_bytes(self.be(WHAT)?)),
            0xce => i128::from(u32::from_be_bytes(self.be(WHAT)?)),
            0xcf => i128::from(u64::from_be_bytes(self.be(WHAT)?)),
            0xd0 => i128::from(self.u8(WHAT)? as i8),
            0xd1 => i128::from(i16::from_be_bytes(self.be(WHAT)?)),
            0xd2 => i128::from(i32::from_be_bytes(self.be(WHAT)?)),
            0xd3 => i128::from(i64::from_be_bytes(self.be(WHAT)?)),
            found => return Err(self.unexpected(WHAT, found)),
        })
    }

    /// An integer that fits 64 signed bits.
    pub fn int(&mut self) -> Result<i64, DecodeError> {
        const WHAT: &str = "an integer";
        let offset = self.pos;
        Ok(match self.u8(WHAT)? {
            byte @ 0x00..=0x7f => i64::from(byte),
            byte @ 0xe0..=0xff => i64::from(byte as i8),
            0xcc => i64::from(self.u8(WHAT)?),
            0xcd => i64::from(u16::from_be_bytes(self.be(WHAT)?)),
            0xce => i64::from(u32::from_be_bytes(self.be(WHAT)?)),
            0xcf => i64::try_from(u64::from_be_bytes(self.be(WHAT)?))
                .map_err(|_| DecodeError::OutOfRange { offset, what: "64 signed bits" })?,
            0xd0 => i64::from(self.u8(WHAT)? as i8),
            0xd1 => i64::from(i16::from_be_bytes(self.be(WHAT)?)),
            0xd2 => i64::from(i32::from_be_bytes(self.be(WHAT)?)),
            0xd3 => i64::from_be_bytes(self.be(WHAT)?),
            found => return Err(self.unexpected(WHAT, found)),
        })
    }

    /// Reads a text in its shortest form if it is `name`; else nothing. `name` is shorter than 32
    /// bytes, or never found.
    pub fn name_if(&mut self, name: &'static str) -> bool {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first() else { return false };
        let is_it = name.len() < 32
            && usize::from(*header) == 0xa0 + name.len()
            && rest.starts_with(name.as_bytes());
        if is_it {
            self.pos += 1 + name.len();
        }
        is_it
    }

    /// A float of either width.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        match self.u8("a float")? {
            0xca => Ok(f64::from(f32::from_be_bytes(self.be("a float")?))),
            0xcb => Ok(f64::from_be_bytes(self.be("a float")?)),
            found => Err(self.unexpected("a float", found)),
        }
    }

    /// Text.
    pub fn str(&mut self) -> Result<&'a str, DecodeError> {
        let text = self.str_bytes()?;
        let offset = self.pos - text.len();
        std::str::from_utf8(text).map_err(|_| DecodeError::InvalidUtf8 { offset })
    }

    /// Text, not checked to be UTF-8.
    pub fn str_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        const WHAT: &str = "text";
        let byte = self.u8(WHAT)?;
        let len = match byte {
            0xa0..=0xbf => usize::from(byte & 0x1f),
            0xd9 => usize::from(self.u8(WHAT)?),
            0xda => usize::from(u16::from_be_bytes(self.be(WHAT)?)),
            0xdb => u32::from_be_bytes(self.be(WHAT)?) as usize,
            found => return Err(self.unexpected(WHAT, found)),
        };
        self.take(len, WHAT)
    }

    /// Binary data, as a view of the buffer.
    pub fn bin(&mut self) -> Result<Bytes, DecodeError> {
        self.bin_bytes().map(|slice| self.bytes.slice_ref(slice))
    }

    /// Binary data, borrowed.
    pub fn bin_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        const WHAT: &str = "binary data";
        let len = match self.u8(WHAT)? {
            0xc4 => usize::from(self.u8(WHAT)?),
            0xc5 => usize::from(u16::from_be_bytes(self.be(WHAT)?)),
            0xc6 => u32::from_be_bytes(self.be(WHAT)?) as usize,
            found => return Err(self.unexpected(WHAT, found)),
        };
        self.take(len, WHAT)
    }

    /// Header of an array: the number of elements that follow. Never trust it for an allocation.
    pub fn array(&mut self) -> Result<usize, DecodeError> {
        const WHAT: &str = "an array";
        let byte = self.u8(WHAT)?;
        match byte {
            0x90..=0x9f => Ok(usize::from(byte & 0x0f)),
            0xdc => Ok(usize::from(u16::from_be_bytes(self.be(WHAT)?))),
            0xdd => Ok(u32::from_be_bytes(self.be(WHAT)?) as usize),
            found => Err(self.unexpected(WHAT, found)),
        }
    }

    /// Header of a map: the number of entries that follow. Never trust it for an allocation.
    pub fn map(&mut self) -> Result<usize, DecodeError> {
        const WHAT: &str = "a map";
        let byte = self.u8(WHAT)?;
        match byte {
            0x80..=0x8f => Ok(usize::from(byte & 0x0f)),
            0xde => Ok(usize::from(u16::from_be_bytes(self.be(WHAT)?))),
            0xdf => Ok(u32::from_be_bytes(self.be(WHAT)?) as usize),
            found => Err(self.unexpected(WHAT, found)),
        }
    }

    /// Passes over one value of any kind, however deep, without recursion.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let mut pending: u64 = 1;
        while pending > 0 {
            pending -= 1;
            match self.kind()? {
                Kind::Nil | Kind::Bool => _ = self.take(1, "a value")?,
                Kind::Int => _ = self.int128()?,
                Kind::Float => _ = self.f64()?,
                Kind::Str => _ = self.str_bytes()?,
                Kind::Bin => _ = self.bin_bytes()?,
                Kind::Array => pending += self.array()? as u64,
                Kind::Map => pending += 2 * self.map()? as u64,
                Kind::Ext => self.skip_ext()?,
            }
        }
        Ok(())
    }

    fn skip_ext(&mut self) -> Result<(), DecodeError> {
        const WHAT: &str = "an extension value";
        let len = match self.u8(WHAT)? {
            byte @ 0xd4..=0xd8 => 1usize << (byte - 0xd4),
            0xc7 => usize::from(self.u8(WHAT)?),
            0xc8 => usize::from(u16::from_be_bytes(self.be(WHAT)?)),
            0xc9 => u32::from_be_bytes(self.be(WHAT)?) as usize,
            found => return Err(self.unexpected(WHAT, found)),
        };
        self.take(1, WHAT)?;
        self.take(len, WHAT)?;
        Ok(())
    }

    /// One value of any kind, as a view of the buffer.
    pub fn raw(&mut self) -> Result<Bytes, DecodeError> {
        let start = self.pos;
        self.skip()?;
        Ok(self.bytes.slice(start..self.pos))
    }
}
