//! Heartbeats of brokers from 8.6.7 on, and when to send or miss one (cluster-protocol §9).
//!
//! | peer | initiator (we dialled) | acceptor (it dialled us) |
//! |---|---|---|
//! | up to 8.6.6 | answers ours with status 1; never sends any | sends none; ours would break it |
//! | 8.6.7 to 8.7 | sends its own as *request* frames; swallows ours | sends its own; wants ours |
//! | 8.8 | answers or refuses ours | asks with a setup message first; we refuse it by status 1 |
//!
//! So an initiator always sends, and whatever the peer is, something comes back. It gives the peer up
//! when nothing does, also while it keeps writing other things: a connection whose peer is gone without
//! a word takes requests for as long as the kernel repeats them, which is a quarter of an hour. An
//! acceptor does both only after the peer's first heartbeat.

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
    /// Send a heartbeat now, and report it with [`Heartbeat::sent`].
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
    last_heartbeat: Millis,
    /// The first heartbeat sent since the last read.
    unanswered: Option<Millis>,
    peer_takes_part: bool,
}

impl Heartbeat {
    /// Timers of a connection that was established now.
    #[must_use]
    pub fn new(role: Role, now: Millis) -> Self {
        Self {
            role,
            last_write: now,
            last_read: now,
            last_heartbeat: now,
            unanswered: None,
            peer_takes_part: false,
        }
    }

    /// Bytes were written.
    pub fn wrote(&mut self, now: Millis) {
        self.last_write = self.last_write.max(now);
    }

    /// A heartbeat was written.
    pub fn sent(&mut self, now: Millis) {
        self.wrote(now);
        self.last_heartbeat = self.last_heartbeat.max(now);
        self.unanswered.get_or_insert(now);
    }

    /// Bytes were read.
    pub fn read(&mut self, now: Millis) {
        self.last_read = self.last_read.max(now);
        self.unanswered = None;
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
        let silent_since =
            if self.peer_takes_part { Some(self.last_read) } else { self.unanswered };
        let give_up = silent_since.map(|since| since + TIMEOUT);
        if give_up.is_some_and(|at| now >= at) {
            return Due::GiveUp;
        }
        let send = self.next_send();
        if now >= send {
            return Due::Send;
        }
        Due::At(Some(give_up.map_or(send, |at| at.min(send))))
    }

    /// After writing nothing; and when the peer is silent, whatever was written.
    fn next_send(&self) -> Millis {
        let idle = self.last_write + INTERVAL;
        match self.role {
            Role::Initiator => idle.min(self.last_read.max(self.last_heartbeat) + INTERVAL),
            Role::Acceptor => idle,
        }
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
    fn initiator_asks_a_silent_peer_and_gives_it_up_when_nothing_comes_back() {
        let mut heartbeat = Heartbeat::new(Role::Initiator, at(0));
        assert_eq!(heartbeat.due(at(4)), Due::At(Some(at(5))));
        assert_eq!(heartbeat.due(at(5)), Due::Send);
        heartbeat.sent(at(5));
        assert_eq!(heartbeat.due(at(5)), Due::At(Some(at(10))));
        assert_eq!(heartbeat.due(at(10)), Due::Send);
        heartbeat.sent(at(10));
        heartbeat.read(at(11));
        assert_eq!(heartbeat.due(at(15)), Due::Send);
        heartbeat.sent(at(15));
        heartbeat.sent(at(20));
        heartbeat.sent(at(25));
        assert_eq!(heartbeat.due(at(29)), Due::At(Some(at(30))));
        assert_eq!(heartbeat.due(at(30)), Due::GiveUp);
    }

    #[test]
    fn writing_all_the_time_does_not_keep_a_dead_connection() {
        let mut heartbeat = Heartbeat::new(Role::Initiator, at(0));
        for second in 1..20 {
            heartbeat.wrote(at(second));
            match heartbeat.due(at(second)) {
                Due::Send => heartbeat.sent(at(second)),
                due => assert!(matches!(due, Due::At(Some(_))), "{due:?} after {second} s"),
            }
        }
        heartbeat.wrote(at(20));
        assert_eq!(heartbeat.due(at(20)), Due::GiveUp);
    }

    #[test]
    fn answers_to_other_requests_are_enough() {
        let mut heartbeat = Heartbeat::new(Role::Initiator, at(0));
        for second in 1..100 {
            heartbeat.wrote(at(second));
            heartbeat.read(at(second));
            assert_eq!(heartbeat.due(at(second)), Due::At(Some(at(second + 5))));
        }
    }

    #[test]
    fn silence_of_a_peer_with_heartbeats_is_its_end() {
        let mut heartbeat = Heartbeat::new(Role::Initiator, at(0));
        heartbeat.read(at(2));
        heartbeat.peer_takes_part();
        heartbeat.sent(at(14));
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
        heartbeat.sent(at(100));
        assert_eq!(heartbeat.due(at(104)), Due::At(Some(at(105))));
    }
}
