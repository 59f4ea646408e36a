//! Commands and their answers.

use std::time::Instant;

use super::broker::{FakeBroker, view};
use super::*;
use crate::model::ErrorCode;

#[tokio::test]
async fn commands_go_to_their_partition_and_answers_come_back() {
    let broker = FakeBroker::start(&[1, 2]).await;
    let (gateway, shutdown) =
        gateway(config(), view(1, &[Some(&broker.address), Some(&broker.address)]));
    let session = session(&gateway);
    for partition in [1, 2] {
        let reply = execute(&session, keyed(partition, 7)).await.unwrap();
        assert_eq!(reply.partition, PartitionId(partition));
        assert_eq!(reply.key, Key::new(PartitionId(partition), 7));
        assert_eq!(reply.value, Bytes::from_static(b"\x80"));
    }
    let picked: Vec<u16> = [
        execute(&session, creation()).await.unwrap().partition.0,
        execute(&session, creation()).await.unwrap().partition.0,
        execute(&session, creation()).await.unwrap().partition.0,
    ]
    .into();
    assert_eq!(picked, [1, 2, 1]);
    assert_eq!(shutdown.stop(PATIENCE).await, 0);
}

#[tokio::test]
async fn replies_may_come_in_any_order() {
    let broker = FakeBroker::start(&[1]).await;
    let mut arrived = broker.hold();
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let session = session(&gateway);
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let session = session.clone();
            tokio::spawn(async move { session.execute(keyed(1, n)).await })
        })
        .collect();
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(arrived.recv().await.unwrap());
    }
    held.into_iter().rev().for_each(broker::Arrived::complete);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap().key, Key::new(PartitionId(1), n as u64));
    }
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_broker_that_does_not_answer_times_out_with_the_recorded_text() {
    let broker = FakeBroker::start(&[1]).await;
    let _silent = broker.hold();
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let command = Command { timeout: Some(Duration::from_millis(300)), ..creation() };
    let started = Instant::now();
    let error = execute(&session(&gateway), command).await.unwrap_err();
    let expected = format!(
        "Time out between gateway and broker: Request command-api-1 to {} timed out in PT0.3S \
         (partition 1)",
        broker.address
    );
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(error.to_string(), expected);
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_keyed_command_waits_for_a_leader_and_a_rest_command_does_not() {
    let broker = FakeBroker::start(&[1]).await;
    let (gateway, shutdown) = gateway(config(), view(1, &[None]));
    let session = session(&gateway);
    let rest = Command { transport_retry: false, ..keyed(1, 1) };
    let error = execute(&session, rest).await.unwrap_err();
    assert!(matches!(error, GatewayError::Connect { .. }), "{error}");
    let brief = Command { timeout: Some(Duration::from_millis(200)), ..keyed(1, 1) };
    let error = execute(&session, brief).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Time out between gateway and broker: Request timed out after PT0.2S (partition 1)"
    );
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.execute(keyed(1, 5)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gateway.publish(view(2, &[Some(&broker.address)]));
    assert!(waiting.await.unwrap().is_ok());
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn creation_moves_on_only_when_nothing_was_executed() {
    let (first, second) = (FakeBroker::start(&[1]).await, FakeBroker::start(&[2]).await);
    first.on_command(|arrived| arrived.fail(ErrorCode::ResourceExhausted, "full"));
    let both = view(1, &[Some(&first.address), Some(&second.address)]);
    let (gateway, shutdown) = gateway(config(), both);
    let session = session(&gateway);
    assert_eq!(execute(&session, creation()).await.unwrap().partition.0, 2);

    second.on_command(|arrived| arrived.fail(ErrorCode::PartitionLeaderMismatch, "moved"));
    let error = execute(&session, creation()).await.unwrap_err();
    let GatewayError::AllPartitionsFailed { attempts } = error else { panic!("{error}") };
    let texts: Vec<String> = attempts.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["moved (partition 2)", "full (partition 1)"]);

    first.on_command(|arrived| arrived.fail(ErrorCode::InternalError, "broken"));
    let error = execute(&session, creation()).await.unwrap_err();
    let broken = ErrorCode::InternalError;
    assert_eq!(
        error,
        GatewayError::Broker { code: broken, message: "broken (partition 1)".into() }
    );
    shutdown.stop(PATIENCE).await;
}
