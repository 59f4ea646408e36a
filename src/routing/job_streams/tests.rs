//! What the registry promises, one case each.

use super::*;

fn shape(worker: &str) -> StreamJobs {
    StreamJobs {
        job_type: "t".into(),
        worker: worker.into(),
        timeout_ms: 1000,
        fetch_variables: vec![],
        tenant_ids: vec!["<default>".into()],
    }
}

fn broker(id: &str) -> MemberId {
    MemberId::new(id)
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn effects(run: impl FnOnce(&mut Vec<Effect>)) -> Vec<Effect> {
    let mut out = Vec::new();
    run(&mut out);
    out
}

/// A registry that knows broker 0, ready for streams.
fn with_broker() -> JobStreams {
    let mut streams = JobStreams::default();
    let cleaning = effects(|out| streams.broker_joined(broker("0"), out));
    assert_eq!(cleaning, [Effect::RemoveAll { broker: broker("0") }]);
    assert_eq!(effects(|out| streams.cleaned(&broker("0"), out)), []);
    streams
}

fn add(stream: u128, at: &str) -> Effect {
    Effect::Add { stream: id(stream), broker: broker(at) }
}

fn remove(stream: u128, at: &str) -> Effect {
    Effect::Remove { stream: id(stream), broker: broker(at) }
}

#[test]
fn equal_clients_share_a_registration_that_ends_with_the_last_of_them() {
    let mut streams = with_broker();
    let mut out = Vec::new();
    let first = streams.open(shape("w"), id(1), &mut out);
    assert_eq!(std::mem::take(&mut out), [add(1, "0")]);
    let second = streams.open(shape("w"), id(2), &mut out);
    let other = streams.open(shape("x"), id(3), &mut out);
    assert_eq!(std::mem::take(&mut out), [add(3, "0")]);
    streams.added(id(1), &broker("0"), true, Millis(0), &mut out);
    streams.close(first, &mut out);
    assert_eq!(out, []);
    streams.close(second, &mut out);
    assert_eq!(std::mem::take(&mut out), [remove(1, "0")]);
    assert_eq!(streams.push(id(1), Millis(0)), Routed::Unknown);
    // The other's add is under way: its remove waits for it.
    streams.close(other, &mut out);
    assert_eq!(out, []);
    streams.added(id(3), &broker("0"), false, Millis(0), &mut out);
    assert_eq!(out, [remove(3, "0")]);
    streams.removed(id(3), &broker("0"), true, Millis(0));
    streams.removed(id(1), &broker("0"), true, Millis(0));
    assert_eq!((streams.streams.len(), streams.len()), (0, 0));
}

#[test]
fn a_failed_add_is_repeated_and_a_good_one_verified() {
    let mut streams = with_broker();
    let mut out = Vec::new();
    streams.open(shape("w"), id(1), &mut out);
    out.clear();
    streams.added(id(1), &broker("0"), false, Millis(0), &mut out);
    assert_eq!(streams.next_deadline(), Some(RETRY));
    assert_eq!(effects(|out| streams.on_time(RETRY, out)), [add(1, "0")]);
    streams.added(id(1), &broker("0"), true, Millis(2_000), &mut out);
    assert_eq!(streams.next_deadline(), Some(Millis(32_000)));
    assert_eq!(effects(|out| streams.on_time(Millis(32_000), out)), [add(1, "0")]);
}

#[test]
fn brokers_that_appear_or_ask_are_told_of_every_stream() {
    let mut streams = with_broker();
    let mut out = Vec::new();
    streams.open(shape("w"), id(1), &mut out);
    streams.added(id(1), &broker("0"), true, Millis(0), &mut out);
    out.clear();
    streams.broker_joined(broker("1"), &mut out);
    assert_eq!(std::mem::take(&mut out), [Effect::RemoveAll { broker: broker("1") }]);
    assert_eq!(effects(|out| streams.recreate(&broker("1"), out)), [], "not before");
    assert_eq!(effects(|out| streams.cleaned(&broker("1"), out)), [add(1, "1")]);
    assert_eq!(effects(|out| streams.recreate(&broker("0"), out)), [add(1, "0")]);
    streams.broker_left(&broker("1"));
    assert_eq!(effects(|out| streams.recreate(&broker("1"), out)), []);
}

#[test]
fn a_client_that_does_not_read_holds_one_job_and_the_next_one_gets_the_others() {
    let mut streams = with_broker();
    let mut out = Vec::new();
    let slow = streams.open(shape("w"), id(1), &mut out);
    let Routed::To(to, held) = streams.push(id(1), Millis(0)) else { panic!("not routed") };
    assert_eq!(to, slow);
    assert_eq!(streams.push(id(1), PROMPT), Routed::Blocked(1));
    let quick = streams.open(shape("w"), id(2), &mut out);
    out.clear();
    for _ in 0..3 {
        let Routed::To(to, push) = streams.push(id(1), Millis(300)) else { panic!("no") };
        assert_eq!(to, quick);
        assert!(streams.settled(push, true, Millis(301), &mut out));
        assert_eq!(std::mem::take(&mut out), [Effect::Accept { push }]);
    }
    // The held job is accepted before the broker gives up, and then is ours.
    assert_eq!(effects(|out| streams.on_time(ACCEPT_AFTER, out)), [Effect::Accept { push: held }]);
    assert!(streams.is_accepted(held));
    assert!(!streams.settled(held, false, Millis(9_000), &mut out));
    assert_eq!(out, []);
}

#[test]
fn clients_take_turns() {
    let mut streams = with_broker();
    let mut out = Vec::new();
    let a = streams.open(shape("w"), id(1), &mut out);
    let b = streams.open(shape("w"), id(2), &mut out);
    let mut turns = Vec::new();
    for _ in 0..4 {
        let Routed::To(to, push) = streams.push(id(1), Millis(0)) else { panic!("no") };
        turns.push(to);
        streams.settled(push, true, Millis(1), &mut out);
    }
    assert_eq!(turns, [a, b, a, b]);
}

#[test]
fn a_job_waits_a_moment_for_clients_that_read() {
    let mut streams = with_broker();
    let mut out = Vec::new();
    let client = streams.open(shape("w"), id(1), &mut out);
    let Routed::To(_, first) = streams.push(id(1), Millis(0)) else { panic!("no") };
    let Routed::Waits(second) = streams.push(id(1), Millis(1)) else { panic!("no") };
    let Routed::Waits(third) = streams.push(id(1), Millis(2)) else { panic!("no") };
    out.clear();
    streams.settled(first, true, Millis(3), &mut out);
    let taken = Effect::Accept { push: first };
    assert_eq!(std::mem::take(&mut out), [taken, Effect::Send { push: second, client }]);
    // It stops reading: the others are refused in time for the broker to try elsewhere.
    assert_eq!(streams.next_deadline(), Some(Millis(2) + PROMPT));
    let refused = effects(|out| streams.on_time(Millis(2) + PROMPT, out));
    assert_eq!(refused, [Effect::Refuse { push: third, clients: 1 }]);
    assert_eq!(streams.push(id(1), Millis(300)), Routed::Blocked(1));
    // It leaves with a job that waits.
    streams.settled(second, true, Millis(301), &mut out);
    let Routed::To(..) = streams.push(id(1), Millis(302)) else { panic!("no") };
    let Routed::Waits(last) = streams.push(id(1), Millis(303)) else { panic!("no") };
    let left = effects(|out| streams.close(client, out));
    assert!(left.contains(&Effect::Refuse { push: last, clients: 0 }), "{left:?}");
}

#[test]
fn few_jobs_wait() {
    let mut streams = with_broker();
    streams.open(shape("w"), id(1), &mut Vec::new());
    let waits = |routed| matches!(routed, Routed::To(..) | Routed::Waits(_));
    let taken = (0..100).filter(|_| waits(streams.push(id(1), Millis(0)))).count();
    assert_eq!(taken, 1 + WAITING_PER_CLIENT);
}
