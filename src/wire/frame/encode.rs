//! Writing frames.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};

use super::{
    Address, FrameError, HOST_BYTES_MAX, ProtocolVersion, SUBJECT_BYTES_MAX, Status, TYPE_REPLY,
    TYPE_REQUEST,
};
use crate::wire::varint;

/// Writes the frames of one direction of a connection. The first one is preceded by our advertised
/// address, as the protocol wants it (cluster-protocol §1.2).
#[derive(Clone, Debug)]
pub struct FrameEncoder {
    /// Sender address in wire form; empty once written.
    preamble: Vec<u8>,
}

impl FrameEncoder {
    /// An encoder for a fresh connection; `sender` is our advertised address.
    pub fn new(version: ProtocolVersion, sender: &Address) -> Result<Self, FrameError> {
        let mut preamble = Vec::with_capacity(sender.host.len() + 6);
        match version {
            ProtocolVersion::V1 => {
                let not_ip = |_| FrameError::SenderNotIp(sender.host.to_string());
                match sender.host.parse::<IpAddr>().map_err(not_ip)? {
                    IpAddr::V4(ip) => {
                        preamble.put_u8(4);
                        preamble.put_slice(&ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        preamble.put_u8(16);
                        preamble.put_slice(&ip.octets());
                    }
                }
            }
            ProtocolVersion::V2 => {
                if sender.host.len() > HOST_BYTES_MAX {
                    return Err(FrameError::InvalidSender("host is too long"));
                }
                preamble.put_u16(sender.host.len() as u16);
                preamble.put_slice(sender.host.as_bytes());
            }
        }
        preamble.put_i32(sender.port.into());
        Ok(Self { preamble })
    }

    /// Appends a request frame to `out`. Fails, leaving `out` alone, when the subject or the payload
    /// is longer than the format can say.
    pub fn request(
        &mut self,
        out: &mut BytesMut,
        id: i64,
        subject: &str,
        payload: &[u8],
    ) -> Result<(), FrameError> {
        if subject.len() > SUBJECT_BYTES_MAX {
            return Err(FrameError::SubjectTooLong(subject.len()));
        }
        self.head(out, TYPE_REQUEST, id, payload, subject.len() + 2)?;
        out.put_u16(subject.len() as u16);
        out.put_slice(subject.as_bytes());
        Ok(())
    }

    /// Appends a reply frame to `out`. Fails, leaving `out` alone, when the payload is longer than
    /// the format can say.
    pub fn reply(
        &mut self,
        out: &mut BytesMut,
        id: i64,
        status: Status,
        payload: &[u8],
    ) -> Result<(), FrameError> {
        self.head(out, TYPE_REPLY, id, payload, 1)?;
        out.put_u8(status.to_wire());
        Ok(())
    }

    fn head(
        &mut self,
        out: &mut BytesMut,
        kind: u8,
        id: i64,
        payload: &[u8],
        tail_len: usize,
    ) -> Result<(), FrameError> {
        const LIMIT: usize = i32::MAX as usize;
        if payload.len() > LIMIT {
            return Err(FrameError::TooLarge { announced: payload.len() as u64, limit: LIMIT });
        }
        out.reserve(self.preamble.len() + 15 + payload.len() + tail_len);
        out.put_slice(&std::mem::take(&mut self.preamble));
        out.put_u8(kind);
        varint::write_u64(out, id as u64);
        varint::write_u32(out, payload.len() as u32);
        out.put_slice(payload);
        Ok(())
    }
}
