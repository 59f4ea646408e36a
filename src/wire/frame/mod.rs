//! Framing of the TCP messaging transport: handshake, sender address, request and reply frames.
//!
//! Lowest layer of every connection, outbound (to brokers) and inbound (from brokers and other
//! gateways). Bytes in, frames out; sockets, timeouts and request tables are elsewhere.
//! Source: cluster-protocol §1. States: `src/wire/LIFECYCLE.md`.
//!
//! Invariants: any split of a byte stream gives the same frames; nothing is allocated by an
//! announced length; payloads are views of the input buffer.

mod decode;
mod encode;
mod handshake;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

pub use super::address::Address;
pub use decode::FrameDecoder;
pub use encode::FrameEncoder;
pub use handshake::{Handshake, HandshakeError, ProtocolVersion, cluster_preamble};

/// Longest subject the format allows: its length is read as a signed 16-bit number.
pub const SUBJECT_BYTES_MAX: usize = i16::MAX as usize;
/// Longest sender host read; DNS names end at 253.
pub const HOST_BYTES_MAX: usize = 1024;

const TYPE_REQUEST: u8 = 1;
const TYPE_REPLY: u8 = 2;

/// Outcome of a request at the transport level (cluster-protocol §1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Handled; the payload is the result.
    Ok,
    /// Nobody listens to the subject; the payload repeats it. Certainly not executed.
    NoHandler,
    /// The handler failed; the payload is its message or empty.
    HandlerException,
    /// The request was not understood.
    ProtocolException,
}

impl Status {
    /// The status with this number on the wire.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Ok),
            1 => Some(Self::NoHandler),
            2 => Some(Self::HandlerException),
            3 => Some(Self::ProtocolException),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::NoHandler => 1,
            Self::HandlerException => 2,
            Self::ProtocolException => 3,
        }
    }
}

/// Name of a handler at the receiver: text that is a view of the received bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject(Bytes);

impl Subject {
    fn new(bytes: Bytes) -> Result<Self, FrameError> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(FrameError::SubjectNotUtf8),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was made")
    }

    /// The text's bytes, as a status-1 reply carries them.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl From<&'static str> for Subject {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Subject {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// One message of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Asks the receiver's handler for `subject`.
    Request {
        /// Message id; the reply repeats it.
        id: i64,
        /// Which handler.
        subject: Subject,
        /// What the handler reads.
        payload: Bytes,
    },
    /// Answers a request of this connection.
    Reply {
        /// Id of the request.
        id: i64,
        /// Outcome.
        status: Status,
        /// Result, subject or error text, see [`Status`].
        payload: Bytes,
    },
}

/// Why a byte stream is not a sequence of frames. The connection cannot be used any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame announces more than the limit.
    #[error("frame announces {announced} payload bytes, the limit is {limit}")]
    TooLarge {
        /// Announced payload length in bytes.
        announced: u64,
        /// Limit in bytes.
        limit: usize,
    },
    /// First byte of a frame is neither request nor reply.
    #[error("unknown frame type {0:#04x}")]
    UnknownType(u8),
    /// A length is longer or larger than its type allows.
    #[error("invalid variable-length integer for the payload length")]
    InvalidLength,
    /// Subject length outside the format.
    #[error("subject of {0} bytes, at most {SUBJECT_BYTES_MAX} are allowed")]
    SubjectTooLong(usize),
    /// Subject is not text.
    #[error("subject is not UTF-8")]
    SubjectNotUtf8,
    /// A reply with a status this version does not know.
    #[error("unknown reply status {0:#04x}")]
    UnknownStatus(u8),
    /// The sender address before the first frame cannot be read.
    #[error("invalid sender address: {0}")]
    InvalidSender(&'static str),
    /// Protocol version 1 carries IP octets; this host is a name.
    #[error("protocol version 1 needs an IP address as sender, `{0}` is a name")]
    SenderNotIp(String),
}
