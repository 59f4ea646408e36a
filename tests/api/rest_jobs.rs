//! Polls for jobs over REST, through the whole gateway, against the embedded broker.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use beegate::actors::Gateway;
use beegate::actors::gateway::{Fatal, MemberOptions};
use beegate::api::grpc::proto::{self as pb, gateway_client::GatewayClient};
use beegate::api::{grpc, http};
use beegate::config::Config;
use beegate::model::PartitionId;
use beegate::{broker, metrics};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use crate::http::{PATIENCE, Request};
use crate::rest::config;

const PROCESS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="waits" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
    <serviceTask id="task"><extensionElements>
      <zeebe:taskDefinition type="work"/></extensionElements></serviceTask>
    <sequenceFlow id="f2" sourceRef="task" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>"#;

/// The gateway's surfaces.
#[derive(Clone)]
struct Whole {
    rest: SocketAddr,
    grpc: SocketAddr,
    gateway: Gateway,
}

/// Runs `test` against a gateway that found an embedded broker of three partitions.
fn whole<F: Future<Output = ()>>(test: impl FnOnce(Whole) -> F) {
    whole_with(|_| (), test);
}

/// The same with another configuration.
fn whole_with<F: Future<Output = ()>>(
    change: impl FnOnce(&mut Config),
    test: impl FnOnce(Whole) -> F,
) {
    let mut config = config();
    change(&mut config);
    (config.broker.command_port, config.broker.internal_port) = (0, 0);
    (config.grpc.host, config.grpc.port) = ("127.0.0.1".to_owned(), 0);
    config.threads.grpc = 1;
    // No probe helps a poll that misses its notification within the test's patience.
    config.long_polling.probe_timeout = Duration::from_secs(600);
    let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
    actix_rt::System::new().block_on(async {
        let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
        let member = MemberOptions::beside(broker.internal_address());
        let metrics = metrics::Registry::default();
        let started = Gateway::start(config.clone(), member, metrics, fatal).await;
        let (gateway, shutdown) = started.expect("starts");
        let led = || (1..=3).all(|partition| gateway.view().has_leader(PartitionId(partition)));
        eventually("leaders", led).await;
        let stop = CancellationToken::new();
        let grpc = grpc::serve(&config, gateway.clone(), stop.clone()).expect("listens");
        let listening = http::serve(&config, gateway.clone()).expect("listens");
        let (rest, handle) = (listening.addresses[0], listening.server.handle());
        actix_rt::spawn(listening.server);
        let whole = Whole { rest, grpc: grpc.address(), gateway };
        whole.deploy().await;
        test(whole).await;
        stop.cancel();
        handle.stop(false).await;
        shutdown.stop(Duration::ZERO).await;
    });
    broker.stop();
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A poll; the jobs are locked for longer than any test runs.
fn activation(max: usize, request_timeout: i64) -> Request {
    let body = json!({
        "type": "work", "worker": "w", "timeout": 3_600_000, "maxJobsToActivate": max,
        "requestTimeout": request_timeout,
    });
    Request::new("POST", "/v2/jobs/activation").json(&body.to_string())
}

fn partition(job: &Value) -> i64 {
    job["jobKey"].as_i64().expect("a key") >> 51
}

impl Whole {
    async fn deploy(&self) {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"resources\"; filename=\"p.bpmn\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{PROCESS}\r\n--b--\r\n"
        );
        let mut request = Request::new("POST", "/v2/deployments")
            .header("Content-Type", "multipart/form-data; boundary=b");
        request.body = Some(body.into_bytes());
        assert_eq!(request.send(self.rest).await.status, 200);
    }

    /// Starts instances, each of which makes a job. The partitions take turns.
    async fn create(&self, count: usize, variables: &Value) {
        let body = json!({ "processDefinitionId": "waits", "variables": variables }).to_string();
        let begin = Instant::now();
        let mut created = 0;
        while created < count {
            let request = Request::new("POST", "/v2/process-instances").json(&body);
            let response = request.send(self.rest).await;
            // Deployments reach the other partitions a moment later.
            let early = response.status == 404 && begin.elapsed() < PATIENCE;
            assert!(response.status == 200 || early, "{response:?}");
            created += usize::from(response.status == 200);
        }
    }

    async fn poll(&self, max: usize, request_timeout: i64) -> Vec<Value> {
        let response = activation(max, request_timeout).send(self.rest).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["jobs"].as_array().expect("jobs").clone()
    }

    /// Polls until `count` jobs came.
    async fn collect(&self, count: usize) -> Vec<Value> {
        let (begin, mut jobs) = (Instant::now(), Vec::new());
        while jobs.len() < count {
            assert!(begin.elapsed() < PATIENCE, "{} of {count} jobs came", jobs.len());
            jobs.extend(self.poll(count - jobs.len(), 200).await);
        }
        jobs
    }

    /// What job activation says of itself.
    fn activations(&self) -> Value {
        let actors = self.gateway.actors();
        let actor = actors.iter().find(|actor| actor.kind == "job-activation");
        actor.expect("job activation").observed.clone()
    }
}

