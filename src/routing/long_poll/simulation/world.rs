//! Brokers, network and clients around a scheduler, as a model whose every step is chosen by chance.
//!
//! Each action checks what must hold after it; [`World::settle`] lets everything that is on its way
//! arrive and then finds jobs that lie beside a poll which would take them.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng as _;
use rand::rngs::StdRng;

use super::super::tests::NEVER;
use super::super::*;
use super::Flaw;

const TYPES: [&str; 2] = ["t", "u"];
/// Tenants a poll may name; a job belongs to the first or the last of `["a", "b"]`.
const TENANTS: [&[&str]; 2] = [&["a"], &["a", "b"]];
/// Longest pause before a failed partition is asked again, and a little more.
const LONGEST_PAUSE: Millis = Millis(5_100);

/// What a job is: the index of its type, and of its tenant.
type Kind = (usize, usize);

/// A question on its way, and its answer once the broker gave it.
struct Question {
    ask: AskId,
    queue: QueueKey,
    partition: PartitionId,
    max_jobs: i32,
    answer: Option<(Answer, Vec<Kind>)>,
}

/// A poll that has not ended.
struct Waiting {
    queue: QueueKey,
    wait: Wait,
    since: Millis,
    got: usize,
}

pub(super) struct World {
    polls: LongPolls,
    now: Millis,
    flaw: Flaw,
    all: Vec<PartitionId>,
    led: Vec<PartitionId>,
    /// Jobs that can be activated.
    jobs: BTreeMap<PartitionId, Vec<Kind>>,
    /// Jobs whose activation was answered, but the answer got lost. They time out later.
    locked: Vec<(PartitionId, Kind)>,
    questions: Vec<Question>,
    /// Events that jobs of a type are available, on their way.
    notifications: Vec<usize>,
    /// Jobs on their way to a client.
    deliveries: Vec<(PollId, PartitionId, Vec<Kind>)>,
    waiting: BTreeMap<PollId, Waiting>,
    created: usize,
    received: usize,
}

impl World {
    pub(super) fn new(flaw: Flaw, rng: &mut StdRng) -> Self {
        let probe_interval = if rng.random_ratio(1, 4) { Millis(2_000) } else { NEVER };
        let mut polls = LongPolls::new(Settings {
            probe_interval,
            polls_per_queue: 1000,
            overload_ends_polls: false,
        });
        let all: Vec<_> = (1..=rng.random_range(1..4)).map(PartitionId).collect();
        polls.set_partitions(all.clone(), Millis(0), &mut Vec::new());
        Self {
            polls,
            now: Millis(0),
            flaw,
            led: all.clone(),
            jobs: all.iter().map(|p| (*p, Vec::new())).collect(),
            all,
            locked: Vec::new(),
            questions: Vec::new(),
            notifications: Vec::new(),
            deliveries: Vec::new(),
            waiting: BTreeMap::new(),
            created: 0,
            received: 0,
        }
    }

    /// What this life came to, to compare two of them.
    pub(super) fn summary(&self) -> (usize, usize, usize, Millis) {
        (self.created, self.received, self.waiting.len(), self.now)
    }

    /// Runs an input of the scheduler, and checks and performs what it decided.
    fn input<T>(&mut self, run: impl FnOnce(&mut LongPolls, Millis, &mut Vec<Output>) -> T) -> T {
        let waited: BTreeSet<PollId> =
            self.polls.queues.values().flat_map(|queue| queue.parked.iter().copied()).collect();
        let mut out = Vec::new();
        let result = run(&mut self.polls, self.now, &mut out);
        for output in out {
            match output {
                Output::Ask { ask, poll, partition, max_jobs } => {
                    let queue = self.waiting.get(&poll).expect("asks for a living poll");
                    let queue = queue.queue.clone();
                    assert!(max_jobs > 0 && self.led.contains(&partition));
                    self.assert_oldest(&queue, poll, &waited);
                    let answer = None;
                    self.questions.push(Question { ask, queue, partition, max_jobs, answer });
                }
                Output::Complete { poll } | Output::Exhausted { poll } => self.ended(poll),
            }
        }
        self.polls.assert_no_lost_wake_up(self.now);
        result
    }

    /// Of the polls that waited, none is passed over by a younger one.
    fn assert_oldest(&self, queue: &QueueKey, woken: PollId, waited: &BTreeSet<PollId>) {
        let still = self.polls.queues[queue].parked.iter().find(|poll| waited.contains(poll));
        let passed_over = still.filter(|older| waited.contains(&woken) && **older < woken);
        assert_eq!(passed_over, None, "waits while the younger {woken:?} asks");
    }

    fn ended(&mut self, poll: PollId) {
        let ended = self.waiting.remove(&poll).expect("ended twice, or before it began");
        if let Wait::For(wait) = ended.wait
            && ended.got == 0
        {
            assert!(self.now >= ended.since + wait, "{poll:?} ended before its time");
        }
    }

