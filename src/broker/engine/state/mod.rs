//! Everything a partition knows, in stores that know nothing of BPMN's rules. Changed by
//! [`State::apply`] only.

mod apply;
mod definitions;
mod elements;
mod incidents;
mod jobs;
mod keys;
mod links;
mod messages;
mod requests;
mod schedule;
mod starts;
mod timers;
mod variables;
mod waits;

use std::collections::VecDeque;

pub use definitions::{Definition, Definitions};
pub use elements::{ElementInstance, Elements, Interruption, Phase};
pub use incidents::{Incident, IncidentKind, Incidents};
pub use jobs::{Job, JobState, Jobs};
pub use keys::Keys;
pub use links::Links;
pub use messages::{Address, Message, Messages, Subscription, SubscriptionId};
pub use requests::{Awaiting, Requests};
pub use schedule::{Due, Schedule};
pub use starts::{StartLock, StartSubscription, Starts};
pub use timers::{Repetition, Timer, Timers};
pub use variables::{Entries, Name, Variables, document, entries};
pub use waits::{MessageWait, Waits};

use super::step::Step;
use crate::model::{Millis, PartitionId};

/// The state of one partition. Two states are equal when they hold the same entities.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Which keys were handed out.
    pub keys: Keys,
    /// The time at which the clock was stopped, if it was.
    pub pinned_clock: Option<Millis>,
    /// What can be executed.
    pub definitions: Definitions,
    /// What is being executed.
    pub elements: Elements,
    /// Its data.
    pub variables: Variables,
    /// Its work for workers.
    pub jobs: Jobs,
    /// Its timers.
    pub timers: Timers,
    /// The messages it waits for.
    pub waits: Waits,
    /// Messages and subscriptions of this partition's correlation keys.
    pub messages: Messages,
    /// Messages that start processes.
    pub starts: Starts,
    /// Where processing stopped.
    pub incidents: Incidents,
    /// Requests that wait for the end of an instance.
    pub requests: Requests,
    /// The talk with other partitions.
    pub links: Links,
    /// What becomes due when.
    pub schedule: Schedule,
    /// Steps one turn did not get to.
    pub postponed: VecDeque<Step>,
}

impl State {
    /// The state of a partition that was never used.
    #[must_use]
    pub fn new(partition: PartitionId) -> Self {
        Self {
            keys: Keys::new(partition),
            pinned_clock: None,
            definitions: Definitions::default(),
            elements: Elements::default(),
            variables: Variables::default(),
            jobs: Jobs::default(),
            timers: Timers::default(),
            waits: Waits::default(),
            messages: Messages::default(),
            starts: Starts::default(),
            incidents: Incidents::default(),
            requests: Requests::default(),
            links: Links::default(),
            schedule: Schedule::default(),
            postponed: VecDeque::new(),
        }
    }
}
