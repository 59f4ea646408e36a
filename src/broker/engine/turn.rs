//! One call of `handle`: what command processors and element behaviours work with.

use std::collections::BTreeSet;

use super::api::{EngineConfig, Output, RequestId, Response};
use super::event::Event;
use super::state::State;
use crate::model::{Key, Millis};

/// The processing of one input. Reads state freely, changes it through [`Turn::emit`] only.
pub struct Turn<'a> {
    /// Limits and identity.
    pub config: &'a EngineConfig,
    /// What is true now, all events of this turn included.
    pub state: &'a mut State,
    /// The time, possibly pinned.
    pub now: Millis,
    next_counter: u64,
    journal: &'a mut Vec<Event>,
    out: &'a mut Vec<Output>,
    available: BTreeSet<String>,
}

impl<'a> Turn<'a> {
    /// Starts a turn.
    pub fn new(
        config: &'a EngineConfig,
        state: &'a mut State,
        journal: &'a mut Vec<Event>,
        out: &'a mut Vec<Output>,
        now: Millis,
    ) -> Self {
        let next_counter = state.keys.next_counter();
        let now = state.pinned_clock.unwrap_or(now);
        let available = BTreeSet::new();
        Self { config, state, now, next_counter, journal, out, available }
    }

    /// A key never used before. It counts as used once an event with it is emitted.
    pub fn new_key(&mut self) -> Key {
        let key = self.state.keys.key(self.next_counter);
        self.next_counter += 1;
        key
    }

    /// Lets `event` happen: applied at once, kept for the journal.
    pub fn emit(&mut self, event: Event) {
        self.state.apply(&event);
        self.journal.push(event);
    }

    /// Answers a request.
    pub fn reply(&mut self, request: RequestId, response: Response) {
        self.out.push(Output::Reply { request, response });
    }

    /// Notes that jobs of a type became activatable.
    pub fn jobs_available(&mut self, job_type: &str) {
        if !self.available.contains(job_type) {
            self.available.insert(job_type.to_owned());
        }
    }

    /// Ends the turn.
    pub fn finish(self) {
        let Self { available, out, .. } = self;
        out.extend(available.into_iter().map(|job_type| Output::JobsAvailable { job_type }));
    }
}
