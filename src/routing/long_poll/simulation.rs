//! Random schedules of polls, jobs, notifications and answers against a model of the brokers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::tests::{NEVER, partitions, poll, settings};
use super::*;

/// A question on its way, and its answer once the broker gave it.
struct Question {
    ask: AskId,
    partition: PartitionId,
    max_jobs: i32,
    answer: Option<Answer>,
}

/// Brokers, network and clients around a scheduler.
struct World {
    polls: LongPolls,
    now: Millis,
    jobs: BTreeMap<PartitionId, usize>,
    questions: Vec<Question>,
    notifications: usize,
    /// Jobs on their way to a client.
    deliveries: Vec<(PollId, usize)>,
    waiting: BTreeSet<PollId>,
    created: usize,
    received: usize,
}

impl World {
    fn new(partitions_count: u16) -> Self {
        let mut polls = LongPolls::new(settings());
        polls.set_partitions(partitions(partitions_count), Millis(0), &mut Vec::new());
        Self {
            polls,
            now: Millis(0),
            jobs: partitions(partitions_count).into_iter().map(|p| (p, 0)).collect(),
            questions: Vec::new(),
            notifications: 0,
            deliveries: Vec::new(),
            waiting: BTreeSet::new(),
            created: 0,
            received: 0,
        }
    }

    fn apply(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Ask { ask, poll, partition, max_jobs } => {
                    assert!(max_jobs > 0 && self.waiting.contains(&poll));
                    self.questions.push(Question { ask, partition, max_jobs, answer: None });
                }
                Output::Complete { poll } | Output::Exhausted { poll } => {
                    assert!(self.waiting.remove(&poll), "ended twice");
                }
            }
        }
        self.polls.assert_no_lost_wake_up(self.now);
    }

    fn arrive(&mut self, max_jobs: i32, wait: Wait) {
        let mut out = Vec::new();
        let id = self.polls.arrive(poll(max_jobs, wait), self.now, &mut out).unwrap();
        self.waiting.insert(id);
        self.apply(out);
    }

    fn create_job(&mut self, partition: PartitionId) {
        *self.jobs.get_mut(&partition).unwrap() += 1;
        self.created += 1;
        self.notifications += 1;
    }

    /// The broker works on a question.
    fn process(&mut self, index: usize) {
        let question = &mut self.questions[index];
        if question.answer.is_some() {
            return;
        }
        let available = self.jobs.get_mut(&question.partition).unwrap();
        let count = (*available).min(usize::try_from(question.max_jobs).unwrap());
        *available -= count;
        question.answer = Some(Answer::Jobs { count, truncated: false });
    }

    /// The answer reaches the gateway.
    fn answer(&mut self, index: usize) {
        self.process(index);
        let question = self.questions.swap_remove(index);
        let answer = question.answer.unwrap();
        let Answer::Jobs { count, .. } = answer else { unreachable!() };
        let mut out = Vec::new();
        let to = self.polls.answered(question.ask, answer, self.now, &mut out);
        assert!(to.count <= count);
        if let Some(poll) = to.to {
            assert!(self.waiting.contains(&poll));
            self.deliveries.push((poll, to.count));
        }
        self.apply(out);
        for _ in to.count..count {
            // Given back: available again, and announced.
            self.created -= 1;
            self.create_job(question.partition);
        }
    }

    fn notify(&mut self) {
        self.notifications -= 1;
        let mut out = Vec::new();
        self.polls.notified("t", self.now, &mut out);
        self.apply(out);
    }

    fn deliver(&mut self, index: usize) {
        let (poll, count) = self.deliveries.swap_remove(index);
        let mut out = Vec::new();
        self.received += count;
        self.polls.taken(poll, count, count, self.now, &mut out);
        self.apply(out);
    }

    /// A client goes away. One that is just being given jobs gives them back.
    fn cancel(&mut self, poll: PollId) {
        self.waiting.remove(&poll);
        let mut out = Vec::new();
        self.polls.cancel(poll, self.now, &mut out);
        let (gone, stay) = self.deliveries.iter().partition(|(to, _)| *to == poll);
        self.deliveries = stay;
        self.apply(out);
        let gone: Vec<(PollId, usize)> = gone;
        for (_, count) in gone {
            for _ in 0..count {
                self.created -= 1;
                self.create_job(PartitionId(1));
            }
        }
    }

    fn advance(&mut self, by: Millis) {
        self.now = self.now + by;
        let mut out = Vec::new();
        self.polls.on_time(self.now, &mut out);
        self.apply(out);
    }

    fn random_step(&mut self, rng: &mut StdRng) {
        self.advance(Millis(rng.random_range(0..3)));
        let any = |rng: &mut StdRng, len: usize| rng.random_range(0..len);
        match rng.random_range(0..9) {
            0 => self.arrive(rng.random_range(0..4), Wait::For(NEVER)),
            1 => self.arrive(rng.random_range(1..4), Wait::Never),
            2 => {
                let partition = u16::try_from(any(rng, self.jobs.len()) + 1).unwrap();
                self.create_job(PartitionId(partition));
            }
            3 if self.notifications > 0 => self.notify(),
            4 if !self.questions.is_empty() => self.process(any(rng, self.questions.len())),
            5 if !self.questions.is_empty() => self.answer(any(rng, self.questions.len())),
            6 if !self.deliveries.is_empty() => self.deliver(any(rng, self.deliveries.len())),
            7 if !self.waiting.is_empty() && rng.random_bool(0.2) => {
                let at = any(rng, self.waiting.len());
                self.cancel(self.waiting.iter().copied().nth(at).unwrap());
            }
            // Long enough for a question to become overdue, now and then.
            8 => self.advance(Millis(rng.random_range(0..1_500))),
            _ => {}
        }
    }

    /// Lets everything that is on its way arrive. Time stands still: no timer and no probe helps.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.questions.is_empty() {
                self.answer(0);
            } else if !self.deliveries.is_empty() {
                self.deliver(0);
            } else if self.notifications > 0 {
                self.notify();
            } else {
                return;
            }
        }
        panic!("the scheduler never comes to rest");
    }
}

/// How many schedules are tried; `BEEGATE_SCHEDULES` sets another number.
fn schedules() -> u64 {
    std::env::var("BEEGATE_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

#[test]
fn no_schedule_loses_a_wake_up() {
    for seed in 0..schedules() {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(rng.random_range(1..4));
        for _ in 0..rng.random_range(5..40) {
            world.random_step(&mut rng);
        }
        world.settle();
        let jobs: usize = world.jobs.values().sum();
        assert_eq!(world.polls.asking(), 0, "seed {seed}");
        assert!(jobs == 0 || world.polls.takers() == 0, "seed {seed}: {jobs} jobs beside polls");
        assert_eq!(world.created, world.received + jobs, "seed {seed}: jobs got lost");
    }
}

proptest! {
    #[test]
    fn the_same_inputs_give_the_same_outputs(seed in any::<u64>()) {
        let run = || {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut world = World::new(2);
            for _ in 0..30 {
                world.random_step(&mut rng);
            }
            (world.questions.len(), world.received, world.polls.len())
        };
        prop_assert_eq!(run(), run());
    }
}
