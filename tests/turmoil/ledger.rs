//! What the clients asked, and what became of it. Whatever must never happen is noted as a complaint
//! the moment it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use beegate::error::{ErrorClass, GatewayError};
use beegate::model::CommandKind;

use crate::hosts::REQUEST_TIMEOUT;

/// How much later than its deadline an answer may come.
const SLACK: Duration = Duration::from_millis(1_500);

/// One execution of a creation, whichever broker process did it: its deployment's tag and instance.
pub type Execution = (u64, i64);

/// A creation that a client asked for.
#[derive(Debug)]
struct Creation {
    /// The broker's life it was asked in.
    asked_in: u64,
    /// The instance and the life of the broker it was answered in.
    answered: Option<(i64, u64)>,
    /// Executions that came to light by their jobs.
    executions: BTreeSet<Execution>,
}

/// An answer that is waited for.
#[derive(Debug)]
struct Open {
    gateway: usize,
    kind: CommandKind,
    since: Duration,
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// Lives of the broker so far; it forgets everything between two.
    pub broker_lives: u64,
    pub gateway_lives: u64,
    pub tags: u64,
    creations: BTreeMap<u64, Creation>,
    open: BTreeMap<u64, Open>,
    asked: u64,
    /// Activations that a gateway handed to a client: execution, and the end of the lock. A broker
    /// that hears nothing of a pushed job offers it to another gateway, so two may have it.
    activations: BTreeSet<(usize, Execution, i64)>,
    pub errors: BTreeMap<String, u64>,
    pub answers: u64,
    pub jobs: u64,
    pub complaints: Vec<String>,
    /// Changes with everything that clients see, and when.
    pub trace: u64,
    /// Whether errors are to be expected.
    pub faulty: bool,
    /// Completions that may have met another job, which has the same key in the broker's new life.
    pub strays: usize,
}

impl Ledger {
    fn note(&mut self, what: impl Hash) {
        let mut hasher = DefaultHasher::new();
        (self.trace, what).hash(&mut hasher);
        self.trace = hasher.finish();
    }

    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    /// The number of the next creation.
    pub fn next_creation(&mut self) -> u64 {
        let n = self.creations.len() as u64 + 1;
        let asked_in = self.broker_lives;
        let executions = BTreeSet::new();
        let creation = Creation { asked_in, answered: None, executions };
        self.creations.insert(n, creation);
        n
    }

    /// A command leaves a client.
    pub fn ask(&mut self, gateway: usize, kind: CommandKind, since: Duration) -> u64 {
        self.asked += 1;
        self.open.insert(self.asked, Open { gateway, kind, since });
        self.asked
    }

    /// Its answer is there.
    pub fn answered(&mut self, asked: u64, now: Duration, error: Option<&GatewayError>) {
        let Some(open) = self.open.remove(&asked) else {
            return self.complain(format!("answered twice, or to a dead client: {asked}"));
        };
        self.answers += 1;
        self.note((asked, now, error.map(ToString::to_string)));
        let took = now - open.since;
        if took > REQUEST_TIMEOUT + SLACK {
            self.complain(format!("{:?} took {took:?}: {error:?}", open.kind));
        }
        let Some(error) = error else { return };
        let class = error.class();
        *self.errors.entry(format!("{:?} {class:?}", open.kind)).or_default() += 1;
        let allowed = match class {
            ErrorClass::Unavailable
            | ErrorClass::DeadlineExceeded
            | ErrorClass::ResourceExhausted
            | ErrorClass::Overloaded
            | ErrorClass::Aborted => self.faulty,
            // The broker lost its memory; or a worker completes a job for the second time.
            ErrorClass::NotFound => self.faulty || open.kind == CommandKind::CompleteJob,
            _ => false,
        };
        if !allowed {
            self.complain(format!("{:?} at {now:?}: {class:?}: {error}", open.kind));
        }
    }

    /// A gateway died with its clients.
    pub fn forget(&mut self, gateway: usize) {
        self.open.retain(|_, open| open.gateway != gateway);
    }

    /// Notes answers that are overdue.
    pub fn look(&mut self, now: Duration) {
        let late: Vec<String> = self
            .open
            .values()
            .filter(|open| now.saturating_sub(open.since) > REQUEST_TIMEOUT + SLACK)
            .map(|open| format!("no answer at {now:?} to {open:?}"))
            .collect();
        self.complaints.extend(late);
    }

    /// A creation was answered with this instance.
    pub fn created(&mut self, n: u64, instance: i64) {
        let life = self.broker_lives;
        let creation = self.creations.get_mut(&n).expect("was asked for");
        creation.answered = Some((instance, life));
        self.check_executions(n);
    }

    /// A job reached a client of this gateway.
    pub fn activated(&mut self, gateway: usize, n: u64, execution: Execution, deadline: i64) {
        self.jobs += 1;
        self.note((gateway, n, execution, deadline));
        if !self.activations.insert((gateway, execution, deadline)) {
            self.complain(format!("creation {n}: one activation reached two clients"));
        }
        self.creations.get_mut(&n).expect("was asked for").executions.insert(execution);
        self.check_executions(n);
    }

    fn check_executions(&mut self, n: u64) {
        let creation = &self.creations[&n];
        let instances: BTreeSet<i64> = creation.executions.iter().map(|(_, key)| *key).collect();
        let other = creation.answered.is_some_and(|(key, _)| instances.iter().any(|i| *i != key));
        if creation.executions.len() > 1 || other {
            let text = format!("creation {n} was executed twice: {creation:?}");
            self.complain(text);
        }
    }

    /// A worker knows that a job is complete that it took in this life of the broker.
    pub fn completed(&mut self, life: u64) {
        self.strays += usize::from(life != self.broker_lives);
    }

    /// Creations that the living broker has executed and whose job no client got.
    pub fn unseen(&self) -> Vec<String> {
        let life = self.broker_lives;
        let owed = |creation: &Creation| {
            creation.asked_in == life
                && creation.answered.is_some_and(|(_, answered_in)| answered_in == life)
                && creation.executions.is_empty()
        };
        self.creations
            .iter()
            .filter(|(_, creation)| owed(creation))
            .map(|c| format!("{c:?}"))
            .collect()
    }

    pub fn created_count(&self) -> usize {
        self.creations.values().filter(|creation| creation.answered.is_some()).count()
    }

    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}
