//! The verdicts of the state machine, one by one and under random schedules.

use proptest::prelude::*;

use super::*;

const START: Millis = Millis(1_000_000);

fn at(millis: i64) -> Millis {
    START + Millis(millis)
}

#[test]
fn a_silent_connection_is_pinged_once_and_then_ejected_until_a_byte_comes() {
    let mut health = Health::new(at(0));
    assert_eq!(health.next_check(), None, "an idle connection may be silent for ever");
    health.sent(at(5_000));
    assert_eq!(health.next_check(), Some(at(5_400)));
    assert!(!health.take_ping(at(5_399)) && health.take_ping(at(5_400)));
    assert!(!health.take_ping(at(5_500)), "once is enough");
    assert_eq!(health.next_check(), Some(at(6_000)));
    health.check(at(5_999));
    assert_eq!(health.ailment(), None);
    health.check(at(6_000));
    assert_eq!(health.ailment(), Some(Ailment::Silent));
    assert_eq!(health.next_check(), None);
    // What waited times out: that is no sign of life.
    health.ended(at(20_000), End::TimedOut);
    health.check(at(20_000));
    assert_eq!(health.ailment(), Some(Ailment::Silent));
    health.received(at(60_000));
    assert_eq!(health.ailment(), None);
}

#[test]
fn a_broker_that_answers_heartbeats_but_no_command_is_stuck() {
    let mut health = Health::new(at(0));
    health.sent(at(0));
    for tick in 1..=12 {
        assert!(health.take_ping(at(tick * 401)));
        health.received(at(tick * 401));
        health.check(at(tick * 401));
        assert_eq!(health.ailment(), None, "{tick}");
    }
    health.check(at(5_000));
    assert_eq!(health.ailment(), Some(Ailment::Stuck));
    health.received(at(5_001));
    assert_eq!(health.ailment(), Some(Ailment::Stuck), "only an answer proves the contrary");
    health.ended(at(5_002), End::Answered);
    assert_eq!(health.ailment(), None);
}

#[test]
fn timeouts_in_a_row_eject_and_an_answer_between_them_does_not_count_them() {
    let mut health = Health::new(at(0));
    let mut end = |end| {
        health.sent(at(0));
        health.ended(at(100), end);
        health.ailment()
    };
    let ends = [End::TimedOut, End::TimedOut, End::Answered, End::TimedOut, End::TimedOut];
    assert!(ends.into_iter().all(|each| end(each).is_none()));
    assert_eq!(end(End::GivenUp), None, "a client that leaves accuses nobody");
    assert_eq!(end(End::TimedOut), Some(Ailment::TimingOut));
}

#[test]
fn a_suspicion_holds_until_the_broker_is_heard_or_cleared() {
    let mut health = Health::new(at(0));
    health.suspect(true);
    assert_eq!(health.ailment(), Some(Ailment::Suspected));
    assert!(health.take_ping(at(1)), "asked at once");
    health.received(at(2));
    health.suspect(true);
    assert_eq!(health.ailment(), None, "the same suspicion is no news");
    health.suspect(false);
    health.suspect(true);
    assert_eq!(health.ailment(), Some(Ailment::Suspected));
    health.suspect(false);
    assert_eq!(health.ailment(), None);
}

#[test]
fn a_closed_gate_lets_one_probe_through_per_interval_and_none_while_one_waits() {
    let gate = Gate::default();
    assert!(gate.admits(at(0)) && gate.admits(at(0)));
    assert!(gate.set(at(0), Some(Ailment::Silent), true));
    assert!(!gate.set(at(1), Some(Ailment::Stuck), true), "it was closed before");
    assert_eq!(gate.ejected(), Some((Ailment::Stuck, at(0))));
    assert!(!gate.admits(at(5_000)), "something waits already");
    gate.set(at(5_000), Some(Ailment::Stuck), false);
    assert!(gate.admits(at(5_000)));
    assert!(!gate.admits(at(5_999)));
    assert!(gate.admits(at(6_000)));
    assert!(gate.set(at(6_001), None, false));
    assert_eq!((gate.ejected(), gate.counts()), (None, (1, 2)));
}

