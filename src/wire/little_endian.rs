//! Bounds-checked reading of little-endian SBE fields.

use super::DecodeError;

/// Reads fixed-width integers and length-prefixed text.
#[derive(Clone, Debug)]
pub(super) struct LittleEndian<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> LittleEndian<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.pos
    }

    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let taken = rest.get(..len).ok_or(DecodeError::UnexpectedEnd {
            offset: self.pos,
            missing: len.saturating_sub(rest.len()),
            what,
        })?;
        self.pos += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// Text with a 32-bit length.
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let length = self.u32(what)? as usize;
        let offset = self.pos;
        std::str::from_utf8(self.take(length, what)?)
            .map_err(|_| DecodeError::InvalidUtf8 { offset })
    }
}
