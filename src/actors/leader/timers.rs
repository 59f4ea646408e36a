//! Deadlines of a leader connection: one timer for requests, retired connections and health.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use actix::Context;

use super::link::{Ending, Link};
use super::{LeaderConnection, State};
use crate::actors::ticket::Ticket;
use crate::clock::iso_duration;
use crate::error::GatewayError;
use crate::model::Millis;

/// How long a broker that lost the leadership may still answer what it was sent: what is on the wire
/// already. The new leader does not know who asked, so nothing comes later.
pub(super) const RETIREMENT: Millis = Millis(200);

/// A connection to a broker that led the partition before.
pub(super) struct Retiring {
    pub end: Millis,
    pub link: Link,
    /// Why it does not lead any more.
    pub cause: String,
}

impl LeaderConnection {
    /// Keeps the present connection only for the answers that are on their way; what it did not
    /// send yet waits again.
    pub(super) fn retire(&mut self, cause: String, context: &mut Context<Self>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Up(link) => {
                self.pending.extend(link.retire());
                if !link.is_idle() {
                    let end = self.now() + RETIREMENT;
                    self.retiring.push(Retiring { end, link, cause });
                    self.arm_for(end, context);
                }
            }
            // An attempt to connect that still goes on has no effect any more.
            State::Dialing | State::Resting(_) => self.generation += 1,
            State::Idle => {}
        }
    }

    pub(super) fn fail_pending(&mut self, error: &GatewayError) {
        for ticket in self.pending.drain(..) {
            self.parts.settle(ticket, None, Err(error.clone()));
        }
    }

    /// Answers what is overdue, and looks after the broker.
    pub(super) fn due(&mut self, context: &mut Context<Self>) {
        self.alarm.rang();
        let now = self.now();
        if let State::Up(link) = &self.state {
            link.expire(now);
            link.check(now);
        }
        for retiring in &self.retiring {
            retiring.link.expire(now);
        }
        for Retiring { link, cause, .. } in
            self.retiring.extract_if(.., |retiring| retiring.end <= now || retiring.link.is_idle())
        {
            link.close(Ending::Deposed(&cause));
        }
        self.expire_pending(now);
        if let Some(next) = self.next_deadline() {
            self.arm_for(next, context);
        }
    }

    fn expire_pending(&mut self, now: Millis) {
        let overdue = |ticket: &Ticket| ticket.deadline() <= now;
        let (expired, kept): (VecDeque<_>, VecDeque<_>) = self.pending.drain(..).partition(overdue);
        self.pending = kept;
        for ticket in expired {
            let (after, partition) = (iso_duration(ticket.timeout()), self.parts.partition);
            let cause = format!("Request timed out after {after} (partition {partition})");
            self.parts.settle(ticket, None, Err(GatewayError::Timeout { cause }));
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        let current = match &self.state {
            State::Up(link) => link.next_deadline(),
            _ => None,
        };
        let retiring = self
            .retiring
            .iter()
            .flat_map(|old| std::iter::once(old.end).chain(old.link.next_deadline()));
        let pending = self.pending.iter().map(Ticket::deadline);
        current.into_iter().chain(retiring).chain(pending).min()
    }

    /// Makes sure that the one timer fires at `at` or before.
    pub(super) fn arm_for(&mut self, at: Millis, context: &mut Context<Self>) {
        self.alarm.set_by(at, self.parts.shared.clock(), context, Self::due);
    }

    /// Lets go of what nobody waits for any more.
    pub(super) fn sweep(&mut self) {
        let now = self.now();
        self.pending.retain(|ticket| !ticket.is_abandoned());
        if let State::Up(link) = &self.state {
            link.sweep(now);
        }
        for retiring in &self.retiring {
            retiring.link.sweep(now);
        }
        self.parts.gauges.pending.store(self.pending.len() as u64, Relaxed);
    }
}
