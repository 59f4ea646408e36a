//! The broker stops while it is needed, and another one comes up at its place.

use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use beegate::broker;
use beegate::model::{Key, PartitionId};
use tonic::{Code, Status};

use super::stand::{Stand, complete, creation, eventually, task_process};
use crate::http::Request;

/// How long a command may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// What an answer may take beyond that, on a busy machine.
const MARGIN: Duration = Duration::from_secs(3);
/// Within which a gateway must work again once there is a broker.
const RECOVERY_MAX: Duration = Duration::from_secs(15);

impl Stand {
    async fn stop_broker(&mut self) {
        let broker = self.broker.take().expect("runs");
        tokio::task::spawn_blocking(|| broker.stop()).await.expect("stops");
    }

    fn start_broker(&mut self) {
        let broker = broker::start(&self.config.broker, &self.config.cluster);
        self.broker = Some(broker.expect("a new broker"));
    }

    /// Time until a command to each partition is executed again.
    async fn recovered(&self) -> Duration {
        let (begin, mut client) = (Instant::now(), self.client().await);
        for partition in 1..=self.config.broker.partitions {
            let key = Key::new(PartitionId(partition), 7).0;
            loop {
                let answer = complete(&mut client, key).await.expect_err("no such job");
                if answer.code() == Code::NotFound {
                    break;
                }
                assert!(begin.elapsed() < RECOVERY_MAX, "partition {partition}: {answer}");
            }
        }
        begin.elapsed()
    }
}

