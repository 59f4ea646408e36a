//! The UDP datagram around a gossip payload (cluster-protocol §3.2).

use bytes::BufMut;

use super::decode::{Decoder, read_address};
use super::encode::write_address;
use crate::wire::kryo::{Reader, Writer, class};
use crate::wire::{Address, DecodeError};

const FIELDS: [&str; 3] = ["payload", "source", "subject"];
const HEADER_BYTES: usize = 8;

/// Content of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Advertised address of the sender.
    pub source: Address,
    /// Name of the handler.
    pub subject: String,
    /// What the handler reads.
    pub payload: Vec<u8>,
}

/// Why a datagram was not read. Ignore the datagram.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// It belongs to a cluster of another name.
    #[error("datagram is of another cluster: preamble {0:#010x}")]
    OtherCluster(i32),
    /// Its length field and its length differ.
    #[error("datagram announces {announced} bytes and has {found}")]
    WrongLength {
        /// Announced.
        announced: u32,
        /// Found.
        found: usize,
    },
    /// Its content cannot be read.
    #[error("datagram content: {0}")]
    Content(#[from] DecodeError),
}

impl Datagram {
    /// The datagram's bytes; `preamble` stands for the cluster's name.
    #[must_use]
    pub fn encode(&self, preamble: i32) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.class(class::DATAGRAM);
        writer.begin_object(class::DATAGRAM, &FIELDS);
        writer.field(|writer| writer.byte_array(&self.payload));
        writer.field(|writer| write_address(writer, &self.source));
        writer.field(|writer| writer.string(&self.subject));
        writer.end_object();
        let content = writer.into_bytes();
        let mut out = Vec::with_capacity(HEADER_BYTES + content.len());
        out.put_i32(preamble);
        out.put_u32(content.len() as u32);
        out.put_slice(&content);
        out
    }

    /// Reads a datagram of the cluster that `preamble` stands for.
    pub fn decode(bytes: &[u8], preamble: i32) -> Result<Self, DatagramError> {
        let mut header = Reader::new(bytes);
        let found = i32::swap_bytes(header.i32_le("a preamble")?);
        if found != preamble {
            return Err(DatagramError::OtherCluster(found));
        }
        let announced = i32::swap_bytes(header.i32_le("a length")?) as u32;
        let content = bytes.get(HEADER_BYTES..).unwrap_or_default();
        if announced as usize != content.len() {
            return Err(DatagramError::WrongLength { announced, found: content.len() });
        }
        Ok(Self::decode_content(content)?)
    }

    fn decode_content(content: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(content);
        reader.expect_class(class::DATAGRAM, "an object that is not a datagram")?;
        let (mut payload, mut source, mut subject) = (None, None, None);
        Decoder::default().fields(class::DATAGRAM, &mut reader, |_, name, field| {
            match name {
                "payload" => payload = field.byte_array()?.map(<[u8]>::to_vec),
                "source" => source = read_address(field)?,
                "subject" => subject = field.string()?,
                _ => {}
            }
            Ok(())
        })?;
        reader.finish()?;
        let missing = |property| DecodeError::MissingProperty { property };
        Ok(Self {
            source: source.ok_or(missing("source"))?,
            subject: subject.ok_or(missing("subject"))?,
            payload: payload.ok_or(missing("payload"))?,
        })
    }
}
