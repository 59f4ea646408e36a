//! The state machine over all queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::queue::{Clock, Emptiness, Queue};
use super::{Answer, AskId, Disposition, NewPoll, Output, PollId, QueueKey, Settings, Wait};
use crate::model::{Millis, PartitionId};

/// How much longer a poll whose time is up waits for an answer that is under way.
const GRACE: Millis = Millis(500);
/// How long notifications are not relied on after jobs were found without one.
const DOUBT: Millis = Millis(60_000);
/// How often a partition is asked again in one pass when it left out jobs for size and sent none.
const MAX_EMPTY_TRUNCATIONS: u32 = 3;
/// Queues without polls that are kept for what they know.
const MAX_IDLE_QUEUES: usize = 4096;

/// A queue has as many polls as the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} polls of this job type are waiting already")]
pub struct TooManyPolls(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its question is under way.
    Asking,
    /// Its client is being given jobs.
    Delivering { again: Option<PartitionId> },
    /// It waits for a partition worth asking, or for its time to be up.
    Parked,
}

#[derive(Debug)]
struct Poll {
    queue: QueueKey,
    terms: u64,
    wait: Wait,
    remaining: i32,
    delivered: usize,
    phase: Phase,
    /// Partitions of this pass not yet asked.
    todo: VecDeque<PartitionId>,
    /// Emptiness learnt by older questions does not count for it.
    since: Millis,
    deadline: Option<Millis>,
    /// Its time ran out while it was asking or delivering.
    expired: bool,
    /// Whether the partition that failed last in this pass was overloaded.
    exhausted: bool,
    empty_truncations: u32,
}

#[derive(Debug)]
struct Ask {
    queue: QueueKey,
    poll: PollId,
    terms: u64,
    partition: PartitionId,
    max_jobs: i32,
    epoch: u64,
    at: Millis,
}

/// All polls. See the [module](super) for what it promises.
#[derive(Debug)]
pub struct LongPolls {
    settings: Settings,
    /// Partitions with a leader, sorted.
    ring: Vec<PartitionId>,
    queues: BTreeMap<QueueKey, Queue>,
    polls: BTreeMap<PollId, Poll>,
    asks: BTreeMap<AskId, Ask>,
    timers: BTreeSet<(Millis, PollId)>,
    wakes: BTreeSet<(Millis, QueueKey)>,
    idle: usize,
    next_id: u64,
}

