//! Timers.

use std::collections::{BTreeMap, BTreeSet};

use super::schedule::{Due, Schedule};
use crate::broker::bpmn::ElementIndex;
use crate::broker::feel::Interval;
use crate::model::{Key, Millis};

/// How a timer goes on after it fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition {
    /// The time between firings.
    pub every: Interval,
    /// How many firings follow; without end when absent.
    pub left: Option<u32>,
}

/// A pending timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// Its key.
    pub key: Key,
    /// Who waits: a catch event's instance, that of the activity of a boundary event, or the
    /// definition with a start event.
    pub owner: Key,
    /// The event that is triggered.
    pub event: ElementIndex,
    /// When.
    pub due: Millis,
    /// Whether it fires again.
    pub repetition: Option<Repetition>,
}

/// All timers of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timers {
    by_key: BTreeMap<Key, Timer>,
    by_owner: BTreeSet<(Key, Key)>,
}

impl Timers {
    /// The timer with this key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Timer> {
        self.by_key.get(&key)
    }

    /// Keys of the timers of this owner.
    #[must_use]
    pub fn of_owner(&self, owner: Key) -> Vec<Key> {
        let range = (owner, Key(i64::MIN))..=(owner, Key(i64::MAX));
        self.by_owner.range(range).map(|(_, timer)| *timer).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Adds a timer.
    pub fn insert(&mut self, timer: Timer, schedule: &mut Schedule) {
        schedule.add(timer.due, Due::Timer(timer.key));
        self.by_owner.insert((timer.owner, timer.key));
        self.by_key.insert(timer.key, timer);
    }

    /// Removes a timer.
    pub fn remove(&mut self, key: Key, schedule: &mut Schedule) {
        if let Some(timer) = self.by_key.remove(&key) {
            schedule.remove(timer.due, Due::Timer(key));
            self.by_owner.remove(&(timer.owner, key));
        }
    }
}
