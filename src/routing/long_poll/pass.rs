//! Passes over the partitions: how they go on, end, and begin again.

use super::poll::{Ask, Poll};
use super::queue::{Clock, Queue};
use super::scheduler::{LongPolls, PATIENCE};
use super::{AskId, Output, PollId, QueueKey, Wait};
use crate::model::{Millis, PartitionId};

/// Queues without polls that are kept for what they know.
const MAX_IDLE_QUEUES: usize = 4096;

impl LongPolls {
    /// Ends a poll whose time is up. While a partition is overloaded, "no jobs" would be a guess.
    pub(super) fn expire(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get(&id) else { return };
        let overloaded = self.queues.get(&poll.queue).is_some_and(|queue| {
            let mut known = self.ring.iter().filter_map(|p| queue.partitions.get(p));
            known.any(|known| known.is_exhausted())
        });
        let asks = poll.remaining > 0 && poll.delivered == 0;
        let output = if overloaded && asks {
            Output::Exhausted { poll: id }
        } else {
            Output::Complete { poll: id }
        };
        self.finish(output, id, now, out);
    }

    /// Asks the next partitions of the pass, or ends the pass.
    pub(super) fn step(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        while self.ask_next(id, now, out) {}
        if self.polls.get(&id).is_some_and(Poll::is_parked) {
            self.end_pass(id, now, out);
        }
    }

    /// Asks one more partition for this poll; false when there is none or it has to wait.
    fn ask_next(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) -> bool {
        let clock = self.clock(now);
        let Some(poll) = self.polls.get_mut(&id) else { return false };
        let Some(queue) = self.queues.get_mut(&poll.queue) else { return false };
        let Some(partition) = next_worth_asking(poll, queue, &self.ring, clock) else {
            return false;
        };
        let max_jobs = poll.share();
        if max_jobs <= 0 {
            poll.todo.push_front(partition);
            return false;
        }
        poll.asks += 1;
        poll.asked_for += max_jobs;
        queue.knowledge(partition).in_flight += 1;
        queue.asks += 1;
        let ask = Ask {
            queue: poll.queue.clone(),
            poll: id,
            terms: poll.terms,
            partition,
            max_jobs,
            epoch: queue.epoch,
            at: now,
            overdue: false,
        };
        let ask_id = AskId(self.next());
        self.asks.insert(ask_id, ask);
        self.patience.insert((now + PATIENCE, ask_id));
        out.push(Output::Ask { ask: ask_id, poll: id, partition, max_jobs });
        true
    }

    fn end_pass(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get_mut(&id) else { return };
        if poll.delivered > 0 {
            return self.finish(Output::Complete { poll: id }, id, now, out);
        }
        let waits = poll.wait != Wait::Never && !self.settings.overload_ends_polls;
        if poll.exhausted && !waits {
            return self.finish(Output::Exhausted { poll: id }, id, now, out);
        }
        let wait = match poll.wait {
            Wait::Never => return self.finish(Output::Complete { poll: id }, id, now, out),
            Wait::For(wait) => wait,
        };
        if poll.expired {
            return self.expire(id, now, out);
        }
        if poll.deadline.is_none() {
            let at = now + wait;
            poll.deadline = Some(at);
            self.timers.insert((at, id));
        }
        if poll.remaining > 0
            && let Some(queue) = self.queues.get_mut(&poll.queue)
        {
            queue.parked.insert(id);
        }
    }

    pub(super) fn finish(
        &mut self,
        output: Output,
        id: PollId,
        now: Millis,
        out: &mut Vec<Output>,
    ) {
        out.push(output);
        if let Some(queue) = self.remove(id, now) {
            self.wake(&queue, now, out);
        }
    }

    pub(super) fn remove(&mut self, id: PollId, now: Millis) -> Option<QueueKey> {
        let poll = self.polls.remove(&id)?;
        if let Some(at) = poll.deadline {
            self.timers.remove(&(at, id));
        }
        if let Some(queue) = self.queues.get_mut(&poll.queue) {
            queue.parked.remove(&id);
            queue.polls = queue.polls.saturating_sub(1);
            queue.used_at = now;
            if queue.polls == 0 {
                self.idle += 1;
            }
        }
        Some(poll.queue)
    }

    /// Gives each partition worth asking to the oldest waiting poll.
    pub(super) fn wake(&mut self, key: &QueueKey, now: Millis, out: &mut Vec<Output>) {
        let clock = self.clock(now);
        while let Some(queue) = self.queues.get_mut(key) {
            let Some(id) = queue.parked.first().copied() else { break };
            if !self.ring.iter().any(|partition| queue.is_askable(*partition, clock)) {
                break;
            }
            queue.parked.remove(&id);
            let pass = queue.next_pass(&self.ring);
            let Some(poll) = self.polls.get_mut(&id) else { continue };
            poll.todo = pass.into();
            poll.since = Millis(i64::MIN);
            poll.exhausted = false;
            self.step(id, now, out);
        }
        self.schedule_wake(key, now);
    }

    /// Notes when the queue needs the clock next: to ask again, or to be forgotten.
    pub(super) fn schedule_wake(&mut self, key: &QueueKey, now: Millis) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        if let Some(at) = queue.wake_at.take() {
            self.wakes.remove(&(at, key.clone()));
        }
        let probe = self.settings.probe_interval;
        let unused = queue.polls == 0 && queue.asks == 0;
        if unused && (self.idle > MAX_IDLE_QUEUES || now >= queue.used_at + probe) {
            self.queues.remove(key);
            self.idle -= 1;
            return;
        }
        let at = if queue.polls == 0 {
            Some(queue.used_at + probe).filter(|_| unused)
        } else if queue.parked.is_empty() {
            None
        } else {
            queue.next_wake(&self.ring, probe)
        };
        if let Some(at) = at {
            queue.wake_at = Some(at);
            self.wakes.insert((at, key.clone()));
        }
    }
}

/// Takes the next partition off the pass that may have jobs for the poll.
fn next_worth_asking(
    poll: &mut Poll,
    queue: &mut Queue,
    ring: &[PartitionId],
    clock: Clock,
) -> Option<PartitionId> {
    let patient = poll.wait != Wait::Never;
    while let Some(partition) = poll.todo.pop_front() {
        if poll.expired || ring.binary_search(&partition).is_err() {
            continue;
        }
        let known = *queue.knowledge(partition);
        if patient {
            let joins = known.in_flight > 0 && !known.hot;
            if joins || queue.is_empty(partition, poll.since, clock) {
                continue;
            }
            if known.retry_at > clock.now {
                poll.exhausted = known.is_exhausted();
                continue;
            }
        }
        return Some(partition);
    }
    None
}
