//! When to send a heartbeat and when to give a silent peer up (cluster-protocol §9).
//!
//! Brokers from 8.6.7 on close a connection on which they read nothing for 15 s. An initiator may
//! always send heartbeats: older brokers answer them with status 1, newer ones with their own, so
//! either way a living peer is heard. An acceptor must not send any before it saw one: an initiator
//! of 8.6.0 takes a request on its own connection for an error.

use std::time::{Duration, Instant};

/// Subject of a heartbeat: a request with an empty payload that is never answered by who knows it.
pub const HEARTBEAT_SUBJECT: &str = "internal-heartbeat";
/// Silence in our direction after which a heartbeat is due.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Silence in the peer's direction after which it counts as gone.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(15);

/// What is due on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time; `None` while heartbeats are off.
    At(Option<Instant>),
    /// Send a heartbeat and tell [`KeepAlive::wrote`].
    Send,
    /// The peer is gone: close.
    Close,
}

/// The heartbeat clock of one connection.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    enabled: bool,
    last_read: Instant,
    last_write: Instant,
}

impl KeepAlive {
    /// For the side that opened the connection.
    #[must_use]
    pub const fn initiator(now: Instant) -> Self {
        Self { enabled: true, last_read: now, last_write: now }
    }

    /// For the side that accepted it: off until [`KeepAlive::heartbeat`].
    #[must_use]
    pub const fn acceptor(now: Instant) -> Self {
        Self { enabled: false, last_read: now, last_write: now }
    }

    /// Bytes came from the peer.
    pub const fn read(&mut self, now: Instant) {
        self.last_read = now;
    }

    /// Bytes went to the peer.
    pub const fn wrote(&mut self, now: Instant) {
        self.last_write = now;
    }

    /// A heartbeat came: the peer knows them.
    pub const fn heartbeat(&mut self) {
        self.enabled = true;
    }

    /// What to do at time `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> Due {
        if !self.enabled {
            return Due::At(None);
        }
        let (close, send) =
            (self.last_read + HEARTBEAT_TIMEOUT, self.last_write + HEARTBEAT_INTERVAL);
        if now >= close {
            Due::Close
        } else if now >= send {
            Due::Send
        } else {
            Due::At(Some(close.min(send)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_initiator_sends_after_silence_and_gives_a_silent_peer_up() {
        let start = Instant::now();
        let mut clock = KeepAlive::initiator(start);
        assert_eq!(clock.due(start), Due::At(Some(start + 5 * SECOND)));
        assert_eq!(clock.due(start + 5 * SECOND), Due::Send);
        clock.wrote(start + 5 * SECOND);
        assert_eq!(clock.due(start + 5 * SECOND), Due::At(Some(start + 10 * SECOND)));
        clock.wrote(start + 14 * SECOND);
        assert_eq!(clock.due(start + 14 * SECOND), Due::At(Some(start + 15 * SECOND)));
        assert_eq!(clock.due(start + 15 * SECOND), Due::Close);
        clock.read(start + 15 * SECOND);
        assert_eq!(clock.due(start + 15 * SECOND), Due::At(Some(start + 19 * SECOND)));
    }

    #[test]
    fn an_acceptor_stays_quiet_until_it_sees_a_heartbeat() {
        let start = Instant::now();
        let mut clock = KeepAlive::acceptor(start);
        assert_eq!(clock.due(start + 3600 * SECOND), Due::At(None));
        clock.read(start + 3600 * SECOND);
        clock.heartbeat();
        assert_eq!(clock.due(start + 3600 * SECOND), Due::Send);
    }
}
