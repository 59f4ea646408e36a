//! What the scheduler promises, one case each.

use super::*;

pub(super) const NEVER: Millis = Millis(i64::MAX / 4);

fn queue(job_type: &str) -> QueueKey {
    QueueKey { job_type: job_type.to_owned(), tenant_ids: vec!["<default>".to_owned()] }
}

fn poll(max_jobs: i32, wait: Wait) -> NewPoll {
    NewPoll { queue: queue("t"), terms: 0, max_jobs, wait }
}

fn partitions(count: u16) -> Vec<PartitionId> {
    (1..=count).map(PartitionId).collect()
}

fn outputs(run: impl FnOnce(&mut Vec<Output>)) -> Vec<Output> {
    let mut out = Vec::new();
    run(&mut out);
    out
}

fn settings(probe_interval: Millis, polls_per_queue: usize) -> Settings {
    Settings { probe_interval, polls_per_queue, overload_ends_polls: false }
}

/// A scheduler with this many partitions and a probe interval of 10 s.
fn scheduler(count: u16) -> LongPolls {
    let mut polls = LongPolls::new(settings(Millis(10_000), 3));
    polls.set_partitions(partitions(count), Millis(0), &mut Vec::new());
    polls
}

const NO_JOBS: Answer = Answer::Jobs { count: 0, truncated: false };

fn arrive(polls: &mut LongPolls, max_jobs: i32, wait: Wait, now: i64) -> (PollId, Vec<Output>) {
    let mut out = Vec::new();
    let id = polls.arrive(poll(max_jobs, wait), Millis(now), &mut out).unwrap();
    (id, out)
}

fn asked_for(output: &Output) -> i32 {
    match output {
        Output::Ask { max_jobs, .. } => *max_jobs,
        other => panic!("{other:?}"),
    }
}

/// Answers every question with "no jobs" until no more is asked; returns how many there were.
fn answer_all_empty(polls: &mut LongPolls, mut out: Vec<Output>, now: i64) -> usize {
    let mut asked = 0;
    while let Some(Output::Ask { ask, .. }) = out.pop() {
        asked += 1;
        polls.answered(ask, NO_JOBS, Millis(now), &mut out);
    }
    asked
}

#[test]
fn a_pass_asks_every_partition_once_and_then_the_clock_starts() {
    let mut polls = scheduler(3);
    let (id, out) = arrive(&mut polls, 5, Wait::For(Millis(700)), 0);
    let shares: Vec<i32> = out.iter().map(asked_for).collect();
    assert_eq!(shares, [2, 2, 1], "all at the same time, each for its share");
    assert_eq!(answer_all_empty(&mut polls, out, 40), 3);
    assert_eq!(polls.next_deadline(), Some(Millis(740)));
    let end = outputs(|out| polls.on_time(Millis(740), out));
    assert_eq!(end, [Output::Complete { poll: id }]);
    assert!(polls.is_empty());
}