#[test]
fn commands_that_wait_for_a_process_to_end_are_not_prompt() {
    assert!(!is_prompt(CommandKind::CreateProcessInstanceWithResult));
    assert!(is_prompt(CommandKind::CreateProcessInstance) && is_prompt(CommandKind::ActivateJobs));
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    End(End),
    Receive,
    Suspect(bool),
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![Just(End::Answered), Just(End::TimedOut), Just(End::GivenUp)];
    let step = prop_oneof![
        3 => Just(Step::Send),
        2 => end.prop_map(Step::End),
        1 => Just(Step::Receive),
        1 => any::<bool>().prop_map(Step::Suspect),
        3 => (0i64..2_500).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// Driven by its own timer, as the leader connection does it.
    #[test]
    fn verdicts_come_in_time_and_only_for_a_reason(steps in steps()) {
        let mut health = Health::new(at(0));
        let (mut now, mut waiting, mut last_byte, mut waits_since) = (0i64, 0u32, 0i64, 0i64);
        for step in steps {
            match step {
                Step::Send => {
                    if waiting == 0 {
                        waits_since = now;
                    }
                    waiting += 1;
                    health.sent(at(now));
                }
                Step::End(end) if waiting > 0 => {
                    waiting -= 1;
                    if end == End::Answered {
                        last_byte = now;
                        health.received(at(now));
                    }
                    health.ended(at(now), end);
                    if end == End::Answered {
                        prop_assert_eq!(health.ailment(), None);
                    }
                }
                Step::End(_) => {}
                Step::Receive => {
                    last_byte = now;
                    health.received(at(now));
                    prop_assert!(health.ailment() != Some(Ailment::Silent));
                }
                Step::Suspect(suspected) => health.suspect(suspected),
                Step::Pass(time) => {
                    let target = now + time;
                    while let Some(due) = health.next_check().filter(|due| *due <= at(target)) {
                        let (before, pings) = (health.ailment(), health.take_ping(due));
                        health.check(due);
                        let progress = pings || health.ailment() != before;
                        prop_assert!(progress, "a timer without effect would spin");
                        prop_assert!(health.next_check().is_none_or(|next| next >= due));
                    }
                    now = target;
                }
            }
            prop_assert_eq!(health.is_waiting(), waiting > 0);
            let quiet = now - last_byte.max(waits_since);
            if waiting > 0 && quiet >= SILENCE.0 {
                prop_assert!(health.ailment().is_some(), "not found silent after {}", quiet);
            }
        }
    }

    #[test]
    fn a_broker_that_answers_soon_is_never_accused(
        times in proptest::collection::vec((0i64..3_000, 0i64..SILENCE.0), 1..60),
    ) {
        let mut health = Health::new(at(0));
        let mut now = 0;
        for (pause, answer_after) in times {
            now += pause;
            health.sent(at(now));
            while let Some(due) = health.next_check().filter(|due| *due < at(now + answer_after)) {
                health.take_ping(due);
                health.check(due);
            }
            prop_assert_eq!(health.ailment(), None);
            now += answer_after;
            health.received(at(now));
            health.ended(at(now), End::Answered);
        }
    }

    #[test]
    fn probes_are_rare(asks in proptest::collection::vec(0i64..700, 0..100)) {
        let gate = Gate::default();
        gate.set(at(0), Some(Ailment::Stuck), false);
        let (mut now, mut last) = (0, 0);
        for pause in asks {
            now += pause;
            if gate.admits(at(now)) {
                prop_assert!(now - last >= PROBE_INTERVAL.0);
                last = now;
            } else {
                prop_assert!(now - last < PROBE_INTERVAL.0);
            }
        }
    }
}
