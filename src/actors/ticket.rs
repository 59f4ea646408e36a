//! A command on its way through the actors, together with the right to its answer.
//!
//! Frontend → session → dispatcher → leader connection; forwarding moves the ticket. Invariant: every
//! ticket answers exactly once. Whoever knows the answer gives it with [`Ticket::answer`]; a ticket
//! that is dropped, by a restart or by the end of the gateway, answers that itself. Permits are freed
//! before the answer is given, so a client that waited for it finds room.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use super::admission::{Budget, Permits, Purpose};
use super::leader::KIND as LEADER;
use crate::error::GatewayError;
use crate::model::{ClusterView, Command, Millis, PartitionId, Reply};
use crate::routing::{Candidates, Next, after_failure, versions};

/// What a command ends with.
pub type Answer = Result<Reply, GatewayError>;

/// Where an answer goes.
pub enum ReplyTo {
    /// To a frontend that waits, or gave up waiting.
    Caller(oneshot::Sender<Answer>),
    /// To an actor; always called. It must only pass the answer on: it runs within a connection.
    Callback(Box<dyn FnOnce(Answer) + Send>),
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller(_) => "Caller",
            Self::Callback(_) => "Callback",
        })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Ticket {
    command: Command,
    reply: Option<ReplyTo>,
    permits: Option<Permits>,
    /// Time for an attempt of a creation, or for all attempts together of any other command.
    timeout: Duration,
    deadline: Millis,
    partition: PartitionId,
    candidates: Option<Candidates>,
    failures: Vec<GatewayError>,
    attempt: u32,
    holder: &'static str,
}

impl Ticket {
    /// A ticket for a command that was admitted. `timeout` applies unless the command has its own.
    #[must_use]
    pub fn new(command: Command, permits: Permits, timeout: Duration, reply: ReplyTo) -> Self {
        Self {
            timeout: command.timeout.unwrap_or(timeout),
            command,
            reply: Some(reply),
            permits: Some(permits),
            deadline: Millis(i64::MAX),
            partition: PartitionId(0),
            candidates: None,
            failures: Vec::new(),
            attempt: 0,
            holder: "gateway",
        }
    }

