//! Whether the leader of a partition answers, and which commands are still sent there if not.
//!
//! A broker that was stopped or cut off keeps its connections open, so no error tells. The leader
//! connection feeds [`Health`], one per connection, with what it sends and receives; the verdict
//! goes into a [`Gate`], which the dispatcher reads for commands that any partition can take. A
//! command that only this partition can execute is never held back. Requirement: R16 of the users'
//! and peers' survey, "eject for round-robin choices, half-open probe".
//!
//! Invariants: a verdict lasts until something refutes it, not until what waited has timed out;
//! commands that take long by nature accuse nobody; a closed gate lets one probe through per
//! [`PROBE_INTERVAL`], and none while an earlier command still waits.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::model::{CommandKind, Millis};

/// After this long without any byte, with commands waiting, the broker is sent a heartbeat: brokers
/// of 8.6 answer it at once, even when a command takes long (cluster-protocol §9).
pub const PING_AFTER: Millis = Millis(400);
/// After this long without any byte, with commands waiting, the connection counts as silent. Longer
/// than a usual pause of a broker's garbage collector, shorter than anyone waits gladly.
pub const SILENCE: Millis = Millis(1_000);
/// After this long without an answer to any command, with commands waiting, the partition counts as
/// stuck although its broker is alive: a leader without a quorum behaves so.
pub const STUCK: Millis = Millis(5_000);
/// As many commands that time out without an answer to another between them mean the same.
pub const TIMEOUTS: u32 = 3;
/// Least time between two probes of an ejected partition.
pub const PROBE_INTERVAL: Millis = Millis(1_000);

/// What is wrong with a partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// It could not be connected to.
    Unreachable,
    /// Nothing at all comes over its connection.
    Silent,
    /// It is alive but answers no command.
    Stuck,
    /// Several commands in a row timed out.
    TimingOut,
    /// Gossip suspects it, and it has not been heard since.
    Suspected,
}

impl Ailment {
    const ALL: [Self; 5] =
        [Self::Unreachable, Self::Silent, Self::Stuck, Self::TimingOut, Self::Suspected];

    /// Its name in the admin API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Stuck => "stuck",
            Self::TimingOut => "timing_out",
            Self::Suspected => "suspected",
        }
    }
}

/// Whether a command should be answered soon: one that waits for the end of a process need not be.
#[must_use]
pub fn is_prompt(kind: CommandKind) -> bool {
    kind != CommandKind::CreateProcessInstanceWithResult
}

/// How a prompt command left the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the broker's answer, whatever it said.
    Answered,
    /// At its deadline.
    TimedOut,
    /// Nobody waited for it any more.
    GivenUp,
}

/// The state of one connection.
#[derive(Clone, Debug)]
pub struct Health {
    /// Prompt commands sent and not ended.
    waiting: u32,
    /// Since when there was always one of them.
    waiting_since: Millis,
    received: Millis,
    answered: Millis,
    timeouts: u32,
    pinged: bool,
    suspected: bool,
    ailment: Option<Ailment>,
}

