//! When a failed command is sent again, and the waiting room in between.
//!
//! Only a failure that proves the command was not executed leads to another attempt. Sources:
//! command-api §3.4 (creation) and §3.6 (transport retry).

use std::collections::{BTreeMap, BTreeSet};

use crate::error::GatewayError;
use crate::model::{Command, ErrorCode, Millis, PartitionId, Route};

/// Time between two attempts of a transport retry.
pub const RETRY_DELAY: Millis = Millis(10);

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The failure is the answer.
    Answer,
    /// Send again to the same partition after [`RETRY_DELAY`].
    Again,
    /// Send to the next partition at once.
    NextPartition,
}

/// What follows this failure of an attempt to send the command.
#[must_use]
pub fn after_failure(command: &Command, error: &GatewayError) -> Next {
    if command.route == Route::Creation {
        // Also when only our own limit for that one partition is reached.
        let unsent = matches!(error, GatewayError::Overloaded { .. });
        return if unsent || error.provably_not_executed() {
            Next::NextPartition
        } else {
            Next::Answer
        };
    }
    let no_leader = match error {
        GatewayError::Connect { .. }
        | GatewayError::ConnectTimeout { .. }
        | GatewayError::NoRemoteHandler { .. } => true,
        GatewayError::Broker { code, .. } => *code == ErrorCode::PartitionLeaderMismatch,
        _ => false,
    };
    if command.transport_retry && no_leader { Next::Again } else { Next::Answer }
}

/// Something whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// Try it again.
    Again(T),
    /// Its deadline has passed.
    Expired(T),
}

/// Commands between two attempts: each waits [`RETRY_DELAY`], or for a leader of its partition, but
/// never beyond its deadline. One timer serves them all.
#[derive(Debug)]
pub struct RetryQueue<T> {
    waiting: BTreeMap<u64, Waiting<T>>,
    due: BTreeSet<(Millis, u64)>,
    parked: BTreeSet<(PartitionId, u64)>,
    next_id: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    due: Millis,
    deadline: Millis,
    partition: PartitionId,
}

impl<T> Default for RetryQueue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), due: BTreeSet::new(), parked: BTreeSet::new(), next_id: 0 }
    }
}

impl<T> RetryQueue<T> {
    /// Number of waiting commands.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets a command wait for [`RETRY_DELAY`].
    pub fn delay(&mut self, item: T, partition: PartitionId, now: Millis, deadline: Millis) {
        self.insert(item, partition, (now + RETRY_DELAY).min(deadline), deadline);
    }

    /// Lets a command wait until [`RetryQueue::wake`] finds a leader of its partition.
    pub fn park(&mut self, item: T, partition: PartitionId, deadline: Millis) {
        let id = self.insert(item, partition, deadline, deadline);
        self.parked.insert((partition, id));
    }

    /// When [`RetryQueue::take_due`] next has something.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the command whose time came first, if it has come.
    pub fn take_due(&mut self, now: Millis) -> Option<Turn<T>> {
        let &(due, id) = self.due.first()?;
        if due > now {
            return None;
        }
        let deadline_passed = |waiting: &Waiting<T>| waiting.deadline <= now;
        let waiting = self.remove(id)?;
        let expired = deadline_passed(&waiting);
        Some(if expired { Turn::Expired(waiting.item) } else { Turn::Again(waiting.item) })
    }

    /// Takes all commands parked for partitions that have a leader now, oldest first per partition.
    pub fn wake(&mut self, has_leader: impl Fn(PartitionId) -> bool) -> Vec<T> {
        let ids: Vec<u64> = self
            .parked
            .iter()
            .filter(|(partition, _)| has_leader(*partition))
            .map(|(_, id)| *id)
            .collect();
        ids.into_iter().filter_map(|id| self.remove(id)).map(|waiting| waiting.item).collect()
    }