    fn arrive(&mut self, rng: &mut StdRng) {
        let wait = match rng.random_range(0..10) {
            0 => Wait::Never,
            1 => Wait::For(Millis(0)),
            2 => Wait::For(Millis(1)),
            3 => Wait::For(Millis(rng.random_range(2..4_000))),
            4 => Wait::For(Millis(i64::MAX)),
            _ => Wait::For(NEVER),
        };
        let max_jobs = match rng.random_range(0..20) {
            0 => -1,
            1 => 0,
            2 => i32::MAX,
            _ => rng.random_range(1..4),
        };
        let tenants = TENANTS[rng.random_range(0..TENANTS.len())];
        let queue = QueueKey {
            job_type: TYPES[any_type(rng)].to_owned(),
            tenant_ids: tenants.iter().map(|&tenant| tenant.to_owned()).collect(),
        };
        // Two frontends, or two kinds of worker: only equal ones may get each other's jobs.
        let terms = u64::from(rng.random_ratio(1, 4));
        let new = NewPoll { queue: queue.clone(), terms, max_jobs, wait };
        // The scheduler speaks of the poll before it returns its id, which is the next one.
        let next = PollId(self.polls.peek_id());
        self.waiting.insert(next, Waiting { queue, wait, since: self.now, got: 0 });
        let id = self.input(|polls, now, out| polls.arrive(new, now, out)).unwrap();
        assert_eq!(id, next);
    }

    /// The job can be activated, and the broker says so.
    fn available(&mut self, partition: PartitionId, kind: Kind) {
        self.jobs.entry(partition).or_default().push(kind);
        self.notifications.push(kind.0);
    }

    /// The broker works on a question.
    fn process(&mut self, index: usize, truncated: bool) {
        let question = &mut self.questions[index];
        if question.answer.is_some() {
            return;
        }
        let jobs = self.jobs.entry(question.partition).or_default();
        let max = usize::try_from(question.max_jobs).unwrap();
        let wanted = |kind: &Kind| takes(&question.queue, *kind);
        let max = if truncated { max.min(jobs.len() / 2) } else { max };
        let mut taken = Vec::new();
        jobs.retain(|kind| {
            let take = taken.len() < max && wanted(kind);
            if take {
                taken.push(*kind);
            }
            !take
        });
        question.answer = Some((Answer::Jobs { count: taken.len(), truncated }, taken));
    }

    /// The question fails, before or after the broker worked on it.
    fn fail(&mut self, index: usize, exhausted: bool) {
        let question = &mut self.questions[index];
        let activated = question.answer.take().map(|(_, jobs)| jobs).unwrap_or_default();
        question.answer = Some((Answer::Failed { exhausted }, Vec::new()));
        let partition = question.partition;
        self.locked.extend(activated.into_iter().map(|kind| (partition, kind)));
        self.answer(index);
    }

    /// The answer reaches the gateway.
    fn answer(&mut self, index: usize) {
        self.process(index, false);
        let Question { ask, queue, partition, answer, .. } = self.questions.swap_remove(index);
        let (mut answer, mut jobs) = answer.unwrap();
        match self.flaw {
            Flaw::NoEpoch => self.polls.forget_epoch_of(ask),
            Flaw::OverloadIsEmpty if answer == (Answer::Failed { exhausted: true }) => {
                answer = Answer::Jobs { count: 0, truncated: false };
            }
            _ => {}
        }
        let to = self.input(|polls, now, out| polls.answered(ask, answer, now, out));
        assert!(to.count <= jobs.len());
        let back = jobs.split_off(to.count);
        if let Some(poll) = to.to {
            assert_eq!(self.waiting[&poll].queue, queue, "jobs of another queue");
            self.deliveries.push((poll, partition, jobs));
        }
        self.given_back(partition, back);
    }

    fn given_back(&mut self, partition: PartitionId, jobs: Vec<Kind>) {
        for kind in jobs {
            self.available(partition, kind);
        }
    }

    fn notify(&mut self, index: usize) {
        let job_type = self.notifications.swap_remove(index);
        self.input(|polls, now, out| polls.notified(TYPES[job_type], now, out));
    }

    /// The client takes the first `count` of the jobs that are on their way to it.
    fn deliver(&mut self, index: usize, count: usize) {
        let (poll, partition, mut jobs) = self.deliveries.swap_remove(index);
        let of = jobs.len();
        let back = jobs.split_off(count.min(of));
        self.received += jobs.len();
        if let Some(waiting) = self.waiting.get_mut(&poll) {
            waiting.got += jobs.len();
        }
        self.input(|polls, now, out| polls.taken(poll, jobs.len(), of, now, out));
        self.given_back(partition, back);
    }

    /// A client goes away. One that is just being given jobs gives them back.
    fn cancel(&mut self, poll: PollId) {
        self.waiting.remove(&poll);
        self.input(|polls, now, out| polls.cancel(poll, now, out));
        let (gone, stay) = std::mem::take(&mut self.deliveries)
            .into_iter()
            .partition::<Vec<_>, _>(|(to, ..)| *to == poll);
        self.deliveries = stay;
        for (_, partition, jobs) in gone {
            self.given_back(partition, jobs);
        }
    }