impl Health {
    /// Of a connection that was just established.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self {
            waiting: 0,
            waiting_since: now,
            received: now,
            answered: now,
            timeouts: 0,
            pinged: false,
            suspected: false,
            ailment: None,
        }
    }

    /// A prompt command was sent.
    pub fn sent(&mut self, now: Millis) {
        if self.waiting == 0 {
            self.waiting_since = now;
        }
        self.waiting = self.waiting.saturating_add(1);
    }

    /// A prompt command that was sent ended.
    pub fn ended(&mut self, now: Millis, end: End) {
        self.waiting = self.waiting.saturating_sub(1);
        match end {
            End::Answered => self.answered(now),
            End::TimedOut => {
                self.timeouts = self.timeouts.saturating_add(1);
                if self.timeouts >= TIMEOUTS {
                    self.ailment.get_or_insert(Ailment::TimingOut);
                }
            }
            End::GivenUp => {}
        }
    }

    /// A command was answered, perhaps too late for whoever waited.
    pub fn answered(&mut self, now: Millis) {
        self.answered = now;
        self.timeouts = 0;
        self.ailment = None;
    }

    /// Bytes came.
    pub fn received(&mut self, now: Millis) {
        self.received = now;
        self.pinged = false;
        if matches!(self.ailment, Some(Ailment::Silent | Ailment::Suspected)) {
            self.ailment = None;
        }
    }

    /// What gossip thinks of the leader's member.
    pub fn suspect(&mut self, suspected: bool) {
        match (self.suspected, suspected) {
            (false, true) => {
                self.ailment.get_or_insert(Ailment::Suspected);
            }
            (true, false) if self.ailment == Some(Ailment::Suspected) => self.ailment = None,
            _ => {}
        }
        self.suspected = suspected;
    }

    /// Judges by how long nothing came.
    pub fn check(&mut self, now: Millis) {
        // A suspicion may turn out to be true.
        if self.waiting == 0 || !matches!(self.ailment, None | Some(Ailment::Suspected)) {
            return;
        }
        if now >= self.quiet_since() + SILENCE {
            self.ailment = Some(Ailment::Silent);
        } else if now >= self.unanswered_since() + STUCK {
            self.ailment = Some(Ailment::Stuck);
        }
    }

    /// Whether a heartbeat should be sent now; if so it counts as sent.
    pub fn take_ping(&mut self, now: Millis) -> bool {
        let quiet = self.waiting > 0 && now >= self.quiet_since() + PING_AFTER;
        let due = !self.pinged && (quiet || self.ailment == Some(Ailment::Suspected));
        self.pinged |= due;
        due
    }

    /// The verdict.
    #[must_use]
    pub fn ailment(&self) -> Option<Ailment> {
        self.ailment
    }

    /// Whether the answer to some command is awaited that would change the verdict.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// When [`Health::check`] or [`Health::take_ping`] next has something, if nothing happens.
    #[must_use]
    pub fn next_check(&self) -> Option<Millis> {
        if self.waiting == 0 {
            return None;
        }
        let ping = (!self.pinged).then(|| self.quiet_since() + PING_AFTER);
        let open = matches!(self.ailment, None | Some(Ailment::Suspected));
        let verdict = || (self.quiet_since() + SILENCE).min(self.unanswered_since() + STUCK);
        let verdict = open.then(verdict);
        ping.into_iter().chain(verdict).min()
    }

    fn quiet_since(&self) -> Millis {
        self.received.max(self.waiting_since)
    }

    fn unanswered_since(&self) -> Millis {
        self.answered.max(self.waiting_since)
    }
}

/// A partition's verdict as others see it, and the right to probe. Written by the leader connection,
/// read by the dispatcher on another thread; each field stands for itself, so nothing is locked.
#[derive(Debug, Default)]
pub struct Gate {
    /// 0 while open, else one more than the index in [`Ailment::ALL`].
    ailment: AtomicU8,
    since: AtomicI64,
    /// Whether no probe is wanted: the answer to an earlier command will tell.
    busy: AtomicBool,
    next_probe: AtomicI64,
    ejections: AtomicU64,
    probes: AtomicU64,
}

impl Gate {
    /// Takes over a verdict; `busy` while the answer to something already sent will tell more. True
    /// if the gate opened or closed.
    pub fn set(&self, now: Millis, verdict: Option<Ailment>, busy: bool) -> bool {
        self.busy.store(busy, Relaxed);
        let place = |ailment| Ailment::ALL.iter().position(|other| *other == ailment);
        let code = verdict.and_then(place).map_or(0, |at| at as u8 + 1);
        let before = self.ailment.load(Relaxed);
        if before == 0 && code != 0 {
            self.since.store(now.0, Relaxed);
            self.next_probe.store((now + PROBE_INTERVAL).0, Relaxed);
            self.ejections.fetch_add(1, Relaxed);
        }
        self.ailment.store(code, Relaxed);
        (before == 0) != (code == 0)
    }

    /// Whether the partition takes part in round robin.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ailment.load(Relaxed) == 0
    }

    /// Whether a command that another partition could take may be sent. While the gate is closed,
    /// whoever is told yes is the probe and must send.
    pub fn admits(&self, now: Millis) -> bool {
        if self.is_open() {
            return true;
        }
        let due = self.next_probe.load(Relaxed);
        if self.busy.load(Relaxed) || now.0 < due {
            return false;
        }
        let next = (now + PROBE_INTERVAL).0;
        let won = self.next_probe.compare_exchange(due, next, Relaxed, Relaxed).is_ok();
        self.probes.fetch_add(u64::from(won), Relaxed);
        won
    }

    /// What closed the gate, and when.
    #[must_use]
    pub fn ejected(&self) -> Option<(Ailment, Millis)> {
        let code = usize::from(self.ailment.load(Relaxed));
        let ailment = *Ailment::ALL.get(code.checked_sub(1)?)?;
        Some((ailment, Millis(self.since.load(Relaxed))))
    }

    /// How often the gate closed, and how many probes it let through.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.ejections.load(Relaxed), self.probes.load(Relaxed))
    }
}

#[cfg(test)]
mod tests;
