//! Everything a partition knows. Changed by [`State::apply`] only.

mod keys;

pub use keys::Keys;

use super::event::Event;
use crate::model::{Millis, PartitionId};

/// The state of one partition. Two states are equal when they hold the same entities.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Which keys were handed out.
    pub keys: Keys,
    /// The time at which the clock was stopped, if it was.
    pub pinned_clock: Option<Millis>,
}

impl State {
    /// The state of a partition that was never used.
    #[must_use]
    pub fn new(partition: PartitionId) -> Self {
        Self { keys: Keys::new(partition), pinned_clock: None }
    }

    /// Lets `event` take effect. Deterministic: the same events give the same state.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::SignalBroadcast { key } => self.keys.used(*key),
            Event::ClockSet { key, pinned } => {
                self.keys.used(*key);
                self.pinned_clock = *pinned;
            }
        }
    }
}
