//! Values that stay MsgPack bytes inside a record.

use bytes::Bytes;

use super::Property;
use crate::wire::DecodeError;
use crate::wire::msgpack::{Kind, Reader, Writer, bin_len};

/// A MsgPack map that travels as binary data: process variables and the like (command-api §2.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Document(Bytes);

impl Document {
    /// The empty document.
    #[must_use]
    pub fn empty() -> Self {
        Self(Bytes::from_static(&[0x80]))
    }

    /// The document in `bytes`, which hold one MsgPack map. Nothing and a single nil are empty.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedType`] when they begin with anything else.
    pub fn from_msgpack(bytes: Bytes) -> Result<Self, DecodeError> {
        match bytes.first() {
            None => Ok(Self::empty()),
            Some(0xc0) if bytes.len() == 1 => Ok(Self::empty()),
            Some(0x80..=0x8f | 0xde | 0xdf) => Ok(Self(bytes)),
            Some(found) => {
                Err(DecodeError::UnexpectedType { offset: 0, expected: "a map", found: *found })
            }
        }
    }

    /// The MsgPack map.
    #[must_use]
    pub fn as_msgpack(&self) -> &Bytes {
        &self.0
    }

    /// Whether the map has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0.first(), Some(0x80))
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::empty()
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Variables may be confidential: their size is enough for a log line.
        write!(f, "Document({} bytes)", self.0.len())
    }
}

impl Property for Document {
    fn write(&self, out: &mut Writer) {
        out.bin(&self.0);
    }

    fn encoded_len(&self) -> usize {
        bin_len(self.0.len())
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_msgpack(input.bin()?)
    }
}

/// One MsgPack value written inline (`customHeaders`). The default is the empty map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawValue(pub Bytes);

impl Default for RawValue {
    fn default() -> Self {
        Self(Bytes::from_static(&[0x80]))
    }
}

impl Property for RawValue {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.raw().map(Self)
    }
}

/// Binary data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary(pub Bytes);

impl Binary {
    /// Binary data that holds one MsgPack nil: "no decision output".
    #[must_use]
    pub fn nil() -> Self {
        Self(Bytes::from_static(&[0xc0]))
    }
}

impl Property for Binary {
    fn write(&self, out: &mut Writer) {
        out.bin(&self.0);
    }

    fn encoded_len(&self) -> usize {
        bin_len(self.0.len())
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // Some replies carry text where binary is declared; both are bytes.
        match input.kind()? {
            Kind::Str => input.str().map(|s| Self(Bytes::copy_from_slice(s.as_bytes()))),
            _ => input.bin().map(Self),
        }
    }
}
