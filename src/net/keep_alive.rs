//! The heartbeat timers of one connection, in terms of frames and instants.
//!
//! Which side sends when, and who may be given up, is decided by [`crate::wire::heartbeat`].

use std::time::{Duration, Instant};

use crate::model::Millis;
use crate::wire::frame::Frame;
use crate::wire::heartbeat::{self, Heartbeat, Role};

pub use crate::wire::heartbeat::HEARTBEAT_SUBJECT;

/// Silence after which a peer that takes part in heartbeats counts as gone.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(heartbeat::TIMEOUT.0 as u64);

/// What is due on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time; `None` when nothing is ever due by itself.
    At(Option<Instant>),
    /// Send a heartbeat and tell [`KeepAlive::sent`].
    Send,
    /// The peer is gone: close.
    Close,
}

/// The heartbeats of one connection.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    timers: Heartbeat,
    start: Instant,
    last_sent: Option<i64>,
}

impl KeepAlive {
    /// For a connection established now.
    #[must_use]
    pub fn new(role: Role, now: Instant) -> Self {
        Self { timers: Heartbeat::new(role, Millis(0)), start: now, last_sent: None }
    }

    /// Bytes came from the peer.
    pub fn read(&mut self, now: Instant) {
        self.timers.read(self.millis(now));
    }

    /// Bytes went to the peer.
    pub fn wrote(&mut self, now: Instant) {
        self.timers.wrote(self.millis(now));
    }

    /// A heartbeat with this message id goes to the peer.
    pub fn sent(&mut self, id: i64, now: Instant) {
        self.last_sent = Some(id);
        self.timers.sent(self.millis(now));
    }

    /// Takes note of a received frame; true if it is about heartbeats and nobody else's business.
    pub fn swallow(&mut self, frame: &Frame) -> bool {
        let mine = match frame {
            Frame::Request { subject, .. } => *subject == *HEARTBEAT_SUBJECT,
            Frame::Reply { id, .. } => self.last_sent == Some(*id),
        };
        if mine {
            self.timers.peer_takes_part();
        }
        mine
    }

    /// What to do at time `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> Due {
        match self.timers.due(self.millis(now)) {
            heartbeat::Due::At(None) => Due::At(None),
            heartbeat::Due::At(Some(at)) => {
                let after = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
                Due::At(Some(self.start + after))
            }
            heartbeat::Due::Send => Due::Send,
            heartbeat::Due::GiveUp => Due::Close,
        }
    }

    fn millis(&self, now: Instant) -> Millis {
        let elapsed = now.saturating_duration_since(self.start).as_millis();
        Millis(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::frame::Status;

    #[test]
    fn frames_about_heartbeats_are_swallowed_and_start_the_watch() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut alive = KeepAlive::new(Role::Initiator, start);
        assert_eq!(alive.due(start), Due::At(Some(start + 5 * second)));
        assert_eq!(alive.due(start + 5 * second), Due::Send);
        alive.sent(7, start + 5 * second);
        assert_eq!(alive.due(start + 9 * second), Due::At(Some(start + 10 * second)));
        assert_eq!(alive.due(start + 19 * second), Due::Send);
        assert_eq!(alive.due(start + 20 * second), Due::Close, "nothing came back");
        let reply = |id| Frame::Reply { id, status: Status::NoHandler, payload: Bytes::new() };
        assert!(!alive.swallow(&reply(6)));
        assert!(alive.swallow(&reply(7)));
        assert_eq!(alive.due(start + 15 * second), Due::Close);
    }

    #[test]
    fn an_acceptor_stays_quiet_until_it_sees_one() {
        let start = Instant::now();
        let mut alive = KeepAlive::new(Role::Acceptor, start);
        let later = start + Duration::from_secs(60);
        assert_eq!(alive.due(later), Due::At(None));
        alive.read(later);
        let frame =
            Frame::Request { id: 1, subject: HEARTBEAT_SUBJECT.into(), payload: Bytes::new() };
        assert!(alive.swallow(&frame));
        assert_eq!(alive.due(later), Due::Send);
    }
}
