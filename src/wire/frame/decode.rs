//! Reading frames, however the stream was cut.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Address, Frame, FrameError, HOST_BYTES_MAX, ProtocolVersion, SUBJECT_BYTES_MAX, Status,
    Subject, TYPE_REPLY, TYPE_REQUEST,
};
use crate::wire::varint;

/// Reads the frames of one direction of a connection, after the handshake.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    version: ProtocolVersion,
    frame_bytes_max: usize,
    sender: Option<Address>,
}

/// Where the parts of a complete or incomplete frame lie, counted from its first byte.
struct Head {
    id: i64,
    payload_start: usize,
    payload_end: usize,
}

impl FrameDecoder {
    /// A decoder for a fresh connection that refuses payloads above `frame_bytes_max`.
    #[must_use]
    pub fn new(version: ProtocolVersion, frame_bytes_max: usize) -> Self {
        Self { version, frame_bytes_max, sender: None }
    }

    /// The peer's advertised address, known once its first bytes arrived.
    #[must_use]
    pub fn sender(&self) -> Option<&Address> {
        self.sender.as_ref()
    }

    /// Takes the next frame off the front of `input`, or nothing while it is incomplete. After an
    /// error the stream is out of step: close the connection.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if self.sender.is_none() {
            let Some((sender, len)) = self.read_sender(input)? else { return Ok(None) };
            input.advance(len);
            self.sender = Some(sender);
        }
        let Some(&kind) = input.first() else { return Ok(None) };
        if kind != TYPE_REQUEST && kind != TYPE_REPLY {
            return Err(FrameError::UnknownType(kind));
        }
        let Some(head) = self.read_head(input)? else { return Ok(None) };
        if kind == TYPE_REQUEST {
            Ok(take_request(input, &head)?)
        } else {
            Ok(take_reply(input, &head)?)
        }
    }

    fn read_head(&self, input: &[u8]) -> Result<Option<Head>, FrameError> {
        let after_type = input.get(1..).unwrap_or_default();
        let Some((id, id_len)) = varint::read_u64(after_type) else { return Ok(None) };
        let after_id = after_type.get(id_len..).unwrap_or_default();
        let length = varint::read_u32(after_id).map_err(|_| FrameError::InvalidLength)?;
        let Some((payload_len, length_len)) = length else { return Ok(None) };
        let limit = self.frame_bytes_max.min(i32::MAX as usize);
        if payload_len as usize > limit {
            return Err(FrameError::TooLarge { announced: payload_len.into(), limit });
        }
        let payload_start = 1 + id_len + length_len;
        let payload_end = payload_start + payload_len as usize;
        Ok(Some(Head { id: id as i64, payload_start, payload_end }))
    }

    fn read_sender(&self, input: &[u8]) -> Result<Option<(Address, usize)>, FrameError> {
        match self.version {
            ProtocolVersion::V1 => read_sender_v1(input),
            ProtocolVersion::V2 => read_sender_v2(input),
        }
    }
}

fn take_request(input: &mut BytesMut, head: &Head) -> Result<Option<Frame>, FrameError> {
    let Some(len) = read_u16(input, head.payload_end) else { return Ok(None) };
    let len = usize::from(len);
    if len > SUBJECT_BYTES_MAX {
        return Err(FrameError::SubjectTooLong(len));
    }
    let subject_start = head.payload_end + 2;
    let end = subject_start + len;
    if input.len() < end {
        return Ok(None);
    }
    let frame = input.split_to(end).freeze();
    let subject = Subject::new(frame.slice(subject_start..end))?;
    Ok(Some(Frame::Request { id: head.id, subject, payload: payload(&frame, head) }))
}

fn take_reply(input: &mut BytesMut, head: &Head) -> Result<Option<Frame>, FrameError> {
    let Some(&status) = input.get(head.payload_end) else { return Ok(None) };
    let status = Status::from_wire(status).ok_or(FrameError::UnknownStatus(status))?;
    let frame = input.split_to(head.payload_end + 1).freeze();
    Ok(Some(Frame::Reply { id: head.id, status, payload: payload(&frame, head) }))
}

fn payload(frame: &Bytes, head: &Head) -> Bytes {
    frame.slice(head.payload_start..head.payload_end)
}

fn read_u16(input: &[u8], at: usize) -> Option<u16> {
    let bytes = input.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn read_port(input: &[u8], at: usize) -> Result<Option<u16>, FrameError> {
    let Some(bytes) = at.checked_add(4).and_then(|end| input.get(at..end)) else {
        return Ok(None);
    };
    let mut four = [0; 4];
    four.copy_from_slice(bytes);
    let out_of_range = |_| FrameError::InvalidSender("port is out of range");
    u16::try_from(i32::from_be_bytes(four)).map(Some).map_err(out_of_range)
}

fn read_sender_v1(input: &[u8]) -> Result<Option<(Address, usize)>, FrameError> {
    let Some(&len) = input.first() else { return Ok(None) };
    let end = match len {
        4 | 16 => 1 + usize::from(len),
        _ => return Err(FrameError::InvalidSender("an IP address has 4 or 16 octets")),
    };
    let Some(octets) = input.get(1..end) else { return Ok(None) };
    let host = if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        Ipv4Addr::from(octets).to_string()
    } else if let Ok(octets) = <[u8; 16]>::try_from(octets) {
        Ipv6Addr::from(octets).to_string()
    } else {
        return Err(FrameError::InvalidSender("an IP address has 4 or 16 octets"));
    };
    Ok(read_port(input, end)?.map(|port| (Address::new(host, port), end + 4)))
}

fn read_sender_v2(input: &[u8]) -> Result<Option<(Address, usize)>, FrameError> {
    let Some(len) = read_u16(input, 0) else { return Ok(None) };
    let len = usize::from(len);
    if len > HOST_BYTES_MAX {
        return Err(FrameError::InvalidSender("host is too long"));
    }
    let Some(host) = input.get(2..2 + len) else { return Ok(None) };
    let host =
        std::str::from_utf8(host).map_err(|_| FrameError::InvalidSender("host is not UTF-8"))?;
    Ok(read_port(input, 2 + len)?.map(|port| (Address::new(host, port), 2 + len + 4)))
}
