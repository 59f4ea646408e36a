//! Figures of a leader connection that are read without asking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use crate::actors::cell::Observe;
use crate::model::Millis;
use crate::routing::Gate;

/// Least time between two hints to the topology.
const HINT_INTERVAL: Millis = Millis(100);

#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// State of the connection, published on every change.
    pub connection: ArcSwap<Value>,
    /// Whether the leader answers.
    pub gate: Arc<Gate>,
    pub in_flight: AtomicU64,
    pub pending: AtomicU64,
    pub orphans: AtomicU64,
    pub sent: AtomicU64,
    pub bursts: AtomicU64,
    pub received: AtomicU64,
    pub timeouts: AtomicU64,
    pub late: AtomicU64,
    pub unknown: AtomicU64,
    pub connects: AtomicU64,
    pub losses: AtomicU64,
    latency_us: AtomicU64,
    last_hint: AtomicI64,
}

impl Gauges {
    /// Whether the topology may be told again that the leader seems wrong.
    pub fn may_hint(&self, now: Millis) -> bool {
        let last = self.last_hint.load(Relaxed);
        let due = now - Millis(last) >= HINT_INTERVAL;
        if due {
            self.last_hint.store(now.0, Relaxed);
        }
        due
    }

    /// Moves the average latency a sixteenth towards this attempt's, given in milliseconds.
    pub fn took(&self, millis: u64) {
        let (old, new) = (self.latency_us.load(Relaxed), millis.saturating_mul(1000));
        let moved = old - old / 16 + new / 16;
        self.latency_us.store(moved, Relaxed);
    }
}

impl Observe for Gauges {
    fn observe(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let ejected = self.gate.ejected();
        let (ejections, probes) = self.gate.counts();
        json!({
            "health": ejected.map_or("healthy", |(ailment, _)| ailment.name()),
            "ejected_since": ejected.map(|(_, since)| since),
            "ejections": ejections,
            "probes": probes,
            "connection": Value::clone(&self.connection.load()),
            "in_flight": read(&self.in_flight),
            "waiting_for_connection": read(&self.pending),
            "given_up": read(&self.orphans),
            "sent": read(&self.sent),
            "bursts": read(&self.bursts),
            "received": read(&self.received),
            "timeouts": read(&self.timeouts),
            "late_replies": read(&self.late),
            "unknown_replies": read(&self.unknown),
            "connects": read(&self.connects),
            "losses": read(&self.losses),
            "latency_ms": read(&self.latency_us) as f64 / 1000.0,
        })
    }
}
