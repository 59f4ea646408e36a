//! The header of every SBE message (command-api §1.1).

use bytes::{BufMut, BytesMut};

use super::layout::Message;
use crate::wire::DecodeError;

/// What a message is and how long its fixed part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the block of fixed fields, in bytes.
    pub block_length: u16,
    /// Which message.
    pub template_id: u16,
    /// Which schema the template belongs to.
    pub schema_id: u16,
    /// Version of that schema at the sender.
    pub version: u16,
}

impl Header {
    /// Length of an encoded header, in bytes.
    pub const LEN: usize = 8;

    /// The header beegate writes for `M`.
    #[must_use]
    pub const fn of<M: Message>() -> Self {
        Self {
            block_length: M::BLOCK_LENGTH,
            template_id: M::TEMPLATE,
            schema_id: M::SCHEMA,
            version: M::VERSION,
        }
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u16_le(self.block_length);
        out.put_u16_le(self.template_id);
        out.put_u16_le(self.schema_id);
        out.put_u16_le(self.version);
    }

    /// Reads the header at the start of `input`.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] for fewer than [`Header::LEN`] bytes.
    pub fn decode(input: &[u8]) -> Result<Self, DecodeError> {
        let Some(&[b0, b1, t0, t1, s0, s1, v0, v1]) = input.first_chunk::<8>() else {
            let missing = Self::LEN - input.len();
            return Err(DecodeError::UnexpectedEnd { offset: 0, missing, what: "a header" });
        };
        Ok(Self {
            block_length: u16::from_le_bytes([b0, b1]),
            template_id: u16::from_le_bytes([t0, t1]),
            schema_id: u16::from_le_bytes([s0, s1]),
            version: u16::from_le_bytes([v0, v1]),
        })
    }

    /// Whether the header announces an `M`.
    #[must_use]
    pub const fn is<M: Message>(&self) -> bool {
        self.schema_id == M::SCHEMA && self.template_id == M::TEMPLATE
    }

    pub(super) const fn unexpected<M: Message>(&self) -> DecodeError {
        DecodeError::UnexpectedTemplate {
            schema: self.schema_id,
            template: self.template_id,
            expected: M::NAME,
        }
    }
}