#[test]
fn a_poll_brings_the_jobs_of_all_partitions() {
    whole(|whole| async move {
        assert_eq!(whole.poll(5, -1).await, Vec::<Value>::new());

        whole.create(1, &json!({ "a": 1 })).await;
        let one = whole.poll(5, -1).await;
        assert_eq!(one.len(), 1);
        assert_eq!((&one[0]["variables"], &one[0]["retries"]), (&json!({ "a": 1 }), &json!(3)));

        // More than are asked for, on every partition.
        whole.create(9, &json!({})).await;
        let some = whole.poll(5, -1).await;
        assert_eq!(some.len(), 5);
        // Fewer than are asked for.
        let rest = whole.poll(50, -1).await;
        assert_eq!(rest.len(), 4);
        let all: Vec<&Value> = some.iter().chain(&rest).collect();
        let partitions: BTreeSet<i64> = all.iter().map(|job| partition(job)).collect();
        assert_eq!(partitions, BTreeSet::from([1, 2, 3]));
        let keys: BTreeSet<i64> = all.iter().map(|job| job["jobKey"].as_i64().unwrap()).collect();
        assert_eq!(keys.len(), 9);
        assert_eq!(whole.poll(50, -1).await, Vec::<Value>::new());
        assert_eq!(whole.activations()["jobs_given_back"], 0);
    });
}

#[test]
fn a_job_that_is_created_later_wakes_the_poll() {
    whole(|whole| async move {
        let poller = whole.clone();
        let poll = actix_rt::spawn(async move { poller.poll(5, 60_000).await });
        // Three partitions were asked in vain before the poll waits.
        let waits = || {
            let jobs = whole.activations();
            jobs["questions"] == 3 && jobs["questions_under_way"] == 0
        };
        eventually("the poll waits", waits).await;
        whole.create(1, &json!({})).await;
        assert_eq!(poll.await.expect("answers").len(), 1);
    });
}

#[test]
fn jobs_of_a_client_that_went_away_are_there_for_the_next() {
    const JOBS: usize = 12;
    let one_answer = |config: &mut Config| config.grpc.max_message_size = 32 << 20;
    whole_with(one_answer, |whole| async move {
        // More than the buffers between server and client hold, so the answer gets stuck.
        whole.create(JOBS, &json!({ "text": "x".repeat(1 << 20) })).await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let mut client = socket.connect(whole.rest).await.expect("connects");
        client.write_all(&activation(JOBS, 60_000).bytes()).await.expect("writes");
        client.readable().await.expect("an answer begins");
        assert_eq!(whole.activations()["jobs_delivered"], 0, "the answer fitted into buffers");
        drop(client);
        let gone = Instant::now();
        let again = whole.collect(JOBS).await;
        assert!(gone.elapsed() < Duration::from_secs(10), "{:?}", gone.elapsed());
        assert!(again.iter().all(|job| job["retries"] == 3), "retries are unchanged");
        assert_eq!(whole.activations()["jobs_given_back"], JOBS);

        // One that goes away while it waits takes no job with it.
        let mut client = tokio::net::TcpStream::connect(whole.rest).await.expect("connects");
        client.write_all(&activation(1, 60_000).bytes()).await.expect("writes");
        eventually("it waits", || whole.activations()["open"] == 1).await;
        drop(client);
        whole.create(1, &json!({})).await;
        let job = whole.collect(1).await.remove(0);
        assert_eq!(job["retries"], 3);
    });
}

#[test]
fn pollers_of_both_surfaces_share_the_jobs() {
    const JOBS: usize = 60;
    whole(|whole| async move {
        let keys = Arc::new(Mutex::new(Vec::new()));
        let done = Arc::new(AtomicUsize::new(0));
        let mut pollers = Vec::new();
        for _ in 0..2 {
            let (whole, keys, done) = (whole.clone(), Arc::clone(&keys), Arc::clone(&done));
            pollers.push(actix_rt::spawn(async move {
                while done.load(SeqCst) < JOBS {
                    let jobs = whole.poll(4, 300).await;
                    done.fetch_add(jobs.len(), SeqCst);
                    let taken = jobs.iter().map(|job| job["jobKey"].as_i64().expect("a key"));
                    keys.lock().unwrap().extend(taken);
                }
            }));
        }
        let address = format!("http://{}", whole.grpc);
        let mut client = GatewayClient::connect(address).await.expect("connects");
        let (by_grpc, counted) = (Arc::clone(&keys), Arc::clone(&done));
        pollers.push(actix_rt::spawn(async move {
            while counted.load(SeqCst) < JOBS {
                let request = pb::ActivateJobsRequest {
                    r#type: "work".into(),
                    worker: "w".into(),
                    timeout: 3_600_000,
                    max_jobs_to_activate: 4,
                    request_timeout: 300,
                    ..Default::default()
                };
                let mut answers = client.activate_jobs(request).await.unwrap().into_inner();
                while let Some(answer) = answers.message().await.unwrap() {
                    counted.fetch_add(answer.jobs.len(), SeqCst);
                    by_grpc.lock().unwrap().extend(answer.jobs.iter().map(|job| job.key));
                }
            }
        }));
        whole.create(JOBS, &json!({})).await;
        for poller in pollers {
            tokio::time::timeout(PATIENCE, poller).await.expect("all jobs come").unwrap();
        }
        let keys = keys.lock().unwrap();
        assert_eq!(keys.len(), JOBS);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), JOBS, "none came twice");
    });
}