    /// What memory a command counts for.
    #[must_use]
    pub fn bytes_of(command: &Command) -> usize {
        command.value.len() + command.authorization.len()
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The partition it is sent to now.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// When it must be answered.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// The time it was given, of which the deadline is the end.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Attempts to send it so far.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Names the kind of actor that holds it from now on.
    pub fn held_by(&mut self, kind: &'static str) {
        self.holder = kind;
    }

    /// Starts the clock. Creations do this for each attempt anew (command-api §3.4).
    pub fn start_clock(&mut self, now: Millis) {
        let timeout = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        self.deadline = now + Millis(timeout);
    }

    /// Sets where the next attempt goes.
    pub fn route_to(&mut self, partition: PartitionId) {
        self.partition = partition;
        self.attempt = self.attempt.saturating_add(1);
    }

    /// Makes the command one that the leader of its partition understands.
    ///
    /// # Errors
    /// [`GatewayError::Unsupported`].
    pub fn fit_leader(&mut self, view: &ClusterView) -> Result<(), GatewayError> {
        versions::fit(&mut self.command, self.partition, view)
    }

    /// For a creation: the partitions left to try.
    pub fn candidates_mut(&mut self) -> &mut Option<Candidates> {
        &mut self.candidates
    }

    /// Notes a failed attempt of a creation.
    pub fn note_failure(&mut self, error: GatewayError) {
        self.failures.push(error);
    }

    /// The failed attempts of a creation, as its answer.
    pub fn answer_all_failed(mut self) {
        let attempts = std::mem::take(&mut self.failures);
        self.answer(Err(GatewayError::AllPartitionsFailed { attempts }));
    }

    /// What follows when this attempt failed with `error`.
    #[must_use]
    pub fn after_failure(&self, error: &GatewayError) -> Next {
        after_failure(&self.command, error)
    }

    /// Holds a unit of a partition's budget, instead of one held before.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`]; nothing is held then.
    pub fn hold_partition(&mut self, budget: &Budget) -> Result<(), GatewayError> {
        let Some(permits) = &mut self.permits else { return Ok(()) };
        permits.hold_partition(None);
        permits.hold_partition(Some(budget.take(1, Purpose::of(self.command.kind))?));
        Ok(())
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        matches!(&self.reply, Some(ReplyTo::Caller(caller)) if caller.is_closed())
    }

    /// Gives the answer. When the caller is gone, it comes back.
    pub fn answer(mut self, answer: Answer) -> Option<Answer> {
        self.give(answer)
    }

    fn give(&mut self, answer: Answer) -> Option<Answer> {
        let reply = self.reply.take()?;
        drop(self.permits.take());
        match reply {
            ReplyTo::Caller(caller) => caller.send(answer).err(),
            ReplyTo::Callback(callback) => {
                callback(answer);
                None
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.reply.is_none() {
            return;
        }
        let stopping = self.permits.as_ref().is_some_and(|p| p.admission.is_stopping());
        self.give(Err(if stopping {
            GatewayError::ShuttingDown
        } else {
            let partition = (self.holder == LEADER).then_some(self.partition);
            GatewayError::ActorRestarted { actor: self.holder, partition }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use bytes::Bytes;

    use super::*;
    use crate::actors::admission::Admission;
    use crate::config::Config;
    use crate::model::{CommandKind, Key, Route, ValueType};

    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(&Config::defaults().limits))
    }

    fn ticket(admission: &Arc<Admission>, reply: ReplyTo) -> Ticket {
        let command = Command {
            kind: CommandKind::CompleteJob,
            key: Key(1),
            route: Route::Key(Key(1)),
            operation_reference: None,
            value: Bytes::from_static(b"value"),
            authorization: Bytes::new(),
            transport_retry: true,
            timeout: None,
        };
        let permits = admission.admit_own(Ticket::bytes_of(&command));
        Ticket::new(command, permits, Duration::from_secs(15), reply)
    }

    fn reply() -> Reply {
        Reply {
            partition: PartitionId(1),
            key: Key(1),
            value_type: ValueType::Job,
            intent: 2,
            value: Bytes::new(),
        }
    }

    #[test]
    fn answers_once_with_its_permits_already_free() {
        let admission = admission();
        let (answers, given) = mpsc::channel();
        let seen = Arc::clone(&admission);
        let callback = move |answer| answers.send((answer, seen.in_flight())).unwrap();
        let ticket = ticket(&admission, ReplyTo::Callback(Box::new(callback)));
        assert_eq!((admission.in_flight(), admission.bytes()), (1, 5));
        assert_eq!(ticket.answer(Ok(reply())), None);
        assert_eq!(given.recv(), Ok((Ok(reply()), 0)));
        assert!(given.recv().is_err(), "the callback is gone");
    }

    #[test]
    fn a_dropped_ticket_names_who_held_it() {
        let admission = admission();
        let (caller, mut answer) = oneshot::channel();
        let mut held = ticket(&admission, ReplyTo::Caller(caller));
        held.held_by("dispatcher");
        drop(held);
        let restarted = GatewayError::ActorRestarted { actor: "dispatcher", partition: None };
        assert_eq!(answer.try_recv(), Ok(Err(restarted)));
        assert_eq!(admission.in_flight(), 0);
    }

    #[test]
    fn a_ticket_dropped_while_stopping_says_so() {
        let admission = admission();
        let (caller, mut answer) = oneshot::channel();
        let held = ticket(&admission, ReplyTo::Caller(caller));
        admission.stop();
        drop(held);
        assert_eq!(answer.try_recv(), Ok(Err(GatewayError::ShuttingDown)));
    }

    #[test]
    fn an_answer_that_nobody_waits_for_comes_back() {
        let admission = admission();
        let (caller, answer) = oneshot::channel();
        let held = ticket(&admission, ReplyTo::Caller(caller));
        assert!(!held.is_abandoned());
        drop(answer);
        assert!(held.is_abandoned());
        assert_eq!(held.answer(Ok(reply())), Some(Ok(reply())));
    }
}
