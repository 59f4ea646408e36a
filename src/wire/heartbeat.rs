//! Heartbeats of brokers from 8.6.7 on, and when to send or miss one (cluster-protocol §9).
//!
//! | peer | initiator (we dialled) | acceptor (it dialled us) |
//! |---|---|---|
//! | up to 8.6.6 | answers ours with status 1; never sends any | sends none; ours would break it |
//! | 8.6.7 to 8.7 | sends its own as *request* frames; swallows ours | sends its own; wants ours |
//! | 8.8 | answers or refuses ours | asks with a setup message first; we refuse it by status 1 |
//!
//! So an initiator always sends, and gives up only on a peer from which it once heard a heartbeat or
//! an answer to one; an acceptor does both only after the peer's first heartbeat.

use bytes::BufMut;

use super::DecodeError;
use super::little_endian::LittleEndian;
use crate::model::Millis;

/// Subject of heartbeats. Swallow requests to it, on inbound and outbound connections alike.
pub const HEARTBEAT_SUBJECT: &str = "internal-heartbeat";
/// Subject of 8.8's announcement of heartbeats.
pub const SETUP_SUBJECT: &str = "internal-heartbeat-setup";
/// Send a heartbeat after this long without writing anything.
pub const INTERVAL: Millis = Millis(5_000);
/// Close after this long without reading anything.
pub const TIMEOUT: Millis = Millis(15_000);

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We did.
    Initiator,
    /// The peer did.
    Acceptor,
}

/// What is due on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time; `None` when nothing is ever due by itself.
    At(Option<Millis>),
    /// Send a heartbeat now, and report it with [`Heartbeat::wrote`].
    Send,
    /// The peer is gone; close.
    GiveUp,
}

/// Timers of one connection.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    role: Role,
    last_write: Millis,
    last_read: Millis,
    peer_takes_part: bool,
}

impl Heartbeat {
    /// Timers of a connection that was established now.
    #[must_use]
    pub fn new(role: Role, now: Millis) -> Self {
        Self { role, last_write: now, last_read: now, peer_takes_part: false }
    }

    /// Bytes were written.
    pub fn wrote(&mut self, now: Millis) {
        self.last_write = self.last_write.max(now);
    }

    /// Bytes were read.
    pub fn read(&mut self, now: Millis) {
        self.last_read = self.last_read.max(now);
    }

    /// A heartbeat of the peer, or its answer to one of ours, was read.
    pub fn peer_takes_part(&mut self) {
        self.peer_takes_part = true;
    }

    /// What is due now, and if nothing is, when to ask again.
    #[must_use]
    pub fn due(&self, now: Millis) -> Due {
        if self.role == Role::Acceptor && !self.peer_takes_part {
            return Due::At(None);
        }
        let give_up = self.last_read + TIMEOUT;
        if self.peer_takes_part && now >= give_up {
            return Due::GiveUp;
        }
        let send = self.last_write + INTERVAL;
        if now >= send {
            return Due::Send;
        }
        Due::At(Some(if self.peer_takes_part { send.min(give_up) } else { send }))
    }
}

const SCHEMA: u16 = 10;
const SCHEMA_VERSION: u16 = 2;

/// Payloads of 8.8's heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Announces heartbeats; first request of an 8.8 initiator on each connection.
    SetupRequest {
        /// After how long without reading the initiator wants to be given up, in ms.
        timeout_ms: u32,
        /// Whether heartbeats shall carry a payload.
        send_payload: bool,
    },
    /// Answers the announcement.
    SetupResponse {
        /// Whether heartbeats will be answered.
        enabled: bool,
        /// Whether heartbeats shall carry a payload.
        send_payload: bool,
    },
    /// Payload of a heartbeat.
    Request {
        /// When it was sent.
        sent_at: Millis,
    },
    /// Payload of its answer.
    Response {
        /// When the heartbeat was received.
        received_at: Millis,
    },
}

impl Message {
    /// The payload.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        let mut header = |block: u16, template: u16| {
            for field in [block, template, SCHEMA, SCHEMA_VERSION] {
                out.put_u16_le(field);
            }
        };
        match self {
            Self::SetupRequest { timeout_ms, send_payload } => {
                header(5, 1);
                out.put_u32_le(timeout_ms);
                out.put_u8(send_payload.into());
            }
            Self::SetupResponse { enabled, send_payload } => {
                header(2, 2);
                out.put_u8(enabled.into());
                out.put_u8(send_payload.into());
            }
            Self::Request { sent_at } => {
                header(8, 3);
                out.put_i64_le(sent_at.0);
            }
            Self::Response { received_at } => {
                header(8, 4);
                out.put_i64_le(received_at.0);
            }
        }
        out
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "a heartbeat message";
        let mut reader = LittleEndian::new(payload);
        let block = reader.u16(WHAT)?;
        let (template, schema) = (reader.u16(WHAT)?, reader.u16(WHAT)?);
        reader.u16(WHAT)?;
        if schema != SCHEMA {
            return Err(DecodeError::Invalid { offset: 4, what: "a message of another schema" });
        }
        let mut body = LittleEndian::new(reader.take(block.into(), WHAT)?);
        Ok(match template {
            1 => Self::SetupRequest {
                timeout_ms: body.u32(WHAT)?,
                send_payload: body.u8(WHAT)? == 1,
            },
            2 => Self::SetupResponse {
                enabled: body.u8(WHAT)? == 1,
                send_payload: body.u8(WHAT)? == 1,
            },
            3 => Self::Request { sent_at: Millis(body.i64(WHAT)?) },
            4 => Self::Response { received_at: Millis(body.i64(WHAT)?) },
            _ => return Err(DecodeError::Invalid { offset: 2, what: "an unknown template" }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Millis {
        Millis(seconds * 1000)
    }

    #[test]
    fn initiator_sends_but_never_gives_up_on_a_peer_without_heartbeats() {
        let mut heartbeat = Heartbeat::new(Role::Initiator, at(0));
        assert_eq!(heartbeat.due(at(4)), Due::At(Some(at(5))));
        assert_eq!(heartbeat.due(at(5)), Due::Send);
        heartbeat.wrote(at(5));
        assert_eq!(heartbeat.due(at(5)), Due::At(Some(at(10))));
        assert_eq!(heartbeat.due(at(60)), Due::Send);
    }

    #[test]
    fn silence_of_a_peer_with_heartbeats_is_its_end() {
        let mut heartbeat = Heartbeat::new(Role::Initiator, at(0));
        heartbeat.read(at(2));
        heartbeat.peer_takes_part();
        heartbeat.wrote(at(14));
        assert_eq!(heartbeat.due(at(16)), Due::At(Some(at(17))));
        assert_eq!(heartbeat.due(at(17)), Due::GiveUp);
        heartbeat.read(at(17));
        assert_eq!(heartbeat.due(at(18)), Due::At(Some(at(19))));
    }

    #[test]
    fn acceptor_keeps_still_until_the_peer_begins() {
        let mut heartbeat = Heartbeat::new(Role::Acceptor, at(0));
        assert_eq!(heartbeat.due(at(100)), Due::At(None));
        heartbeat.read(at(100));
        heartbeat.peer_takes_part();
        assert_eq!(heartbeat.due(at(100)), Due::Send);
        heartbeat.wrote(at(100));
        assert_eq!(heartbeat.due(at(104)), Due::At(Some(at(105))));
    }
}
