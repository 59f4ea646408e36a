//! The state machine over all queues.

use std::collections::{BTreeMap, BTreeSet};

use super::poll::{Ask, Poll};
use super::queue::{Clock, Emptiness, Queue};
use super::{Answer, AskId, Disposition, NewPoll, Output, PollId, QueueKey, Settings};
use crate::model::{Millis, PartitionId};

/// How much longer a poll whose time is up waits for an answer that is under way.
const GRACE: Millis = Millis(500);
/// How long notifications are not relied on after jobs were found without one.
const DOUBT: Millis = Millis(60_000);
/// How often a partition is asked again in one pass when it left out jobs for size and sent none.
const MAX_EMPTY_TRUNCATIONS: u32 = 3;
/// How long a poll waits for one partition before it goes on without it.
pub(super) const PATIENCE: Millis = Millis(1_000);

/// A queue has as many polls as the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} polls of this job type are waiting already")]
pub struct TooManyPolls(pub usize);

/// All polls. See the [module](super) for what it promises.
#[derive(Debug)]
pub struct LongPolls {
    pub(super) settings: Settings,
    /// Partitions with a leader, sorted.
    pub(super) ring: Vec<PartitionId>,
    pub(super) queues: BTreeMap<QueueKey, Queue>,
    pub(super) polls: BTreeMap<PollId, Poll>,
    pub(super) asks: BTreeMap<AskId, Ask>,
    pub(super) timers: BTreeSet<(Millis, PollId)>,
    /// When questions become overdue.
    pub(super) patience: BTreeSet<(Millis, AskId)>,
    pub(super) wakes: BTreeSet<(Millis, QueueKey)>,
    pub(super) idle: usize,
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
            patience: BTreeSet::new(),
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
        self.polls.values().filter(|poll| poll.is_parked()).count()
    }

    /// When [`LongPolls::on_time`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let patience = self.patience.first().map(|(at, _)| *at);
        let wake = self.wakes.first().map(|(at, _)| *at);
        timer.into_iter().chain(patience).chain(wake).min()
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

    /// The number of the next poll.
    #[cfg(test)]
    pub(super) fn peek_id(&self) -> u64 {
        self.next_id + 1
    }

    /// A defect for the simulation to find: the answer will count for the present epoch.
    #[cfg(test)]
    pub(super) fn forget_epoch_of(&mut self, ask: AskId) {
        let Some(ask) = self.asks.get_mut(&ask) else { return };
        if let Some(queue) = self.queues.get(&ask.queue) {
            ask.epoch = queue.epoch;
        }
    }

    /// Queues that are kept.
    #[cfg(test)]
    pub(super) fn queues(&self) -> usize {
        self.queues.len()
    }

    pub(super) fn clock(&self, now: Millis) -> Clock {
        Clock { now, probe: self.settings.probe_interval }
    }

    pub(super) fn next(&mut self) -> u64 {
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
            asked_for: 0,
            delivered: 0,
            asks: 0,
            handing: 0,
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
        let Some(ask) = self.take_ask(ask) else { return nobody };
        self.learn(&ask, answer, now);
        let alive = self.polls.contains_key(&ask.poll);
        let disposition = match answer {
            Answer::Jobs { count, truncated } if count > 0 => self.assign(&ask, count, truncated),
            Answer::Rejected if alive => {
                self.remove(ask.poll, now);
                nobody
            }
            _ if alive && !ask.overdue => {
                self.go_on(&ask, answer, now, out);
                nobody
            }
            _ => nobody,
        };
        self.wake(&ask.queue, now, out);
        disposition
    }

    /// The question is answered: nobody waits for it any more.
    fn take_ask(&mut self, id: AskId) -> Option<Ask> {
        let ask = self.asks.remove(&id)?;
        if !ask.overdue {
            self.patience.remove(&(ask.at + PATIENCE, id));
            self.release(&ask);
        }
        Some(ask)
    }

    /// The partition and the poll of the question are free for others.
    fn release(&mut self, ask: &Ask) {
        if let Some(queue) = self.queues.get_mut(&ask.queue) {
            let known = queue.knowledge(ask.partition);
            known.in_flight = known.in_flight.saturating_sub(1);
        }
        if let Some(poll) = self.polls.get_mut(&ask.poll) {
            poll.asks = poll.asks.saturating_sub(1);
            poll.asked_for = poll.asked_for.saturating_sub(ask.max_jobs);
        }
    }

    /// What the answer says about the partition.
    fn learn(&mut self, ask: &Ask, answer: Answer, now: Millis) {
        let repeated = self.polls.get(&ask.poll).map_or(0, |poll| poll.empty_truncations);
        let Some(queue) = self.queues.get_mut(&ask.queue) else { return };
        queue.asks = queue.asks.saturating_sub(1);
        let known = queue.knowledge(ask.partition);
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
    fn assign(&mut self, ask: &Ask, count: usize, truncated: bool) -> Disposition {
        let asker = self.polls.get(&ask.poll).filter(|poll| poll.room() > 0).map(|_| ask.poll);
        let Some(id) = asker.or_else(|| self.heir(ask)) else {
            return Disposition { to: None, count: 0 };
        };
        if let Some(queue) = self.queues.get_mut(&ask.queue) {
            queue.parked.remove(&id);
        }
        let Some(poll) = self.polls.get_mut(&id) else {
            return Disposition { to: None, count: 0 };
        };
        if poll.is_parked() {
            poll.todo.clear();
        }
        let count = count.min(poll.room());
        poll.promise(count);
        let asked = usize::try_from(ask.max_jobs).unwrap_or(0);
        if truncated {
            poll.todo.push_front(ask.partition);
        } else if count >= asked {
            // It gave its share and may have more than that.
            poll.todo.push_back(ask.partition);
        }
        Disposition { to: Some(id), count }
    }

    fn heir(&self, ask: &Ask) -> Option<PollId> {
        let mut waiting = self.queues.get(&ask.queue)?.parked.iter().copied();
        waiting.find(|id| self.polls.get(id).is_some_and(|poll| poll.terms == ask.terms))
    }

    /// `count` of `of` jobs that a poll was given are on their way to its client, the others were
    /// given back. The pass goes on.
    pub fn taken(
        &mut self,
        id: PollId,
        count: usize,
        of: usize,
        now: Millis,
        out: &mut Vec<Output>,
    ) {
        let Some(poll) = self.polls.get_mut(&id).filter(|poll| poll.handing > 0) else { return };
        poll.handing -= 1;
        poll.delivered += count;
        let returned = i32::try_from(of.saturating_sub(count)).unwrap_or(i32::MAX);
        poll.remaining = poll.remaining.saturating_add(returned);
        if poll.handing == 0 && (poll.remaining <= 0 || poll.expired) {
            return self.finish(Output::Complete { poll: id }, id, now, out);
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
        while let Some((at, id)) = self.patience.first().copied().filter(|(at, _)| *at <= now) {
            self.patience.remove(&(at, id));
            self.overdue(id, now, out);
        }
        while let Some((at, key)) = self.wakes.first().filter(|(at, _)| *at <= now).cloned() {
            self.wakes.remove(&(at, key.clone()));
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.wake_at = None;
            }
            self.wake(&key, now, out);
        }
    }

    /// The poll goes on without this answer, so that one slow partition holds up nobody.
    fn overdue(&mut self, id: AskId, now: Millis, out: &mut Vec<Output>) {
        let Some(mut ask) = self.asks.remove(&id) else { return };
        self.release(&ask);
        if let Some(queue) = self.queues.get_mut(&ask.queue) {
            queue.knowledge(ask.partition).failed(false, now);
        }
        ask.overdue = true;
        let (poll, queue) = (ask.poll, ask.queue.clone());
        self.asks.insert(id, ask);
        self.step(poll, now, out);
        self.wake(&queue, now, out);
    }

    fn time_is_up(&mut self, id: PollId, now: Millis, out: &mut Vec<Output>) {
        let Some(poll) = self.polls.get_mut(&id) else { return };
        if poll.handing > 0 {
            poll.expired = true;
            poll.deadline = None;
        } else if poll.asks > 0 && !poll.expired {
            poll.expired = true;
            let at = now + GRACE;
            poll.deadline = Some(at);
            self.timers.insert((at, id));
        } else {
            self.expire(id, now, out);
        }
    }
}