    /// Takes all commands that nobody waits for any more.
    pub fn take_if(&mut self, abandoned: impl Fn(&T) -> bool) -> Vec<T> {
        let ids: Vec<u64> =
            self.waiting.iter().filter(|(_, w)| abandoned(&w.item)).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).map(|waiting| waiting.item).collect()
    }

    fn insert(&mut self, item: T, partition: PartitionId, due: Millis, deadline: Millis) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, Waiting { item, due, deadline, partition });
        self.due.insert((due, id));
        id
    }

    fn remove(&mut self, id: u64) -> Option<Waiting<T>> {
        let waiting = self.waiting.remove(&id)?;
        self.due.remove(&(waiting.due, id));
        self.parked.remove(&(waiting.partition, id));
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CommandKind, Key};

    fn command(route: Route, transport_retry: bool) -> Command {
        Command {
            kind: CommandKind::CompleteJob,
            key: Key::NONE,
            route,
            operation_reference: None,
            value: Bytes::new(),
            authorization: Bytes::new(),
            transport_retry,
            timeout: None,
        }
    }

    fn broker(code: ErrorCode) -> GatewayError {
        GatewayError::Broker { code, message: String::new() }
    }

    #[test]
    fn only_failures_that_prove_nothing_happened_are_followed_by_another_attempt() {
        let text = String::new;
        // (failure, with transport retry, creation)
        let table = [
            (GatewayError::Connect { detail: text() }, Next::Again, Next::NextPartition),
            (GatewayError::ConnectTimeout { detail: text() }, Next::Again, Next::NextPartition),
            (
                GatewayError::NoRemoteHandler {
                    partition: PartitionId(1),
                    subject: text(),
                    address: text(),
                },
                Next::Again,
                Next::NextPartition,
            ),
            (broker(ErrorCode::PartitionLeaderMismatch), Next::Again, Next::NextPartition),
            (broker(ErrorCode::ResourceExhausted), Next::Answer, Next::NextPartition),
            (
                GatewayError::Overloaded { limit: "x", detail: text() },
                Next::Answer,
                Next::NextPartition,
            ),
            (broker(ErrorCode::InternalError), Next::Answer, Next::Answer),
            (GatewayError::Timeout { cause: text() }, Next::Answer, Next::Answer),
            (GatewayError::ConnectionClosed { detail: text() }, Next::Answer, Next::Answer),
            (GatewayError::LeaderChanged { detail: text() }, Next::Answer, Next::Answer),
            (
                GatewayError::ActorRestarted { actor: "x", partition: None },
                Next::Answer,
                Next::Answer,
            ),
            (GatewayError::Internal(text()), Next::Answer, Next::Answer),
        ];
        for (error, with_retry, creation) in table {
            let keyed = Route::Key(Key(1));
            assert_eq!(after_failure(&command(keyed.clone(), true), &error), with_retry);
            assert_eq!(after_failure(&command(keyed, false), &error), Next::Answer);
            assert_eq!(after_failure(&command(Route::Creation, false), &error), creation);
        }
    }

    #[test]
    fn parked_commands_leave_when_their_partition_has_a_leader_or_at_their_deadline() {
        let mut queue = RetryQueue::default();
        queue.park("one", PartitionId(1), Millis(100));
        queue.park("two", PartitionId(2), Millis(100));
        queue.park("one again", PartitionId(1), Millis(50));
        assert_eq!(queue.take_due(Millis(49)), None);
        assert_eq!(queue.take_due(Millis(50)), Some(Turn::Expired("one again")));
        assert_eq!(queue.wake(|partition| partition.0 == 1), ["one"]);
        assert_eq!(queue.next_due(), Some(Millis(100)));
        assert_eq!(queue.take_if(|_| true), ["two"]);
        assert!(queue.is_empty() && queue.due.is_empty() && queue.parked.is_empty());
    }

    proptest! {
        #[test]
        fn each_command_leaves_once_and_in_time(
            inputs in proptest::collection::vec((0i64..200, 0i64..100, any::<bool>()), 0..60),
            steps in proptest::collection::vec(1i64..30, 0..60),
        ) {
            let mut inputs = inputs.into_iter().enumerate();
            let (mut queue, mut now, mut left) = (RetryQueue::default(), 0, Vec::new());
            let mut expected = 0;
            for step in steps {
                if let Some((id, (life, partition, parked))) = inputs.next() {
                    let deadline = Millis(now + life);
                    let partition = PartitionId(partition as u16);
                    if parked {
                        queue.park((id, deadline, now), partition, deadline);
                    } else {
                        queue.delay((id, deadline, now), partition, Millis(now), deadline);
                    }
                    expected += 1;
                }
                now += step;
                while let Some(turn) = queue.take_due(Millis(now)) {
                    match turn {
                        Turn::Again((id, deadline, since)) => {
                            prop_assert!(deadline.0 > now && now >= since + RETRY_DELAY.0);
                            left.push(id);
                        }
                        Turn::Expired((id, deadline, _)) => {
                            prop_assert!(deadline.0 <= now);
                            left.push(id);
                        }
                    }
                }
                prop_assert!(queue.next_due().is_none_or(|due| due.0 > now));
            }
            left.extend(queue.take_if(|_| true).into_iter().map(|(id, ..)| id));
            left.sort_unstable();
            prop_assert_eq!(left, (0..expected).collect::<Vec<_>>());
            prop_assert!(queue.due.is_empty() && queue.parked.is_empty());
        }
    }
}
