//! One call of `handle`: what command processors and element behaviours work with.

use std::collections::{BTreeSet, VecDeque};

use super::api::{EngineConfig, Output, RequestId, Response, StreamId};
use super::event::Event;
use super::remote::{PartitionMessage, RemoteCommand};
use super::state::State;
use super::step::Step;
use super::streams::Streams;
use crate::model::{Key, Millis, PartitionId};
use crate::wire::record::JobRecord;

/// The processing of one input. Reads state freely, changes it through [`Turn::emit`] only.
pub struct Turn<'a> {
    /// Limits and identity.
    pub config: &'a EngineConfig,
    /// What is true now, all events of this turn included.
    pub state: &'a mut State,
    /// The job streams.
    pub streams: &'a mut Streams,
    /// The time, possibly pinned.
    pub now: Millis,
    next_counter: u64,
    steps: VecDeque<Step>,
    journal: &'a mut Vec<Event>,
    out: &'a mut Vec<Output>,
    available: BTreeSet<String>,
}

impl<'a> Turn<'a> {
    /// Starts a turn.
    pub fn new(
        config: &'a EngineConfig,
        state: &'a mut State,
        streams: &'a mut Streams,
        journal: &'a mut Vec<Event>,
        out: &'a mut Vec<Output>,
        now: Millis,
    ) -> Self {
        let next_counter = state.keys.next_counter();
        let now = state.pinned_clock.unwrap_or(now);
        Self {
            config,
            state,
            streams,
            now,
            next_counter,
            steps: VecDeque::new(),
            journal,
            out,
            available: BTreeSet::new(),
        }
    }

    /// A key never used before. It counts as used once an event with it is emitted.
    pub fn new_key(&mut self) -> Key {
        let key = self.state.keys.key(self.next_counter);
        self.next_counter += 1;
        key
    }

    /// Lets `event` happen: applied at once, kept for the journal.
    pub fn emit(&mut self, event: Event) {
        if self.config.keep_events {
            self.journal.push(event.clone());
        }
        self.state.apply(event);
    }

    /// Adds work for this turn, or a later one.
    pub fn push(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    /// The next piece of work.
    pub fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Takes up work that earlier turns did not get to.
    pub fn resume(&mut self) {
        let count = self.state.postponed.len().min(self.config.max_steps);
        if count > 0 {
            self.steps.extend(self.state.postponed.iter().take(count).cloned());
            self.emit(Event::StepsResumed { count });
        }
    }

    /// How much work waits.
    pub fn queued(&self) -> usize {
        self.steps.len() + self.state.postponed.len()
    }

    /// Answers a request.
    pub fn reply(&mut self, request: RequestId, response: Response) {
        self.out.push(Output::Reply { request, response });
    }

    /// Asks something of a partition, reliably. This partition itself does it in a later step.
    pub fn send(&mut self, to: PartitionId, command: RemoteCommand) {
        if to == self.config.partition {
            return self.push(Step::Execute(Box::new(command)));
        }
        let sequence = self.state.links.next_sequence(to);
        let resend_at = self.now + Millis(self.config.resend_after_ms);
        let kept = Box::new(command.clone());
        self.emit(Event::CommandSent { to, command: kept, resend_at });
        self.tell(to, PartitionMessage::Command { sequence, command });
    }

    /// Says something to another partition, once.
    pub fn tell(&mut self, to: PartitionId, message: PartitionMessage) {
        self.out.push(Output::ToPartition { to, message });
    }

    /// Notes that jobs of a type became activatable.
    pub fn jobs_available(&mut self, job_type: &str) {
        if !self.available.contains(job_type) {
            self.available.insert(job_type.to_owned());
        }
    }

    /// Pushes a job to a stream.
    pub fn push_job(&mut self, stream: StreamId, key: Key, job: JobRecord) {
        self.out.push(Output::PushJob { stream, key, job: Box::new(job) });
    }

    /// Ends the turn.
    pub fn finish(mut self) {
        let steps: Vec<Step> = self.steps.drain(..).collect();
        if !steps.is_empty() {
            self.emit(Event::StepsPostponed { steps });
        }
        let Self { available, out, .. } = self;
        out.extend(available.into_iter().map(|job_type| Output::JobsAvailable { job_type }));
    }
}
