//! Keeps the [`Health`] of a connection up to date and publishes its verdict.

use std::cell::{Cell, RefCell};

use super::parts::Parts;
use crate::model::{CommandKind, Millis};
use crate::routing::Health;
use crate::routing::health::{End, is_prompt};

pub(super) struct Vitals {
    health: RefCell<Health>,
    parts: Parts,
    /// Whether the writer shall send a heartbeat.
    ping: Cell<bool>,
    /// Whether another connection speaks for the partition by now.
    retired: Cell<bool>,
}

impl Vitals {
    /// Of a connection that was established now: a healthy one.
    pub fn new(parts: &Parts, now: Millis) -> Self {
        parts.judge(None, false);
        Self {
            health: RefCell::new(Health::new(now)),
            parts: parts.clone(),
            ping: Cell::new(false),
            retired: Cell::new(false),
        }
    }

    /// A command was sent.
    pub fn sent(&self, kind: CommandKind, now: Millis) {
        if is_prompt(kind) {
            self.note(|health| health.sent(now));
        }
    }

    /// A command that was sent ended.
    pub fn ended(&self, kind: CommandKind, now: Millis, end: End) {
        if is_prompt(kind) {
            self.note(|health| health.ended(now, end));
        }
    }

    /// The answer to a command came after it had ended.
    pub fn answered_late(&self, now: Millis) {
        self.note(|health| health.answered(now));
    }

    /// Bytes came.
    pub fn received(&self, now: Millis) {
        self.note(|health| health.received(now));
    }

    /// What gossip thinks of the broker. True if it should be sent a heartbeat.
    pub fn suspect(&self, suspected: bool, now: Millis) -> bool {
        self.note(|health| health.suspect(suspected));
        self.check(now)
    }

    /// Judges. True if the broker should be sent a heartbeat.
    pub fn check(&self, now: Millis) -> bool {
        self.note(|health| health.check(now));
        let due = !self.retired.get() && self.health.borrow_mut().take_ping(now);
        if due {
            self.ping.set(true);
        }
        due
    }

    /// When [`Vitals::check`] next has something.
    pub fn next_check(&self) -> Option<Millis> {
        self.health.borrow().next_check().filter(|_| !self.retired.get())
    }

    /// Whether to send a heartbeat now, however long until the next regular one.
    pub fn take_ping(&self) -> bool {
        self.ping.take()
    }

    /// Stops speaking for the partition.
    pub fn retire(&self) {
        self.retired.set(true);
    }

    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }

    fn note(&self, change: impl FnOnce(&mut Health)) {
        let mut health = self.health.borrow_mut();
        let before = health.ailment();
        change(&mut health);
        let after = health.ailment();
        // The usual case costs no more than this comparison.
        if (before.is_some() || after.is_some()) && !self.retired.get() {
            self.parts.judge(after, health.is_waiting());
        }
    }
}