#[test]
fn without_waiting_one_pass_is_all() {
    let mut polls = scheduler(1);
    let (id, out) = arrive(&mut polls, 5, Wait::Never, 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    let end = outputs(|out| {
        polls.answered(ask, NO_JOBS, Millis(1), out);
    });
    assert_eq!(end, [Output::Complete { poll: id }]);
}

#[test]
fn a_poll_for_no_jobs_never_asks() {
    let mut polls = scheduler(3);
    let (id, out) = arrive(&mut polls, 0, Wait::Never, 0);
    assert_eq!(out, [Output::Complete { poll: id }]);
    let (id, out) = arrive(&mut polls, -1, Wait::For(Millis(600)), 0);
    assert_eq!(out, []);
    assert_eq!(outputs(|out| polls.notified("t", Millis(1), out)), []);
    let end = outputs(|out| polls.on_time(Millis(600), out));
    assert_eq!(end, [Output::Complete { poll: id }]);
}

#[test]
fn waiting_polls_share_what_one_of_them_learns() {
    let mut polls = scheduler(3);
    let (_, out) = arrive(&mut polls, 1, Wait::For(Millis(60_000)), 0);
    assert_eq!(answer_all_empty(&mut polls, out, 1), 3);
    for _ in 0..2 {
        assert_eq!(arrive(&mut polls, 1, Wait::For(Millis(60_000)), 2).1, []);
    }
    // A notification makes every partition worth one question, not one per poll.
    let out = outputs(|out| polls.notified("t", Millis(3), out));
    assert_eq!(out.len(), 3);
    assert_eq!(answer_all_empty(&mut polls, out, 4), 3);
    // So does the probe interval.
    let out = outputs(|out| polls.on_time(Millis(10_003), out));
    assert_eq!(answer_all_empty(&mut polls, out, 10_004), 3);
}

/// The cost of idle workers depends on job types and partitions, not on how many there are.
#[test]
fn ten_thousand_idle_polls_cost_one_question_per_type_partition_and_interval() {
    const TYPES: usize = 200;
    let probe = Millis(10_000);
    let mut polls = LongPolls::new(settings(probe, 1_000));
    polls.set_partitions(partitions(3), Millis(0), &mut Vec::new());
    for number in 0..10_000 {
        let new = NewPoll {
            queue: queue(&format!("type-{}", number % TYPES)),
            ..poll(32, Wait::For(Millis(600_000)))
        };
        let mut out = Vec::new();
        polls.arrive(new, Millis(0), &mut out).unwrap();
        answer_all_empty(&mut polls, out, 0);
    }
    assert_eq!(polls.parked(), 10_000);
    for interval in 1..=6 {
        let mut asked = 0;
        let end = Millis(interval * probe.0);
        while let Some(at) = polls.next_deadline().filter(|at| *at <= end) {
            let out = outputs(|out| polls.on_time(at, out));
            asked += answer_all_empty(&mut polls, out, at.0);
        }
        assert!((1..=TYPES * 3).contains(&asked), "{asked} questions in an interval");
    }
}

#[test]
fn the_oldest_waiting_poll_gets_the_first_job() {
    let mut polls = scheduler(1);
    let (oldest, out) = arrive(&mut polls, 1, Wait::For(NEVER), 0);
    answer_all_empty(&mut polls, out, 0);
    let (next, _) = arrive(&mut polls, 1, Wait::For(NEVER), 1);
    let out = outputs(|out| polls.notified("t", Millis(2), out));
    let [Output::Ask { ask, poll, .. }] = out[..] else { panic!("{out:?}") };
    assert_eq!(poll, oldest);
    let mut out = Vec::new();
    let jobs = Answer::Jobs { count: 1, truncated: false };
    let to = polls.answered(ask, jobs, Millis(3), &mut out);
    assert_eq!(to, Disposition { to: Some(oldest), count: 1 });
    // The partition may have more: the next poll asks without another notification.
    assert!(matches!(out[..], [Output::Ask { poll, .. }] if poll == next), "{out:?}");
    let end = outputs(|out| polls.taken(oldest, 1, 1, Millis(4), out));
    assert_eq!(end, [Output::Complete { poll: oldest }]);
}

#[test]
fn a_notification_during_the_question_outlives_its_empty_answer() {
    let mut polls = scheduler(1);
    let (_, out) = arrive(&mut polls, 1, Wait::For(NEVER), 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    assert_eq!(outputs(|out| polls.notified("t", Millis(1), out)), []);
    let out = outputs(|out| {
        polls.answered(ask, NO_JOBS, Millis(2), out);
    });
    assert!(matches!(out[..], [Output::Ask { .. }]), "{out:?}");
}

#[test]
fn overload_fails_a_poll_that_does_not_wait_and_pauses_one_that_does() {
    let exhausted = Answer::Failed { exhausted: true };
    let mut polls = scheduler(1);
    let (id, out) = arrive(&mut polls, 1, Wait::Never, 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    let end = outputs(|out| {
        polls.answered(ask, exhausted, Millis(0), out);
    });
    assert_eq!(end, [Output::Exhausted { poll: id }]);

    let mut polls = scheduler(1);
    let (id, out) = arrive(&mut polls, 1, Wait::For(Millis(150)), 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    assert_eq!(
        outputs(|out| {
            polls.answered(ask, exhausted, Millis(0), out);
        }),
        []
    );
    assert_eq!(polls.next_deadline(), Some(Millis(100)));
    let out = outputs(|out| polls.on_time(Millis(100), out));
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    assert_eq!(
        outputs(|out| {
            polls.answered(ask, exhausted, Millis(101), out);
        }),
        []
    );
    // Its time is up and the partition still overloaded: "no jobs" would be a guess.
    let end = outputs(|out| polls.on_time(Millis(150), out));
    assert_eq!(end, [Output::Exhausted { poll: id }]);
}

#[test]
fn where_the_jvm_gateway_is_the_measure_overload_fails_a_poll_that_waits() {
    let settings = Settings { overload_ends_polls: true, ..settings(NEVER, 3) };
    let mut polls = LongPolls::new(settings);
    polls.set_partitions(partitions(1), Millis(0), &mut Vec::new());
    let (id, out) = arrive(&mut polls, 1, Wait::For(Millis(60_000)), 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    let exhausted = Answer::Failed { exhausted: true };
    let end = outputs(|out| _ = polls.answered(ask, exhausted, Millis(1), out));
    assert_eq!(end, [Output::Exhausted { poll: id }]);
}

#[test]
fn a_failure_other_than_overload_is_not_told() {
    let mut polls = scheduler(1);
    let (id, out) = arrive(&mut polls, 1, Wait::Never, 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    let failed = Answer::Failed { exhausted: false };
    let end = outputs(|out| {
        polls.answered(ask, failed, Millis(0), out);
    });
    assert_eq!(end, [Output::Complete { poll: id }]);
}

#[test]
fn late_jobs_go_to_a_poll_on_equal_terms_or_back() {
    let mut polls = scheduler(1);
    let (first, out) = arrive(&mut polls, 2, Wait::For(NEVER), 0);
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    let mut other = poll(1, Wait::For(NEVER));
    other.terms = 7;
    polls.arrive(other, Millis(1), &mut Vec::new()).unwrap();
    let (heir, _) = arrive(&mut polls, 1, Wait::For(NEVER), 1);
    polls.cancel(first, Millis(2), &mut Vec::new());
    let jobs = Answer::Jobs { count: 2, truncated: false };
    let to = polls.answered(ask, jobs, Millis(3), &mut Vec::new());
    assert_eq!(to, Disposition { to: Some(heir), count: 1 });
}

#[test]
fn a_poll_whose_time_is_up_waits_a_moment_for_its_answer() {
    let mut polls = scheduler(1);
    let (id, out) = arrive(&mut polls, 1, Wait::For(Millis(100)), 0);
    answer_all_empty(&mut polls, out, 0);
    let out = outputs(|out| polls.notified("t", Millis(90), out));
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    assert_eq!(outputs(|out| polls.on_time(Millis(100), out)), []);
    let jobs = Answer::Jobs { count: 1, truncated: false };
    let to = polls.answered(ask, jobs, Millis(120), &mut Vec::new());
    assert_eq!(to.to, Some(id));
    let end = outputs(|out| polls.taken(id, 1, 1, Millis(121), out));
    assert_eq!(end, [Output::Complete { poll: id }]);
}

#[test]
fn truncated_answers_are_followed_up_at_the_same_partition() {
    let mut polls = scheduler(2);
    let (id, out) = arrive(&mut polls, 10, Wait::Never, 0);
    let [Output::Ask { ask, partition, max_jobs: 5, .. }, Output::Ask { max_jobs: 5, .. }] =
        out[..]
    else {
        panic!("{out:?}")
    };
    let jobs = Answer::Jobs { count: 4, truncated: true };
    polls.answered(ask, jobs, Millis(1), &mut Vec::new());
    let out = outputs(|out| polls.taken(id, 4, 4, Millis(2), out));
    assert!(
        matches!(out[..], [Output::Ask { partition: p, max_jobs: 1, .. }] if p == partition),
        "five are asked for elsewhere: {out:?}"
    );
}

#[test]
fn a_partition_that_gave_its_share_is_asked_for_what_others_did_not_have() {
    let mut polls = scheduler(3);
    let (id, out) = arrive(&mut polls, 9, Wait::Never, 0);
    let [
        Output::Ask { ask: first, .. },
        Output::Ask { ask: second, .. },
        Output::Ask { ask: third, .. },
    ] = out[..]
    else {
        panic!("{out:?}")
    };
    polls.answered(first, NO_JOBS, Millis(1), &mut Vec::new());
    let jobs = Answer::Jobs { count: 3, truncated: false };
    polls.answered(second, jobs, Millis(1), &mut Vec::new());
    assert_eq!(outputs(|out| _ = polls.answered(third, NO_JOBS, Millis(1), out)), []);
    let out = outputs(|out| polls.taken(id, 3, 3, Millis(2), out));
    let [Output::Ask { ask, partition: PartitionId(2), max_jobs: 6, .. }] = out[..] else {
        panic!("{out:?}")
    };
    let jobs = Answer::Jobs { count: 2, truncated: false };
    polls.answered(ask, jobs, Millis(3), &mut Vec::new());
    let end = outputs(|out| polls.taken(id, 2, 2, Millis(4), out));
    assert_eq!(end, [Output::Complete { poll: id }], "fewer than asked for: there are no more");
}

#[test]
fn nothing_more_is_asked_until_the_client_took_what_it_got() {
    let mut polls = scheduler(4);
    let (id, out) = arrive(&mut polls, 30, Wait::Never, 0);
    assert_eq!(out.len(), 3, "the fan-out");
    let [Output::Ask { ask, .. }, ..] = out[..] else { panic!("{out:?}") };
    let jobs = Answer::Jobs { count: 4, truncated: false };
    assert_eq!(outputs(|out| _ = polls.answered(ask, jobs, Millis(1), out)), []);
    let out = outputs(|out| polls.taken(id, 1, 4, Millis(2), out));
    // Three came back from the client: they may be asked for again, here or elsewhere.
    assert!(matches!(out[..], [Output::Ask { max_jobs: 9, .. }]), "{out:?}");
}

#[test]
fn a_slow_partition_holds_up_nobody_and_its_jobs_are_welcome() {
    let mut polls = scheduler(2);
    let (id, out) = arrive(&mut polls, 1, Wait::For(NEVER), 0);
    let [Output::Ask { ask: slow, partition: PartitionId(1), .. }] = out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(polls.next_deadline(), Some(Millis(1_000)));
    let out = outputs(|out| polls.on_time(Millis(1_000), out));
    let [Output::Ask { ask, partition: PartitionId(2), max_jobs: 1, .. }] = out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(outputs(|out| _ = polls.answered(ask, NO_JOBS, Millis(1_010), out)), []);
    assert_eq!(polls.parked(), 1);
    let jobs = Answer::Jobs { count: 1, truncated: false };
    let to = polls.answered(slow, jobs, Millis(5_000), &mut Vec::new());
    assert_eq!(to, Disposition { to: Some(id), count: 1 });
    let end = outputs(|out| polls.taken(id, 1, 1, Millis(5_001), out));
    assert_eq!(end, [Output::Complete { poll: id }]);
}

#[test]
fn late_jobs_beyond_what_the_poll_takes_go_to_the_next_one() {
    let mut polls = scheduler(2);
    let (first, out) = arrive(&mut polls, 1, Wait::For(NEVER), 0);
    let [Output::Ask { ask: slow, .. }] = out[..] else { panic!("{out:?}") };
    let out = outputs(|out| polls.on_time(Millis(1_000), out));
    let [Output::Ask { ask, .. }] = out[..] else { panic!("{out:?}") };
    let jobs = Answer::Jobs { count: 1, truncated: false };
    assert_eq!(polls.answered(ask, jobs, Millis(1_001), &mut Vec::new()).to, Some(first));
    let mut other = Vec::new();
    let second = polls.arrive(poll(1, Wait::For(NEVER)), Millis(1_002), &mut other).unwrap();
    for output in other {
        if let Output::Ask { ask, .. } = output {
            polls.answered(ask, NO_JOBS, Millis(1_003), &mut Vec::new());
        }
    }
    let to = polls.answered(slow, jobs, Millis(1_004), &mut Vec::new());
    assert_eq!(to, Disposition { to: Some(second), count: 1 }, "the first has all it wanted");
}

#[test]
fn endless_truncation_without_jobs_comes_to_rest() {
    let mut polls = scheduler(1);
    let (_, mut out) = arrive(&mut polls, 10, Wait::For(NEVER), 0);
    let mut asked = 0;
    while let Some(Output::Ask { ask, .. }) = out.pop() {
        asked += 1;
        let answer = Answer::Jobs { count: 0, truncated: true };
        polls.answered(ask, answer, Millis(0), &mut out);
        assert!(asked < 10);
    }
}

#[test]
fn a_partition_that_gets_a_leader_is_asked() {
    let mut polls = scheduler(0);
    let (_, out) = arrive(&mut polls, 1, Wait::For(NEVER), 0);
    assert_eq!(out, []);
    let out = outputs(|out| polls.set_partitions(partitions(1), Millis(5), out));
    assert!(matches!(out[..], [Output::Ask { .. }]), "{out:?}");
}

#[test]
fn jobs_found_without_notification_make_new_polls_ask_for_themselves() {
    let mut polls = scheduler(1);
    let (_, out) = arrive(&mut polls, 1, Wait::For(Millis(20_000)), 0);
    answer_all_empty(&mut polls, out, 0);
    let out = outputs(|out| polls.on_time(Millis(10_000), out));
    let [Output::Ask { ask, poll, .. }] = out[..] else { panic!("{out:?}") };
    let jobs = Answer::Jobs { count: 1, truncated: false };
    polls.answered(ask, jobs, Millis(10_001), &mut Vec::new());
    polls.taken(poll, 1, 1, Millis(10_001), &mut Vec::new());
    let (_, out) = arrive(&mut polls, 1, Wait::For(Millis(20_000)), 10_002);
    assert_eq!(answer_all_empty(&mut polls, out, 10_002), 1);
    let (_, out) = arrive(&mut polls, 1, Wait::For(Millis(20_000)), 10_003);
    assert_eq!(answer_all_empty(&mut polls, out, 10_003), 1, "although it was empty just now");
}

#[test]
fn queues_are_bounded_and_forgotten() {
    let mut polls = scheduler(1);
    for _ in 0..3 {
        arrive(&mut polls, 1, Wait::For(Millis(10)), 0);
    }
    let full = polls.arrive(poll(1, Wait::Never), Millis(0), &mut Vec::new());
    assert_eq!(full, Err(TooManyPolls(3)));
    // The first has its question under way; the others wait for what it learns.
    let ends = outputs(|out| polls.on_time(Millis(10), out));
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert_eq!(polls.queues(), 1);

    let mut polls = scheduler(1);
    let (_, out) = arrive(&mut polls, 1, Wait::Never, 0);
    answer_all_empty(&mut polls, out, 5);
    assert_eq!(polls.queues(), 1, "kept for what it knows");
    assert_eq!(polls.next_deadline(), Some(Millis(10_005)));
    assert_eq!(outputs(|out| polls.on_time(Millis(10_005), out)), []);
    assert_eq!(polls.queues(), 0);
}
