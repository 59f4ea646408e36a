//! Tables of fixed fields, and the two sides that use them: [`Block`] writes, [`Body`] reads.
//!
//! A message is an 8-byte header, a block of fixed fields and length-prefixed data. The reader
//! takes the block's length from the received header, so fields that newer brokers add are passed
//! over and fields that older ones lack read as null (command-api §1.1).

use std::marker::PhantomData;

use bytes::{BufMut, Bytes, BytesMut};

use super::Header;
use crate::wire::DecodeError;

/// A message: what its header says, and its codec.
pub trait Message {
    /// Schema number.
    const SCHEMA: u16;
    /// Version of the schema that beegate writes.
    const VERSION: u16;
    /// Template number.
    const TEMPLATE: u16;
    /// Length of the block of fixed fields, in bytes.
    const BLOCK_LENGTH: u16;
    /// Name for error messages.
    const NAME: &'static str;

    /// Appends the message, header included.
    fn encode(&self, out: &mut BytesMut);

    /// Decodes the message, header included. Bytes after it are ignored.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedTemplate`] for another message, else what is wrong with the bytes.
    fn decode(input: &Bytes) -> Result<Self, DecodeError>
    where
        Self: Sized;
}

/// A fixed-width integer, little endian, with a reserved null value.
pub(super) trait Fixed: Copy {
    const NULL: Self;
    const WIDTH: usize;

    fn put(self, out: &mut [u8]);
    fn get(bytes: &[u8]) -> Option<Self>;
}

macro_rules! fixed {
    ($($ty:ty, $null:expr;)*) => {$(
        impl Fixed for $ty {
            const NULL: Self = $null;
            const WIDTH: usize = size_of::<$ty>();

            fn put(self, out: &mut [u8]) {
                out.copy_from_slice(&self.to_le_bytes());
            }

            fn get(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    )*};
}

fixed! {
    u8, 0xff;
    u16, 0xffff;
    u64, u64::MAX;
    // Keys are declared unsigned but used as signed numbers: their null is -1.
    i64, -1;
}

/// Place of a fixed field in its block.
#[derive(Clone, Copy)]
pub(super) struct Field<T> {
    offset: usize,
    since: u16,
    marker: PhantomData<T>,
}

impl<T> Field<T> {
    /// A field of every version of the schema.
    pub const fn at(offset: usize) -> Self {
        Self { offset, since: 0, marker: PhantomData }
    }

    /// A field that exists from this schema version on.
    pub const fn since(self, since: u16) -> Self {
        Self { since, ..self }
    }
}

/// The fixed fields of a message being written, all null at first.
pub(super) struct Block<const N: usize>([u8; N]);

impl<const N: usize> Block<N> {
    pub fn new() -> Self {
        Self([0xff; N])
    }

    pub fn put<T: Fixed>(mut self, field: Field<T>, value: T) -> Self {
        value.put(&mut self.0[field.offset..field.offset + T::WIDTH]);
        self
    }

    /// Appends the block alone, as an entry of a group.
    pub fn append(self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    /// Appends header and block, leaving room for `var_data` bytes that the caller appends.
    pub fn begin<M: Message>(self, out: &mut BytesMut, var_data: usize) {
        const { assert!(N == M::BLOCK_LENGTH as usize, "block and header disagree") };
        out.reserve(Header::LEN + N + var_data);
        Header::of::<M>().encode(out);
        out.put_slice(&self.0);
    }
}

/// Bytes that [`put_var`] appends for data of this length.
pub(super) const fn var_len(data: &[u8]) -> usize {
    4 + data.len()
}

/// Appends length-prefixed data.
pub(super) fn put_var(out: &mut BytesMut, data: &[u8]) {
    // A message is bounded far below 4 GiB by the frame limit.
    out.put_u32_le(data.len() as u32);
    out.put_slice(data);
}

/// A received message: its block and a cursor over what follows.
pub(super) struct Body<'a> {
    input: &'a Bytes,
    version: u16,
    block: &'a [u8],
    pos: usize,
}

impl<'a> Body<'a> {
    /// Opens a message whose schema and template must be those of `M`.
    pub fn open<M: Message>(input: &'a Bytes) -> Result<Self, DecodeError> {
        let header = Header::decode(input)?;
        if header.schema_id != M::SCHEMA {
            return Err(header.unexpected::<M>());
        }
        Self::open_any_schema::<M>(input)
    }

    /// Opens a request: brokers check its template but not its schema (command-api §7.1).
    pub fn open_any_schema<M: Message>(input: &'a Bytes) -> Result<Self, DecodeError> {
        let header = Header::decode(input)?;
        if header.template_id != M::TEMPLATE {
            return Err(header.unexpected::<M>());
        }
        let end = Header::LEN + usize::from(header.block_length);
        let block = input.get(Header::LEN..end).ok_or(DecodeError::UnexpectedEnd {
            offset: Header::LEN,
            missing: end.saturating_sub(input.len()),
            what: "the fixed fields",
        })?;
        Ok(Self { input, version: header.version, block, pos: end })
    }

    /// A fixed field; null where the sender's version does not have it.
    pub fn get<T: Fixed>(&self, field: Field<T>) -> Result<T, DecodeError> {
        if self.version < field.since {
            return Ok(T::NULL);
        }
        match self.block.get(field.offset..field.offset + T::WIDTH).and_then(T::get) {
            Some(value) => Ok(value),
            // Nobody checks versions strictly: a short block is an older layout.
            None if field.since > 0 => Ok(T::NULL),
            None => Err(DecodeError::UnexpectedEnd {
                offset: Header::LEN + self.block.len(),
                missing: field.offset + T::WIDTH - self.block.len().min(field.offset + T::WIDTH),
                what: "a fixed field",
            }),
        }
    }

    /// Whether the sender's version has data that was added in version `since`, and sent it.
    pub fn has_var(&self, since: u16) -> bool {
        self.version >= since && self.pos < self.input.len()
    }

    /// The next length-prefixed data, as a view of the input.
    pub fn var(&mut self, what: &'static str) -> Result<Bytes, DecodeError> {
        let len = u32::from_le_bytes(self.take(what)?) as usize;
        let start = self.pos;
        let left = self.input.len() - start;
        if len > left {
            let missing = len - left;
            return Err(DecodeError::UnexpectedEnd { offset: start, missing, what });
        }
        self.pos += len;
        Ok(self.input.slice(start..start + len))
    }

    /// The next length-prefixed text. It is for humans: what is not UTF-8 in it is replaced.
    pub fn text(&mut self, what: &'static str) -> Result<String, DecodeError> {
        Ok(String::from_utf8_lossy(&self.var(what)?).into_owned())
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let chunk = self.input.get(self.pos..).and_then(<[u8]>::first_chunk::<N>);
        let chunk = chunk.ok_or(DecodeError::UnexpectedEnd {
            offset: self.pos,
            missing: N - (self.input.len() - self.pos).min(N),
            what,
        })?;
        self.pos += N;
        Ok(*chunk)
    }

    /// Enters the block of a group's entry: [`Body::get`] reads from it afterwards.
    pub fn enter_entry(&mut self, block_length: u16) -> Result<(), DecodeError> {
        let end = self.pos + usize::from(block_length);
        self.block = self.input.get(self.pos..end).ok_or(DecodeError::UnexpectedEnd {
            offset: self.pos,
            missing: end.saturating_sub(self.input.len()),
            what: "a group entry",
        })?;
        self.pos = end;
        Ok(())
    }
}
