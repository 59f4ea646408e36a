//! Every kind of actor panics under load; every command still gets exactly one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::broker::{FakeBroker, view};
use super::*;
use crate::actors::test_panic::Panic;
use crate::model::{ActivateJobs, ActorSnapshot, ActorState, ValueType};
use crate::wire::record::{JobBatchRecord, JobRecord, Record as _};

/// Commands in the air at a time.
const CALLERS: u64 = 32;
/// Commands of each caller.
const CALLS: u64 = 60;

fn actor(gateway: &Gateway, kind: &str) -> Option<ActorSnapshot> {
    gateway.actors().into_iter().find(|actor| actor.kind == kind)
}

/// Runs callers against a broker while `disturb` panics something; all calls must be answered, and
/// those that fail must say that an actor was restarted or could not be reached.
async fn under_load(disturb: impl AsyncFn(&Gateway, &SessionHandle)) -> BTreeMap<String, u64> {
    let broker = FakeBroker::start(&[1, 2]).await;
    let leaders = [Some(&broker.address), Some(&broker.address)];
    let (gateway, shutdown) = gateway(config(), view(1, &leaders));
    let session = session(&gateway);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let session = session.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for n in 0..CALLS {
                    let command = keyed((caller % 2) as u16 + 1, n);
                    answers.push((command.key, execute(&session, command).await));
                }
                answers
            })
        })
        .collect();
    disturb(&gateway, &session).await;
    let mut outcomes = BTreeMap::new();
    for caller in callers {
        let answers = caller.await.unwrap();
        assert_eq!(answers.len() as u64, CALLS);
        for (key, answer) in answers {
            let outcome = match answer {
                Ok(reply) => {
                    assert_eq!(reply.key, key, "an answer to another command");
                    "ok".to_owned()
                }
                Err(GatewayError::ActorRestarted { actor, .. }) => format!("{actor} restarted"),
                Err(other) => panic!("{other}"),
            };
            *outcomes.entry(outcome).or_insert(0) += 1;
        }
    }
    assert_eq!(gateway.shared().admission().in_flight(), 0, "all permits are free");
    assert_eq!(gateway.shared().admission().bytes(), 0);
    shutdown.stop(PATIENCE).await;
    outcomes
}

#[tokio::test]
async fn a_dispatcher_that_panics_comes_back() {
    let outcomes = under_load(async |gateway, _| {
        for panics in 1..=3 {
            gateway.dispatcher().send(Panic);
            eventually("counted and running again", || {
                let dispatcher = actor(gateway, "dispatcher").unwrap();
                dispatcher.restarts.panic == panics && dispatcher.state == ActorState::Running
            })
            .await;
        }
        let dispatcher = actor(gateway, "dispatcher").unwrap();
        assert_eq!(dispatcher.last_panic.as_deref(), Some("asked to panic"));
    })
    .await;
    assert!(outcomes["ok"] > CALLERS, "{outcomes:?}");
}

#[tokio::test]
async fn a_leader_connection_that_panics_comes_back() {
    let outcomes = under_load(async |gateway, _| {
        gateway.dispatcher().send(crate::actors::test_panic::PanicLeaders);
        eventually("both counted and running again", || {
            let leaders = gateway.actors().into_iter().filter(|a| a.kind == "leader-connection");
            let (mut count, mut back) = (0, 0);
            for leader in leaders {
                count += 1;
                let running = leader.state == ActorState::Running;
                back += u32::from(leader.restarts.panic == 1 && running);
            }
            (count, back) == (2, 2)
        })
        .await;
    })
    .await;
    assert!(outcomes["ok"] > CALLERS, "{outcomes:?}");
}

#[tokio::test]
async fn a_session_that_panics_ends_alone() {
    let broker = FakeBroker::start(&[1]).await;
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker.address)]));
    let (failing, other) = (session(&gateway), session(&gateway));
    assert!(execute(&failing, keyed(1, 1)).await.is_ok());
    let calls: Vec<_> = (0..CALLERS)
        .map(|n| {
            let failing = failing.clone();
            tokio::spawn(async move { execute(&failing, keyed(1, n)).await })
        })
        .collect();
    failing.mailbox().send(Panic);
    let restarted = GatewayError::ActorRestarted { actor: "session", partition: None };
    for call in calls {
        let answer = call.await.unwrap();
        assert!(answer.is_ok() || answer == Err(restarted.clone()), "{answer:?}");
    }
    eventually("the frontend sees it", || !failing.is_open()).await;
    assert_eq!(execute(&failing, keyed(1, 2)).await, Err(restarted));
    let snapshot = gateway.actors().into_iter().find(|a| a.state == ActorState::Failed).unwrap();
    assert_eq!((snapshot.kind, snapshot.restarts.panic), ("session", 1));
    assert!(execute(&other, keyed(1, 3)).await.is_ok());
    drop(failing);
    let sessions = || gateway.actors().into_iter().filter(|a| a.kind == "session").count();
    assert_eq!(sessions(), 1, "it is forgotten with its last handle");
    shutdown.stop(PATIENCE).await;
}

/// What a broker that has endless jobs did with them.
#[derive(Default)]
struct Ledger {
    activated: BTreeSet<i64>,
    given_back: Vec<i64>,
}