impl LongPolls {
    /// A scheduler without polls and partitions.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::with_ids_from(settings, 0)
    }

    /// The same, with ids above `id`, so that they differ from those of an earlier scheduler.
    #[must_use]
    pub fn with_ids_from(settings: Settings, id: u64) -> Self {
        Self {
            settings,
            ring: Vec::new(),
            queues: BTreeMap::new(),
            polls: BTreeMap::new(),
            asks: BTreeMap::new(),
            timers: BTreeSet::new(),
            wakes: BTreeSet::new(),
            idle: 0,
            next_id: id,
        }
    }

    /// Polls of any state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.polls.len()
    }

    /// Whether there is no poll.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.polls.is_empty()
    }

    /// Questions under way.
    #[must_use]
    pub fn asking(&self) -> usize {
        self.asks.len()
    }

    /// Polls that wait.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.polls.values().filter(|poll| poll.phase == Phase::Parked).count()
    }

    /// When [`LongPolls::on_time`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let wake = self.wakes.first().map(|(at, _)| *at);
        timer.into_iter().chain(wake).min()
    }

    /// Panics where a waiting poll is left beside a partition worth asking.
    #[cfg(test)]
    pub(super) fn assert_no_lost_wake_up(&self, now: Millis) {
        let clock = self.clock(now);
        for (key, queue) in self.queues.iter().filter(|(_, queue)| !queue.parked.is_empty()) {
            let missed = self.ring.iter().find(|partition| queue.is_askable(**partition, clock));
            assert_eq!(missed, None, "{key:?} waits beside a partition worth asking");
        }
    }

    /// Waiting polls that take jobs.
    #[cfg(test)]
    pub(super) fn takers(&self) -> usize {
        self.queues.values().map(|queue| queue.parked.len()).sum()
    }

    /// Queues that are kept.
    #[cfg(test)]
    pub(super) fn queues(&self) -> usize {
        self.queues.len()
    }

    fn clock(&self, now: Millis) -> Clock {
        Clock { now, probe: self.settings.probe_interval }
    }

    fn next(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A poll arrives and begins its first pass.
    ///
    /// # Errors
    /// [`TooManyPolls`] when its queue is full.
    pub fn arrive(
        &mut self,
        new: NewPoll,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Result<PollId, TooManyPolls> {
        let id = PollId(self.next());
        if !self.queues.contains_key(&new.queue) {
            self.queues.insert(new.queue.clone(), Queue::default());
            self.idle += 1;
        }
        let queue = self.queues.entry(new.queue.clone()).or_default();
        if queue.polls >= self.settings.polls_per_queue {
            let polls = queue.polls;
            self.schedule_wake(&new.queue, now);
            return Err(TooManyPolls(polls));
        }
        if queue.polls == 0 {
            self.idle -= 1;
        }
        queue.polls += 1;
        queue.used_at = now;
        let since = if now < queue.doubt_until { now } else { Millis(i64::MIN) };
        let todo = if new.max_jobs > 0 { queue.next_pass(&self.ring) } else { Vec::new() };
        let poll = Poll {
            queue: new.queue.clone(),
            terms: new.terms,
            wait: new.wait,
            remaining: new.max_jobs,
            delivered: 0,
            phase: Phase::Parked,
            todo: todo.into(),
            since,
            deadline: None,
            expired: false,
            exhausted: false,
            empty_truncations: 0,
        };
        self.polls.insert(id, poll);
        self.step(id, now, out);
        self.schedule_wake(&new.queue, now);
        Ok(id)
    }

    /// The client is gone. What its question brings goes to another poll or back.
    pub fn cancel(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        if let Some(queue) = self.remove(id, now) {
            self.wake(&queue, now, out);
        }
    }

    /// A partition answered. Says where its jobs go; report what was taken with
    /// [`LongPolls::taken`].
    pub fn answered(
        &mut self,
        ask: AskId,
        answer: Answer,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Disposition {
        let nobody = Disposition { to: None, count: 0 };
        let Some(ask) = self.asks.remove(&ask) else {
            return nobody;
        };
        self.learn(&ask, answer, now);
        let alive = self.polls.get(&ask.poll).is_some_and(|poll| poll.phase == Phase::Asking);
        let disposition = match answer {
            Answer::Jobs { count, truncated } if count > 0 => {
                self.assign(&ask, alive, count, truncated)
            }
            Answer::Rejected if alive => {
                self.remove(ask.poll, now);
                nobody
            }
            _ if alive => {
                self.go_on(&ask, answer, now, out);
                nobody
            }
            _ => nobody,
        };
        self.wake(&ask.queue, now, out);
        disposition
    }

    /// What the answer says about the partition.
    fn learn(&mut self, ask: &Ask, answer: Answer, now: Millis) {
        let repeated = self.polls.get(&ask.poll).map_or(0, |poll| poll.empty_truncations);
        let Some(queue) = self.queues.get_mut(&ask.queue) else { return };
        queue.asks = queue.asks.saturating_sub(1);
        let known = queue.knowledge(ask.partition);
        known.in_flight = known.in_flight.saturating_sub(1);
        match answer {
            Answer::Jobs { count, truncated } => {
                let unannounced = count > 0 && known.empty.is_some_and(|e| e.epoch == ask.epoch);
                known.answered();
                let asked = usize::try_from(ask.max_jobs).unwrap_or(0);
                known.hot = count > 0 && (truncated || count >= asked);
                known.empty = (!known.hot && !truncated)
                    .then_some(Emptiness { epoch: ask.epoch, asked_at: ask.at });
                if truncated && count == 0 && repeated >= MAX_EMPTY_TRUNCATIONS {
                    known.failed(false, now);
                }
                if unannounced {
                    queue.doubt_until = now + DOUBT;
                }
            }
            Answer::Rejected | Answer::NotAsked => {}
            Answer::Failed { exhausted } => known.failed(exhausted, now),
        }
    }

    /// The poll goes on after an answer without jobs.
    fn go_on(&mut self, ask: &Ask, answer: Answer, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get_mut(&ask.poll) else { return };
        match answer {
            Answer::Failed { exhausted } => poll.exhausted = exhausted,
            Answer::Jobs { truncated: true, .. }
                if poll.empty_truncations < MAX_EMPTY_TRUNCATIONS =>
            {
                poll.empty_truncations += 1;
                poll.todo.push_front(ask.partition);
            }
            _ => {}
        }
        self.step(ask.poll, now, out);
    }

    /// Who takes activated jobs: the poll that asked, else the oldest that waits on equal terms.
    fn assign(&mut self, ask: &Ask, alive: bool, count: usize, truncated: bool) -> Disposition {
        if alive && let Some(poll) = self.polls.get_mut(&ask.poll) {
            poll.phase = Phase::Delivering { again: truncated.then_some(ask.partition) };
            return Disposition { to: Some(ask.poll), count };
        }
        let Some(queue) = self.queues.get_mut(&ask.queue) else {
            return Disposition { to: None, count: 0 };
        };
        let heir = queue
            .parked
            .iter()
            .copied()
            .find(|id| self.polls.get(id).is_some_and(|poll| poll.terms == ask.terms));
        let Some((id, poll)) = heir.and_then(|id| Some((id, self.polls.get_mut(&id)?))) else {
            return Disposition { to: None, count: 0 };
        };
        queue.parked.remove(&id);
        poll.phase = Phase::Delivering { again: None };
        poll.todo.clear();
        let room = usize::try_from(poll.remaining).unwrap_or(0);
        Disposition { to: Some(id), count: count.min(room) }
    }

    /// `count` of the jobs a poll was given are on their way to its client, so the pass goes on.
    pub fn taken(&mut self, id: PollId, count: usize, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get_mut(&id) else { return };
        let Phase::Delivering { again } = poll.phase else { return };
        poll.delivered += count;
        poll.remaining = poll.remaining.saturating_sub(i32::try_from(count).unwrap_or(i32::MAX));
        if poll.remaining <= 0 || poll.expired {
            return self.finish(Output::Complete { poll: id }, id, now, out);
        }
        if let Some(partition) = again {
            poll.todo.push_front(partition);
        }
        let queue = poll.queue.clone();
        self.step(id, now, out);
        self.wake(&queue, now, out);
    }

    /// Jobs of this type became available somewhere.
    pub fn notified(&mut self, job_type: &str, now: Millis, out: &mut Vec<Output>) {
        let first = QueueKey { job_type: job_type.to_owned(), tenant_ids: Vec::new() };
        let keys: Vec<QueueKey> = self
            .queues
            .range(first..)
            .map(|(key, _)| key)
            .take_while(|key| key.job_type == job_type)
            .cloned()
            .collect();
        for key in keys {
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.epoch += 1;
            }
            self.wake(&key, now, out);
        }
    }

    /// The partitions with a leader, sorted. A partition that got one is worth asking.
    pub fn set_partitions(&mut self, ring: Vec<PartitionId>, now: Millis, out: &mut Vec<Output>) {
        let gained: Vec<_> = ring.iter().filter(|p| !self.ring.contains(p)).copied().collect();
        self.ring = ring;
        for queue in self.queues.values_mut() {
            for partition in &gained {
                if let Some(known) = queue.partitions.get_mut(partition) {
                    known.empty = None;
                    known.answered();
                }
            }
            queue.partitions.retain(|p, known| known.in_flight > 0 || self.ring.contains(p));
        }
        let keys: Vec<QueueKey> = self.queues.keys().cloned().collect();
        for key in keys {
            self.wake(&key, now, out);
        }
    }

    /// Time passed.
    pub fn on_time(&mut self, now: Millis, out: &mut Vec<Output>) {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            self.time_is_up(id, now, out);
        }
        while let Some((at, key)) = self.wakes.first().filter(|(at, _)| *at <= now).cloned() {
            self.wakes.remove(&(at, key.clone()));
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.wake_at = None;
            }
            self.wake(&key, now, out);
        }
    }

    fn time_is_up(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get_mut(&id) else { return };
        match poll.phase {
            Phase::Delivering { .. } => {
                poll.expired = true;
                poll.deadline = None;
            }
            Phase::Asking if !poll.expired => {
                poll.expired = true;
                let at = now + GRACE;
                poll.deadline = Some(at);
                self.timers.insert((at, id));
            }
            Phase::Asking | Phase::Parked => self.expire(id, now, out),
        }
    }

    /// Ends a poll whose time is up. While a partition is overloaded, "no jobs" would be a guess.
    fn expire(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
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

    /// Asks the next partition of the pass, or ends the pass.
    fn step(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        let clock = self.clock(now);
        let Some(poll) = self.polls.get_mut(&id) else { return };
        let Some(queue) = self.queues.get_mut(&poll.queue) else { return };
        let patient = poll.wait != Wait::Never;
        while let Some(partition) = poll.todo.pop_front() {
            if poll.expired || self.ring.binary_search(&partition).is_err() {
                continue;
            }
            let known = *queue.knowledge(partition);
            if patient {
                let joins = known.in_flight > 0 && !known.hot;
                if joins || queue.is_empty(partition, poll.since, clock) {
                    continue;
                }
                if known.retry_at > now {
                    poll.exhausted = known.is_exhausted();
                    continue;
                }
            }
            queue.knowledge(partition).in_flight += 1;
            queue.asks += 1;
            poll.phase = Phase::Asking;
            let ask = Ask {
                queue: poll.queue.clone(),
                poll: id,
                terms: poll.terms,
                partition,
                max_jobs: poll.remaining,
                epoch: queue.epoch,
                at: now,
            };
            let max_jobs = poll.remaining;
            let ask_id = AskId(self.next());
            self.asks.insert(ask_id, ask);
            out.push(Output::Ask { ask: ask_id, poll: id, partition, max_jobs });
            return;
        }
        self.end_pass(id, now, out);
    }

    fn end_pass(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get_mut(&id) else { return };
        if poll.delivered > 0 {
            return self.finish(Output::Complete { poll: id }, id, now, out);
        }
        let wait = match poll.wait {
            Wait::Never if poll.exhausted => {
                return self.finish(Output::Exhausted { poll: id }, id, now, out);
            }
            Wait::Never => return self.finish(Output::Complete { poll: id }, id, now, out),
            Wait::For(wait) => wait,
        };
        if poll.expired {
            return self.expire(id, now, out);
        }
        poll.phase = Phase::Parked;
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

    fn finish(&mut self, output: Output, id: PollId, now: Millis, out: &mut Vec<Output>) {
        out.push(output);
        if let Some(queue) = self.remove(id, now) {
            self.wake(&queue, now, out);
        }
    }

    fn remove(&mut self, id: PollId, now: Millis) -> Option<QueueKey> {
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
    fn wake(&mut self, key: &QueueKey, now: Millis, out: &mut Vec<Output>) {
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
    fn schedule_wake(&mut self, key: &QueueKey, now: Millis) {
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