/// A call that is repeated until it fails; how, and how long that call took.
async fn until_failure<F>(call: impl Fn() -> F) -> (Status, Duration)
where
    F: Future<Output = Result<(), Status>>,
{
    loop {
        let begin = Instant::now();
        if let Err(status) = call().await {
            return (status, begin.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_in_time_and_the_gateway_recovers_by_itself() {
    let mut stand = Stand::start(|config| config.cluster.request_timeout = TIMEOUT).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    let client = stand.client().await;

    // Calls that wait for their instance, and load of commands that are answered quickly.
    let held: Vec<_> = (0..6)
        .map(|_| {
            let mut client = client.clone();
            let request = pb::CreateProcessInstanceWithResultRequest {
                request: Some(creation("p", "{}")),
                request_timeout: 60_000,
                ..Default::default()
            };
            tokio::spawn(async move { client.create_process_instance_with_result(request).await })
        })
        .collect();
    let rest = stand.rest;
    let held_rest = tokio::spawn(async move {
        let body = r#"{"processDefinitionId":"p","awaitCompletion":true}"#;
        Request::new("POST", "/v2/process-instances").json(body).send(rest).await
    });
    eventually("instances", || stand.count("process_instances") == 7).await;
    let load: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(until_failure(move || {
                let mut client = client.clone();
                async move { client.create_process_instance(creation("p", "{}")).await.map(drop) }
            }))
        })
        .collect();
    let keyed: Vec<_> = (0..8)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(until_failure(move || {
                let mut client = client.clone();
                async move {
                    let message = pb::PublishMessageRequest {
                        name: "m".into(),
                        correlation_key: format!("k{index}"),
                        ..Default::default()
                    };
                    client.publish_message(message).await.map(drop)
                }
            }))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stand.stop_broker().await;

    // Sent, not answered: it may have been executed, so it is not tried again.
    for call in held {
        let ended = tokio::time::timeout(MARGIN, call).await.expect("at once").expect("runs");
        let status = ended.expect_err("its broker is gone");
        assert_eq!(status.code(), Code::Aborted, "{status}");
        assert!(status.message().ends_with("was closed"), "{status}");
    }
    let answer = tokio::time::timeout(MARGIN, held_rest).await.expect("at once").expect("runs");
    assert_eq!(answer.status, 502, "{answer:?}");
    for call in load {
        let ended = tokio::time::timeout(TIMEOUT + MARGIN, call).await.expect("in time");
        let (status, took) = ended.expect("runs");
        let sent = status.code() == Code::Aborted;
        assert!(sent || status.code() == Code::ResourceExhausted, "{status}");
        assert!(took < MARGIN, "{took:?}: {status}");
    }
    for call in keyed {
        let ended = tokio::time::timeout(TIMEOUT + MARGIN, call).await.expect("in time");
        let (status, took) = ended.expect("runs");
        let sent = status.code() == Code::Aborted;
        assert!(sent || status.code() == Code::DeadlineExceeded, "{status}");
        assert!(took < TIMEOUT + MARGIN, "{took:?}: {status}");
    }

    // With nobody there: REST says so at once, gRPC waits for a leader as long as it may.
    let key = Key::new(PartitionId(1), 7).0;
    for path in [format!("/v2/jobs/{key}/completion"), "/v2/signals/broadcast".to_owned()] {
        let begin = Instant::now();
        let answer = stand.post(&path, br#"{"signalName":"s"}"#).await;
        assert_eq!(answer.status, 503, "{path}: {answer:?}");
        assert!(begin.elapsed() < MARGIN, "{:?}", begin.elapsed());
    }
    let begin = Instant::now();
    let late = complete(&mut client.clone(), key).await.expect_err("nobody there");
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    assert!(begin.elapsed() >= TIMEOUT && begin.elapsed() < TIMEOUT + MARGIN);

    stand.start_broker();
    let took = stand.recovered().await;
    println!("recovered in {took:?}");
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    stand.client().await.create_process_instance(creation("p", "{}")).await.expect("creates");
    drop(client);
    stand.end().await;
}

/// The gateway has buried the broker by the time another one comes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_given_up_is_found_again() {
    let mut stand = Stand::start(|config| {
        config.cluster.request_timeout = TIMEOUT;
        config.cluster.membership.probe_interval = Duration::from_millis(200);
        config.cluster.membership.failure_timeout = Duration::from_secs(1);
    })
    .await;
    stand.stop_broker().await;
    eventually("given up", || stand.gateway.view().brokers.is_empty()).await;
    stand.start_broker();
    let took = stand.recovered().await;
    println!("found again in {took:?}");
    stand.end().await;
}

/// A worker's poll and stream survive the broker: they get the jobs of the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_and_streams_outlive_the_broker() {
    let mut stand = Stand::start(|config| config.cluster.request_timeout = TIMEOUT).await;
    let mut client = stand.client().await;
    let mut poller = client.clone();
    let polled = tokio::spawn(async move {
        let answer = poller.activate_jobs(super::stand::poll("polled", 1, 60_000)).await?;
        answer.into_inner().message().await
    });
    let open = pb::StreamActivatedJobsRequest {
        r#type: "pushed".into(),
        worker: "w".into(),
        timeout: 60_000,
        ..Default::default()
    };
    let mut stream = client.stream_activated_jobs(open).await.expect("opens").into_inner();
    eventually("the poll waits", || stand.work().iter().any(|work| work.contains("open=1"))).await;
    stand.stop_broker().await;
    stand.start_broker();
    stand.recovered().await;
    for id in ["polled", "pushed"] {
        stand.deploy(&task_process(id, id)).await.expect("deploys");
    }
    eventually("the stream is registered again", || {
        // Asked of the new broker: the gateway may not know yet that the old one is gone.
        let broker = stand.broker.as_ref().expect("a broker").observe();
        broker["job_stream_registrations"] == 1
    })
    .await;
    for id in ["polled", "pushed"] {
        client.create_process_instance(creation(id, "{}")).await.expect("creates");
    }
    let polled = tokio::time::timeout(crate::http::PATIENCE, polled).await.expect("woken");
    let polled = polled.expect("runs").expect("jobs").expect("a message").jobs.remove(0);
    complete(&mut client, polled.key).await.expect("completes");
    let pushed = tokio::time::timeout(crate::http::PATIENCE, stream.message()).await;
    let pushed = pushed.expect("pushed").expect("a job").expect("a message");
    complete(&mut client, pushed.key).await.expect("completes");
    stand.engines_empty().await;
    drop((client, stream));
    stand.end().await;
}