/// Lets the broker activate two jobs per question and take jobs back.
fn with_endless_jobs(broker: &FakeBroker) -> Arc<Mutex<Ledger>> {
    let ledger: Arc<Mutex<Ledger>> = Arc::default();
    let notes = Arc::clone(&ledger);
    broker.on_command(move |arrived| {
        let mut notes = notes.lock().unwrap();
        if ValueType::from_wire(arrived.request.value_type) == ValueType::Job {
            notes.given_back.push(arrived.request.key);
            return arrived.complete();
        }
        let mut batch = JobBatchRecord::from_bytes(&arrived.request.value).unwrap();
        for _ in 0..2 {
            let counter = notes.activated.len() as u64 + 1;
            let key = Key::new(PartitionId(arrived.partition), counter).0;
            notes.activated.insert(key);
            batch.job_keys.push(key);
            batch.jobs.push(JobRecord { retries: 3, ..Default::default() });
        }
        // There are more, so the partition is asked again without a notification.
        batch.truncated = true;
        arrived.answer(batch.to_bytes());
    });
    ledger
}

fn poll() -> ActivateJobs {
    ActivateJobs {
        frontend: Frontend::Grpc,
        job_type: "t".to_owned(),
        worker: "w".to_owned(),
        timeout_ms: 60_000,
        max_jobs: 4,
        fetch_variables: Vec::new(),
        tenant_ids: Vec::new(),
        request_timeout_ms: 30_000,
        authorization: Bytes::new(),
        max_response_bytes: None,
    }
}

/// The jobs that came.
#[derive(Default)]
struct Polled {
    jobs: Vec<i64>,
}

/// Polls again and again until told to stop. Each poll ends with jobs or with one clear error.
async fn poll_until(stop: Arc<AtomicBool>, session: SessionHandle) -> Polled {
    let mut polled = Polled::default();
    while !stop.load(Relaxed) {
        let mut deliveries = session.activate_jobs(poll());
        let before = polled.jobs.len();
        let mut error = None;
        let whole = async {
            while let Some(delivery) = deliveries.next().await {
                assert_eq!(error, None, "nothing follows an error");
                match delivery {
                    Ok(delivery) => {
                        polled.jobs.extend(delivery.jobs.iter().map(|job| job.key.0));
                        delivery.delivered();
                    }
                    Err(e) => error = Some(e),
                }
            }
        };
        tokio::time::timeout(PATIENCE, whole).await.expect("every poll ends");
        match error {
            None => assert!(polled.jobs.len() > before, "an end without jobs and reason"),
            Some(GatewayError::ActorRestarted { actor: "job-activation", .. }) => {
                assert_eq!(polled.jobs.len(), before, "clients lose jobs before an error");
            }
            Some(other) => panic!("{other}"),
        }
    }
    polled
}

#[tokio::test]
async fn a_job_activation_that_panics_ends_its_polls_and_loses_no_job() {
    let broker = FakeBroker::start(&[1, 2]).await;
    let ledger = with_endless_jobs(&broker);
    let leaders = [Some(&broker.address), Some(&broker.address)];
    let (gateway, shutdown) = gateway(config(), view(1, &leaders));
    let stop = Arc::new(AtomicBool::new(false));
    let open = |_| tokio::spawn(poll_until(Arc::clone(&stop), session(&gateway)));
    let pollers: Vec<_> = (0..8).map(open).collect();
    for panics in 1..=3 {
        let before = ledger.lock().unwrap().activated.len();
        eventually("load", || ledger.lock().unwrap().activated.len() > before + 20).await;
        // Wants no jobs, so it waits for sure while the others may be between two polls.
        let waiting = session(&gateway);
        let mut waits = waiting.activate_jobs(ActivateJobs { max_jobs: 0, ..poll() });
        shutdown.jobs().activation().send(Panic);
        let end = tokio::time::timeout(PATIENCE, waits.next()).await.expect("it ends");
        let restarted = GatewayError::ActorRestarted { actor: "job-activation", partition: None };
        assert_eq!(end.unwrap().unwrap_err(), restarted);
        eventually("counted and running again", || {
            let activation = actor(&gateway, "job-activation").unwrap();
            activation.restarts.panic == panics && activation.state == ActorState::Running
        })
        .await;
    }
    stop.store(true, Relaxed);
    let mut all = Polled::default();
    for poller in pollers {
        let polled = poller.await.unwrap();
        all.jobs.extend(polled.jobs);
    }
    // Each activated job reached one client, or went back.
    eventually("all jobs are accounted for", || {
        let ledger = ledger.lock().unwrap();
        all.jobs.len() + ledger.given_back.len() == ledger.activated.len()
    })
    .await;
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    let ends = all.jobs.iter().chain(&ledger.given_back).copied();
    assert_eq!(ends.collect::<BTreeSet<i64>>(), ledger.activated);
    assert_eq!(gateway.shared().admission().in_flight(), 0);
    shutdown.stop(PATIENCE).await;
}

#[tokio::test]
async fn an_essential_actor_that_fails_too_often_ends_the_process() {
    let (told, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let fatal = Fatal::new(move |reason| told.send(reason.to_owned()).unwrap());
    let own = super::broker::endpoint(Address::new("127.0.0.1", 1));
    let (gateway, shutdown) = Gateway::detached(config(), own, view(1, &[None]), fatal).unwrap();
    for _ in 0..5 {
        gateway.dispatcher().send(Panic);
    }
    let reason = tokio::time::timeout(PATIENCE, reasons.recv()).await.unwrap().unwrap();
    assert_eq!(reason, "dispatcher failed 5 times within 60 s");
    let dispatcher = actor(&gateway, "dispatcher").unwrap();
    assert_eq!((dispatcher.state, dispatcher.restarts.panic), (ActorState::Failed, 5));
    let error = execute(&session(&gateway), keyed(1, 1)).await.unwrap_err();
    assert_eq!(error, GatewayError::ActorRestarted { actor: "dispatcher", partition: None });
    shutdown.stop(PATIENCE).await;
}
