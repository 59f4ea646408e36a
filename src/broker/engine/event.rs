//! What happened: the only things that change state, and what a journal will keep.

use crate::model::{Key, Millis};

/// A fact. Carries everything its application needs, times included.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A signal was broadcast.
    SignalBroadcast {
        /// Its key.
        key: Key,
    },
    /// The clock was stopped at a time, or let run again.
    ClockSet {
        /// Key of the record.
        key: Key,
        /// Where it was stopped; `None` when it runs.
        pinned: Option<Millis>,
    },
}