    /// Partitions lose their leader or get one.
    fn elect(&mut self, led: Vec<PartitionId>) {
        self.led.clone_from(&led);
        if self.flaw == Flaw::ElectionsAreMissed {
            self.polls.ring = led;
            return;
        }
        self.input(|polls, now, out| polls.set_partitions(led, now, out));
    }

    fn advance(&mut self, by: Millis) {
        self.now = self.now + by;
        self.input(|polls, now, out| polls.on_time(now, out));
    }

    pub(super) fn random_step(&mut self, rng: &mut StdRng) {
        if rng.random_ratio(1, 2) {
            self.advance(Millis(rng.random_range(0..3)));
        }
        let any = |rng: &mut StdRng, len: usize| rng.random_range(0..len);
        match rng.random_range(0..24) {
            0..4 => self.arrive(rng),
            4..7 => {
                self.created += 1;
                let partition = self.all[any(rng, self.all.len())];
                self.available(partition, (any_type(rng), any(rng, 2)));
            }
            7..10 if !self.notifications.is_empty() => {
                self.notify(any(rng, self.notifications.len()));
            }
            10..13 if !self.questions.is_empty() => {
                let truncated = rng.random_ratio(1, 10);
                self.process(any(rng, self.questions.len()), truncated);
            }
            13..17 if !self.questions.is_empty() => self.answer(any(rng, self.questions.len())),
            17 if !self.questions.is_empty() => {
                self.fail(any(rng, self.questions.len()), rng.random_ratio(1, 2));
            }
            18..20 if !self.deliveries.is_empty() => {
                let (at, some) = (any(rng, self.deliveries.len()), rng.random_ratio(1, 8));
                let of = self.deliveries[at].2.len();
                self.deliver(at, if some { any(rng, of + 1) } else { of });
            }
            20 if !self.waiting.is_empty() => {
                let at = any(rng, self.waiting.len());
                self.cancel(*self.waiting.keys().nth(at).unwrap());
            }
            21 if !self.locked.is_empty() => self.time_out(any(rng, self.locked.len())),
            22 if rng.random_ratio(1, 4) => {
                let led = self.all.iter().filter(|_| rng.random_ratio(2, 3)).copied().collect();
                self.elect(led);
            }
            // Long enough for a question to become overdue, now and then.
            23 => self.advance(Millis(rng.random_range(0..1_500))),
            _ => {}
        }
    }

    fn time_out(&mut self, index: usize) {
        let (partition, kind) = self.locked.swap_remove(index);
        self.available(partition, kind);
    }

    /// Everything that is on its way arrives, at once and without a fault.
    fn arrive_all(&mut self) {
        for _ in 0..10_000 {
            if !self.questions.is_empty() {
                self.answer(0);
            } else if let Some((_, _, jobs)) = self.deliveries.first() {
                let count = jobs.len();
                self.deliver(0, count);
            } else if !self.notifications.is_empty() {
                self.notify(0);
            } else {
                return;
            }
        }
        panic!("the scheduler never comes to rest");
    }

    /// Brings the world to rest and checks that no job lies beside a poll that would take it.
    pub(super) fn settle(&mut self) {
        if self.led != self.all {
            self.elect(self.all.clone());
        }
        while !self.locked.is_empty() {
            self.time_out(0);
        }
        self.arrive_all();
        // Time stands still: no timer and no probe helps, only a pause after a failure excuses.
        self.assert_served(self.now);
        let end = self.now + LONGEST_PAUSE;
        while let Some(at) = self.polls.next_deadline().filter(|at| *at <= end) {
            self.advance(at - self.now);
            self.arrive_all();
        }
        self.assert_served(end);
        assert_eq!(self.polls.asking(), 0);
        let left: usize = self.jobs.values().map(Vec::len).sum();
        assert_eq!(self.created, self.received + left, "jobs got lost, or came twice");
    }

    /// Panics where a poll waits for jobs that are there, unless their partition failed and is to
    /// be asked again after `at`.
    fn assert_served(&self, at: Millis) {
        for (key, queue) in self.polls.queues.iter().filter(|(_, q)| !q.parked.is_empty()) {
            for (partition, jobs) in &self.jobs {
                let pauses = queue.partitions.get(partition).is_some_and(|k| k.retry_at > at);
                let missed = jobs.iter().find(|kind| takes(key, **kind));
                let poll = queue.parked.first();
                assert!(pauses || missed.is_none(), "{poll:?} waits beside a job on {partition:?}");
            }
        }
    }
}

fn any_type(rng: &mut StdRng) -> usize {
    rng.random_range(0..TYPES.len())
}

/// Whether polls of this queue take such a job.
fn takes(queue: &QueueKey, (job_type, tenant): Kind) -> bool {
    queue.job_type == TYPES[job_type] && tenant < queue.tenant_ids.len()
}
