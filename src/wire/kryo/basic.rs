//! Single objects of the plain serializer: event payloads and broker-internal wrappers.

use super::{Reader, Writer, class};
use crate::wire::DecodeError;

/// An object that is not a membership message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basic {
    /// No object.
    Null,
    /// A string; `None` when the string itself is null.
    String(Option<String>),
    /// A byte array; `None` when the array itself is null.
    Bytes(Option<Vec<u8>>),
    /// A byte buffer.
    Buffer {
        /// Whether it lay outside the heap.
        direct: bool,
        /// Its byte order mark.
        little_endian: bool,
        /// Its content.
        bytes: Vec<u8>,
    },
}

impl Basic {
    /// Reads a payload that is exactly one object.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let value = match reader.class()? {
            None => Self::Null,
            Some(class::STRING) => Self::String(reader.string()?),
            Some(class::BYTES) => Self::Bytes(reader.byte_array()?.map(<[u8]>::to_vec)),
            Some(class::BYTE_BUFFER | class::BYTE_BUFFER_HEAP | class::BYTE_BUFFER_DIRECT) => {
                Self::read_buffer(&mut reader)?
            }
            Some(_) => return Err(reader.invalid("an object of an unexpected class")),
        };
        reader.finish()?;
        Ok(value)
    }

    fn read_buffer(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (direct, little_endian) = (reader.bool()?, reader.bool()?);
        let length = usize::try_from(reader.i32_le("a buffer length")?)
            .map_err(|_| reader.invalid("a negative buffer length"))?;
        let bytes = reader.take(length, "a buffer")?.to_vec();
        Ok(Self::Buffer { direct, little_endian, bytes })
    }

    /// The payload that is exactly this object.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Null => writer.varint(0),
            Self::String(text) => {
                writer.class(class::STRING);
                writer.optional_string(text.as_deref());
            }
            Self::Bytes(bytes) => {
                writer.class(class::BYTES);
                match bytes {
                    Some(bytes) => writer.byte_array(bytes),
                    None => writer.varint(0),
                }
            }
            Self::Buffer { direct, little_endian, bytes } => {
                let heap_or_direct = [class::BYTE_BUFFER_HEAP, class::BYTE_BUFFER_DIRECT];
                writer.class(heap_or_direct[usize::from(*direct)]);
                writer.bool(*direct);
                writer.bool(*little_endian);
                writer.i32_le(bytes.len() as i32);
                writer.raw(bytes);
            }
        }
        writer.into_bytes()
    }
}
