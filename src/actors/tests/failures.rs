//! Brokers that misbehave, clients that leave, limits that are reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::broker::{CLUSTER, FakeBroker, view};
use super::*;
use crate::model::{ErrorCode, ValueType};
use crate::wire::frame::{Handshake, cluster_preamble};
use crate::wire::record::{JobBatchRecord, JobRecord, Record as _};

/// Accepts connections, shakes hands and then does what `act` says with each.
pub(super) async fn raw_broker<F, A>(act: F) -> Address
where
    F: Fn(TcpStream, usize) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut offer = [0; Handshake::LEN];
            stream.read_exact(&mut offer).await.unwrap();
            let answer = Handshake::offer(cluster_preamble(CLUSTER)).encode();
            stream.write_all(&answer).await.unwrap();
            tokio::spawn(act(stream, number));
        }
    });
    address
}

fn creations(error: &GatewayError) -> Vec<String> {
    let GatewayError::AllPartitionsFailed { attempts } = error else { panic!("{error}") };
    attempts.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_was_sent_on_a_connection_that_breaks_may_have_been_executed() {
    let address = raw_broker(|mut stream, _| async move {
        let mut some = [0; 64];
        // Something of the request arrived; then the connection is cut.
        assert!(stream.read(&mut some).await.unwrap() > 0);
    })
    .await;
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&address)]));
    let session = session(&gateway);
    let rest = Command { transport_retry: false, ..keyed(1, 1) };
    for (connects, command) in (2..).zip([creation(), keyed(1, 1), rest]) {
        let error = execute(&session, command).await.unwrap_err();
        let GatewayError::ConnectionClosed { detail } = &error else { panic!("{error}") };
        assert!(
            detail.contains("partition 1") && detail.contains(&address.to_string()),
            "{detail}"
        );
        assert!(detail.starts_with("Connection ") && detail.ends_with(" was closed"), "{detail}");
        eventually("connected again", || {
            let again = |actor: &crate::model::ActorSnapshot| {
                actor.observed["connection"]["state"] == "connected"
                    && actor.observed["connects"] == connects
            };
            gateway.actors().iter().any(again)
        })
        .await;
    }
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn garbage_and_giant_frames_end_the_connection_and_nothing_else() {
    let garbage: &[&[u8]] = &[
        b"\x00\x01h\x00\x00\x00\x01\x09\x01\x02",
        b"\x00\x01h\x00\x00\x00\x01\x02\x01\xff\xff\xff\xff\x07",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ];
    let address = raw_broker(move |mut stream, number| async move {
        let mut some = [0; 64];
        let _asked = stream.read(&mut some).await.unwrap();
        stream.write_all(garbage[number % garbage.len()]).await.unwrap();
        let mut rest = Vec::new();
        let _closed = stream.read_to_end(&mut rest).await;
    })
    .await;
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&address)]));
    let session = session(&gateway);
    for _ in garbage {
        let error = execute(&session, keyed(1, 1)).await.unwrap_err();
        assert!(matches!(error, GatewayError::ConnectionClosed { .. }), "{error}");
    }
    assert!(gateway.actors().iter().all(|actor| actor.restarts.panic == 0));
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn nobody_there_is_told_at_once_or_retried() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let address = Address::new("127.0.0.1", port);
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&address)]));
    let session = session(&gateway);
    let attempts = creations(&execute(&session, creation()).await.unwrap_err());
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0].contains(&address.to_string()), "{attempts:?}");
    let rest = Command { transport_retry: false, ..keyed(1, 1) };
    let error = execute(&session, rest).await.unwrap_err();
    assert!(matches!(error, GatewayError::Connect { .. }), "{error}");

    // With transport retry the command waits for the broker to come up.
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.execute(keyed(1, 9)).await }
    });
    tokio::time::sleep(Duration::from_millis(60)).await;
    let _broker = FakeBroker::start_at(&[1], port).await;
    let answered = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(answered.unwrap().key, Key::new(PartitionId(1), 9));
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_stale_leader_is_asked_again_until_the_new_one_is_known() {
    let (stale, new) = (FakeBroker::start(&[2]).await, FakeBroker::start(&[1]).await);
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&stale.address)]));
    let session = session(&gateway);
    let rest = Command { transport_retry: false, ..keyed(1, 1) };
    let error = execute(&session, rest).await.unwrap_err();
    let expected =
        format!("no remote handler for command-api-1 at {} (partition 1)", stale.address);
    assert_eq!(error.to_string(), expected);
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.execute(keyed(1, 4)).await }
    });
    tokio::time::sleep(Duration::from_millis(60)).await;
    gateway.publish(view(2, &[Some(&new.address)]));
    assert!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().is_ok());
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_deposed_leader_may_answer_for_a_moment_and_then_fails_what_it_owes() {
    let (old, new) = (FakeBroker::start(&[1]).await, FakeBroker::start(&[1]).await);
    let mut arrived = old.hold();
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&old.address)]));
    let session = session(&gateway);
    let call = |n| {
        let session = session.clone();
        tokio::spawn(async move { session.execute(keyed(1, n)).await })
    };
    let (quick, never) = (call(1), call(2));
    let (first, second) = (arrived.recv().await.unwrap(), arrived.recv().await.unwrap());
    let (quick_one, _owed) = if first.request.key == Key::new(PartitionId(1), 1).0 {
        (first, second)
    } else {
        (second, first)
    };
    gateway.publish(view(2, &[Some(&new.address)]));
    assert!(execute(&session, keyed(1, 3)).await.is_ok(), "the new leader answers");
    quick_one.complete();
    assert!(quick.await.unwrap().is_ok());
    let error = tokio::time::timeout(PATIENCE, never).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, GatewayError::LeaderChanged { .. }), "{error}");
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn over_a_limit_the_answer_comes_at_once() {
    let broker = FakeBroker::start(&[1, 2]).await;
    let mut arrived = broker.hold();
    let mut config = config();
    config.limits.in_flight_per_session = 3;
    config.limits.in_flight_per_partition = 2;
    let leaders = [Some(&broker.address), Some(&broker.address)];
    let (gateway, shutdown) = gateway(config, view(1, &leaders));
    let session = session(&gateway);
    let call = |command| {
        let session = session.clone();
        tokio::spawn(async move { session.execute(command).await })
    };
    let held = [call(keyed(1, 1)), call(keyed(1, 2))];
    let (one, two) = (arrived.recv().await.unwrap(), arrived.recv().await.unwrap());
    let limit = |error: GatewayError| match error {
        GatewayError::Overloaded { limit, .. } => limit,
        other => panic!("{other}"),
    };
    let refused = execute(&session, keyed(1, 3)).await.unwrap_err();
    assert_eq!(limit(refused), "limits.in_flight_per_partition");
    // A full partition harms only itself: creation goes elsewhere.
    let elsewhere = call(creation());
    let three = arrived.recv().await.unwrap();
    assert_eq!(three.partition, 2);
    let refused = execute(&session, keyed(2, 3)).await.unwrap_err();
    assert_eq!(limit(refused), "limits.in_flight_per_session");
    [one, two, three].into_iter().for_each(super::broker::Arrived::complete);
    for call in held.into_iter().chain([elsewhere]) {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(call(keyed(1, 5)).is_finished() || arrived.recv().await.is_some());
    shutdown.stop(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let broker = FakeBroker::start(&[1]).await;
    let mut arrived = broker.hold();
    let mut config = config();
    config.limits.in_flight = 1;
    let (gateway, shutdown) = gateway(config, view(1, &[Some(&broker.address)]));
    let session = session(&gateway);
    let long = Command { timeout: Some(Duration::from_secs(3600)), ..creation() };
    let call = tokio::spawn({
        let session = session.clone();
        async move { session.execute(long).await }
    });
    let late = arrived.recv().await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let free = Arc::new(AtomicBool::new(false));
    let tries = async {
        loop {
            let short = Command { timeout: Some(Duration::from_millis(20)), ..creation() };
            match session.execute(short).await {
                Err(GatewayError::Overloaded { .. }) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ => return free.store(true, Relaxed),
            }
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.expect("the place is freed");
    late.complete();
    eventually("the late reply is recognised", || {
        gateway.actors().iter().any(|actor| actor.observed["late_replies"] == 1)
    })
    .await;
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn stopping_waits_for_the_grace_and_then_answers() {
    let broker = FakeBroker::start(&[1]).await;
    let mut arrived = broker.hold();
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let session = session(&gateway);
    let call = |n| {
        let session = session.clone();
        tokio::spawn(async move { session.execute(keyed(1, n)).await })
    };
    let (answered, stuck) = (call(1), call(2));
    let (first, _second) = (arrived.recv().await.unwrap(), arrived.recv().await.unwrap());
    let stopping = tokio::spawn(shutdown.stop(Duration::from_millis(300)));
    eventually("refusing", || gateway.is_stopping()).await;
    assert_eq!(session.execute(keyed(1, 3)).await, Err(GatewayError::ShuttingDown));
    let key = first.request.key;
    first.complete();
    assert_eq!(stopping.await.unwrap(), 1);
    let mut answers = [answered.await.unwrap(), stuck.await.unwrap()];
    answers.sort_by_key(Result::is_err);
    assert_eq!(answers[0].as_ref().unwrap().key.0, key);
    assert_eq!(answers[1], Err(GatewayError::ShuttingDown));
}

/// What comes soon, or a failed test instead of one that hangs.
async fn soon<T>(coming: impl Future<Output = Option<T>>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap().unwrap()
}

#[tokio::test]
async fn jobs_of_an_activation_that_nobody_waits_for_are_given_back() {
    let broker = FakeBroker::start(&[1]).await;
    let mut arrived = broker.hold();
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let session = session(&gateway);
    let poll = |timeout| Command {
        kind: CommandKind::ActivateJobs,
        route: Route::Partition(PartitionId(1)),
        transport_retry: false,
        timeout: Some(Duration::from_millis(timeout)),
        ..keyed(1, 1)
    };
    // One is late, of the other the client is gone. Each has reached the broker before it is given up.
    let started = |timeout| {
        let session = session.clone();
        tokio::spawn(async move { session.execute(poll(timeout)).await })
    };
    let call = started(500);
    let late = soon(arrived.recv()).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, GatewayError::Timeout { .. }), "{error}");
    let call = started(60_000);
    let unwanted = soon(arrived.recv()).await;
    call.abort();
    let _aborted = call.await;
    for (activation, counter) in [(late, 1), (unwanted, 2)] {
        let batch = JobBatchRecord {
            job_keys: vec![Key::new(PartitionId(1), counter).0],
            jobs: vec![JobRecord { retries: 3, ..Default::default() }],
            ..Default::default()
        };
        activation.answer(batch.to_bytes());
        let returned = soon(arrived.recv()).await;
        assert_eq!(returned.request.key, batch.job_keys[0]);
        assert_eq!(ValueType::from_wire(returned.request.value_type), ValueType::Job);
        assert_eq!(JobRecord::from_bytes(&returned.request.value).unwrap().retries, 3);
        returned.complete();
    }
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn broker_errors_keep_their_code() {
    let broker = FakeBroker::start(&[1]).await;
    broker.on_command(|arrived| arrived.fail(ErrorCode::MalformedRequest, "what?"));
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let error = execute(&session(&gateway), keyed(1, 1)).await.unwrap_err();
    let code = ErrorCode::MalformedRequest;
    assert_eq!(error, GatewayError::Broker { code, message: "what?".into() });
    shutdown.stop(PATIENCE).await;
}
