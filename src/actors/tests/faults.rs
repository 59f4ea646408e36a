//! Leaders that fall silent or lose their partition while commands are on their way.

use std::time::Instant;

use serde_json::Value;

use super::broker::{Arrived, FakeBroker, view};
use super::failures::raw_broker;
use super::*;

/// What the leader connection of a partition shows of itself.
fn observed(gateway: &Gateway, partition: u16) -> Value {
    let name = format!("leader-connection[partition={partition}]");
    let actors = gateway.actors();
    let found = actors.into_iter().find(|actor| actor.name == name);
    found.map_or(Value::Null, |actor| actor.observed)
}

fn rest(command: Command) -> Command {
    Command { transport_retry: false, ..command }
}

fn brief(command: Command) -> Command {
    Command { timeout: Some(Duration::from_millis(100)), ..command }
}

type Call = tokio::task::JoinHandle<Result<Reply, GatewayError>>;

fn call(session: &SessionHandle, command: Command) -> Call {
    let session = session.clone();
    tokio::spawn(async move { session.execute(command).await })
}

#[tokio::test]
async fn creations_avoid_a_stalled_leader_and_return_when_it_goes_on() {
    let (stalled, well) = (FakeBroker::start(&[1]).await, FakeBroker::start(&[2]).await);
    let mut held = stalled.hold();
    let both = view(1, &[Some(&stalled.address), Some(&well.address)]);
    let (gateway, shutdown) = gateway(config(), both);
    let session = session(&gateway);
    let begin = Instant::now();
    let stuck = call(&session, creation());
    let arrived = held.recv().await.unwrap();
    // Meanwhile the other partition is as quick as ever.
    let keyed_elsewhere = async {
        while observed(&gateway, 1)["health"] != "silent" {
            let asked = Instant::now();
            assert!(execute(&session, keyed(2, 1)).await.is_ok());
            assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, keyed_elsewhere).await.expect("ejected");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(observed(&gateway, 1)["ejected_since"].is_i64());
    for _ in 0..6 {
        assert_eq!(execute(&session, creation()).await.unwrap().partition.0, 2);
    }
    // Jobs are not looked for there either, but what only this partition can do is sent.
    let poll = Command {
        kind: CommandKind::ActivateJobs,
        route: Route::Partition(PartitionId(1)),
        ..rest(keyed(1, 1))
    };
    let error = execute(&session, poll).await.unwrap_err();
    assert!(error.to_string().contains("partition 1 does not answer (silent)"), "{error}");
    let own = call(&session, keyed(1, 7));
    let own_arrived = held.recv().await.unwrap();
    assert_eq!(observed(&gateway, 1)["probes"], 0, "what waits already will tell");

    stalled.on_command(Arrived::complete);
    [arrived, own_arrived].into_iter().for_each(Arrived::complete);
    assert_eq!(stuck.await.unwrap().unwrap().partition.0, 1);
    assert!(own.await.unwrap().is_ok());
    assert_eq!(observed(&gateway, 1)["health"], "healthy");
    let picked = [execute(&session, creation()).await, execute(&session, creation()).await];
    let mut picked = picked.map(|reply| reply.unwrap().partition.0);
    picked.sort_unstable();
    assert_eq!(picked, [1, 2], "without a restart");
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_partition_that_times_out_is_probed_by_one_command_until_it_answers() {
    let (bad, well) = (FakeBroker::start(&[1]).await, FakeBroker::start(&[2]).await);
    let mut held = bad.hold();
    let (gateway, shutdown) =
        gateway(config(), view(1, &[Some(&bad.address), Some(&well.address)]));
    let session = session(&gateway);
    // Nobody but these knows that the partition is ill: its broker is alive.
    let mut unanswered = Vec::new();
    for n in 0..3 {
        let error = execute(&session, brief(rest(keyed(1, n)))).await.unwrap_err();
        assert!(error.to_string().ends_with("timed out in PT0.1S (partition 1)"), "{error}");
        unanswered.push(held.recv().await.unwrap());
    }
    assert_eq!(observed(&gateway, 1)["health"], "timing_out");
    assert_eq!(observed(&gateway, 1)["ejections"], 1);
    // One in a second goes there, though nothing else would find out.
    let begin = Instant::now();
    while observed(&gateway, 1)["probes"] != 2 {
        let answer = execute(&session, brief(creation())).await;
        assert!(answer.is_ok_and(|reply| reply.partition.0 == 2) || held.try_recv().is_ok());
        assert!(begin.elapsed() < PATIENCE, "no second probe");
    }
    assert!(begin.elapsed() >= Duration::from_millis(1_000), "{:?}", begin.elapsed());
    bad.on_command(Arrived::complete);
    let healed = async {
        while execute(&session, brief(creation())).await.is_ok_and(|reply| reply.partition.0 == 2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, healed).await.expect("probed again");
    assert_eq!(observed(&gateway, 1)["health"], "healthy");
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn when_no_partition_answers_none_is_avoided() {
    let broker = FakeBroker::start(&[1]).await;
    let mut held = broker.hold();
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let session = session(&gateway);
    let first = call(&session, creation());
    let one = held.recv().await.unwrap();
    eventually("ejected", || observed(&gateway, 1)["health"] == "silent").await;
    let second = call(&session, creation());
    let two = tokio::time::timeout(PATIENCE, held.recv()).await.expect("sent").unwrap();
    [one, two].into_iter().for_each(Arrived::complete);
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_a_former_leader_owes_fails_soon_and_names_the_partition() {
    let (old, new) = (FakeBroker::start(&[1]).await, FakeBroker::start(&[1]).await);
    let other = FakeBroker::start(&[2]).await;
    let mut held = old.hold();
    let with = |term, leader| view(term, &[leader, Some(&other.address)]);
    let (gateway, shutdown) = gateway(config(), with(1, Some(&old.address)));
    let session = session(&gateway);
    // Another broker leads; the same one leads again; none is known to lead.
    let successors = [(2, Some(&new.address)), (4, Some(&old.address)), (5, None)];
    for (term, successor) in successors {
        gateway.publish(with(term - 1, Some(&old.address)));
        let owed = [creation(), keyed(1, 1), rest(keyed(1, 2))].map(|c| call(&session, c));
        let mut unanswered = Vec::new();
        while unanswered.len() < 2 {
            unanswered.push(held.recv().await.unwrap());
        }
        let begin = Instant::now();
        gateway.publish(with(term, successor));
        for call in owed {
            let answer = tokio::time::timeout(PATIENCE, call).await.expect("answered").unwrap();
            // The creation may have been one for the other partition.
            let Err(error) = answer else { continue };
            assert!(matches!(error, GatewayError::LeaderChanged { .. }), "{error}");
            assert_eq!(error.grpc_code(), tonic::Code::Unavailable);
            assert!(error.to_string().contains("partition 1"), "{error}");
            assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
        }
        drop(unanswered);
        while held.try_recv().is_ok() {}
    }
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_was_not_sent_to_the_former_leader_is_sent_to_the_new_one() {
    // It never reads, so only what fits into the sockets' buffers is written.
    let deaf = raw_broker(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let new = FakeBroker::start(&[1]).await;
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&deaf)]));
    let session = session(&gateway);
    let large = |n| Command { value: vec![b'x'; 1 << 20].into(), ..rest(keyed(1, n)) };
    let calls: Vec<Call> = (0..24).map(|n| call(&session, large(n))).collect();
    eventually("some are sent, then no more fit", || {
        let observed = observed(&gateway, 1);
        observed["sent"].as_u64().is_some_and(|sent| sent > 0) && observed["health"] == "silent"
    })
    .await;
    gateway.publish(view(2, &[Some(&new.address)]));
    let (mut executed, mut unknown) = (0, 0);
    for call in calls {
        match tokio::time::timeout(PATIENCE, call).await.expect("answered").unwrap() {
            Ok(_) => executed += 1,
            Err(GatewayError::LeaderChanged { .. }) => unknown += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(executed > 0 && unknown > 0, "{executed} executed, {unknown} perhaps");
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_suspected_leader_that_answers_a_heartbeat_or_a_command_is_not_avoided_for_long() {
    let (first, second) = (FakeBroker::start(&[1]).await, FakeBroker::start(&[2]).await);
    let clear = view(1, &[Some(&first.address), Some(&second.address)]);
    let (gateway, shutdown) = gateway(config(), clear.clone());
    let session = session(&gateway);
    eventually("connected", || observed(&gateway, 1)["connection"]["state"] == "connected").await;
    let mut suspicious = clear.clone();
    suspicious.members.push(crate::model::MemberView {
        id: crate::model::MemberId::new("0"),
        address: first.address.to_string(),
        state: crate::model::MemberState::Suspect,
        incarnation: 1,
        version: None,
        is_broker: true,
        last_seen: crate::model::Millis(0),
    });
    gateway.publish(suspicious);
    eventually("suspected", || observed(&gateway, 1)["health"] == "suspected").await;
    for _ in 0..4 {
        assert_eq!(execute(&session, creation()).await.unwrap().partition.0, 2);
    }
    assert!(execute(&session, keyed(1, 1)).await.is_ok(), "keyed commands are not held back");
    assert_eq!(observed(&gateway, 1)["health"], "healthy", "and its answer refutes the suspicion");
    shutdown.stop(PATIENCE).await;
}
