//! A whole gateway with gRPC and REST, beside an embedded broker.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use beegate::actors::gateway::{Fatal, Gateway, MemberOptions, Shutdown};
use beegate::api::grpc::proto as pb;
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use beegate::broker::{self, BrokerHandle};
use beegate::config::Config;
use beegate::metrics;
use beegate::model::PartitionId;
use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::http::{PATIENCE, Request, Response};

/// Engine counts that stay: definitions are for ever.
const STAYS: [&str; 1] = ["process_definitions"];

pub struct Stand {
    pub config: Config,
    pub broker: Option<BrokerHandle>,
    pub gateway: Gateway,
    pub grpc: SocketAddr,
    pub rest: SocketAddr,
    stop: CancellationToken,
    web: ServerHandle,
    web_thread: Option<JoinHandle<()>>,
    shutdown: Option<Shutdown>,
}

/// Waits until the condition holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Serves REST on an actix system of its own.
fn serve_rest(config: &Config, gateway: &Gateway) -> (SocketAddr, ServerHandle, JoinHandle<()>) {
    let (config, gateway) = (config.clone(), gateway.clone());
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let listening = beegate::api::http::serve(&config, gateway).expect("listens");
            tell.send((listening.addresses[0], listening.server.handle())).expect("awaited");
            listening.server.await.expect("serves to its end");
        });
    });
    let (address, handle) = told.recv().expect("REST starts");
    (address, handle, thread)
}

impl Stand {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = crate::rest::config();
        (config.broker.command_port, config.broker.internal_port) = (0, 0);
        (config.grpc.host, config.grpc.port) = ("127.0.0.1".to_owned(), 0);
        config.threads.grpc = 1;
        config.shutdown.grace = Duration::from_secs(2);
        change(&mut config);
        let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
        // For the next one at the same place.
        config.broker.command_port = broker.command_address().port;
        config.broker.internal_port = broker.internal_address().port;
        let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
        let member = MemberOptions::beside(broker.internal_address());
        let registry = metrics::Registry::default();
        let (gateway, shutdown) =
            Gateway::start(config.clone(), member, registry, fatal).await.expect("a gateway");
        let stop = CancellationToken::new();
        let server = beegate::api::grpc::serve(&config, gateway.clone(), stop.clone());
        let grpc = server.expect("gRPC starts").address();
        let (rest, web, web_thread) = serve_rest(&config, &gateway);
        let stand = Self {
            config,
            broker: Some(broker),
            gateway,
            grpc,
            rest,
            stop,
            web,
            web_thread: Some(web_thread),
            shutdown: Some(shutdown),
        };
        stand.leaders().await;
        stand
    }

    /// Waits until all partitions have a leader.
    pub async fn leaders(&self) {
        let partitions = self.config.broker.partitions;
        eventually("leaders", || {
            let view = self.gateway.view();
            (1..=partitions).all(|partition| view.has_leader(PartitionId(partition)))
        })
        .await;
    }

    pub async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.grpc);
        Channel::from_shared(address).expect("an address").connect().await.expect("connects")
    }

    pub async fn client(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel().await)
    }

    pub async fn post(&self, path: &str, body: &[u8]) -> Response {
        let mut request = Request::new("POST", path).json("");
        request.body = Some(body.to_vec());
        request.send(self.rest).await
    }

    /// Deploys over gRPC and waits until every partition knows it.
    pub async fn deploy(&self, xml: &str) -> Result<(), Status> {
        let resource =
            pb::Resource { name: "p.bpmn".into(), content: Bytes::copy_from_slice(xml.as_bytes()) };
        let request =
            pb::DeployResourceRequest { resources: vec![resource], tenant_id: String::new() };
        let known = |engine: &Value| engine["process_definitions"].as_u64();
        self.client().await.deploy_resource(request).await?;
        eventually("the definition is everywhere", || {
            let engines = self.engines();
            engines.iter().all(|e| known(e) > Some(0) && known(e) == known(&engines[0]))
        })
        .await;
        Ok(())
    }

    /// The counts of the engines.
    pub fn engines(&self) -> Vec<Value> {
        let observed = self.broker.as_ref().expect("a broker").observe();
        let partitions = observed["partitions"].as_array().expect("partitions");
        partitions.iter().map(|partition| partition["stats"]["engine"].clone()).collect()
    }

    /// The sum of one count over the engines.
    pub fn count(&self, name: &str) -> u64 {
        self.engines().iter().filter_map(|engine| engine[name].as_u64()).sum()
    }

    /// Waits until the engines hold nothing but definitions.
    pub async fn engines_empty(&self) {
        let left = || {
            let mut left = Vec::new();
            for engine in self.engines() {
                for (name, value) in engine.as_object().expect("counts") {
                    let nothing = value == 0 || value.as_array().is_some_and(Vec::is_empty);
                    if !nothing && !STAYS.contains(&name.as_str()) {
                        left.push(format!("{name}={value}"));
                    }
                }
            }
            left
        };
        let begin = Instant::now();
        while !left().is_empty() {
            assert!(begin.elapsed() < PATIENCE, "the engines still hold {:?}", left());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything the gateway still works on, by actor.
    pub fn work(&self) -> Vec<String> {
        // What a connection remembers of replies that nobody waits for any more is bounded in
        // number and time, and holds nothing.
        const COUNTS: [&str; 5] = [
            "in_flight",
            "waiting_for_connection",
            "waiting_for_retry",
            "open",
            "questions_under_way",
        ];
        let actors = self.gateway.actors();
        let mut work = Vec::new();
        for actor in &actors {
            for count in COUNTS {
                if actor.observed[count].as_u64().is_some_and(|count| count > 0) {
                    work.push(format!("{} {count}={}", actor.name, actor.observed[count]));
                }
            }
        }
        work
    }

    pub fn sessions(&self) -> usize {
        self.gateway.actors().iter().filter(|actor| actor.kind == "session").count()
    }

    /// Waits until nothing is under way any more; clients must be gone by now.
    pub async fn quiet(&self) {
        let begin = Instant::now();
        loop {
            let (work, sessions) = (self.work(), self.sessions());
            if work.is_empty() && sessions == 0 {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "left: {sessions} sessions, {work:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Nothing is left, nothing panicked; stops everything.
    pub async fn end(mut self) {
        self.quiet().await;
        for actor in self.gateway.actors() {
            assert_eq!((actor.restarts.panic, actor.restarts.error), (0, 0), "{}", actor.name);
        }
        if let Some(broker) = self.broker.take() {
            for partition in broker.observe()["partitions"].as_array().expect("partitions") {
                assert_eq!(partition["healthy"], true, "{partition}");
            }
            self.finish().await;
            broker.stop();
        } else {
            self.finish().await;
        }
    }

    /// Stops the gateway while clients are there, and then the broker.
    pub async fn stop_under_clients(mut self) {
        self.finish().await;
        if let Some(broker) = self.broker.take() {
            broker.stop();
        }
    }

    async fn finish(&mut self) {
        self.stop.cancel();
        self.web.stop(false).await;
        let shutdown = self.shutdown.take().expect("stopped once");
        // What clients gave up is cleared out once a second; the last of it may still be there.
        let left = shutdown.stop(Duration::from_secs(5)).await;
        assert_eq!(left, 0, "permits are still taken");
        let thread = self.web_thread.take().expect("stopped once");
        thread.join().expect("REST did not panic");
    }
}

/// A service task of this type in a process of this id.
pub fn task_process(id: &str, job_type: &str) -> String {
    process(
        id,
        &format!(
            r#"<startEvent id="start"/><sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
            <serviceTask id="task"><extensionElements><zeebe:taskDefinition type="{job_type}"/>
            </extensionElements></serviceTask>
            <sequenceFlow id="f2" sourceRef="task" targetRef="end"/><endEvent id="end"/>"#
        ),
    )
}

/// A process around these elements.
pub fn process(id: &str, inner: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="t">
  <process id="{id}" isExecutable="true">{inner}</process>
</definitions>"#
    )
}

/// The start of an instance with these variables.
pub fn creation(id: &str, variables: &str) -> pb::CreateProcessInstanceRequest {
    pb::CreateProcessInstanceRequest {
        bpmn_process_id: id.into(),
        version: -1,
        variables: variables.into(),
        ..Default::default()
    }
}

/// A poll for jobs of a type.
pub fn poll(job_type: &str, max: i32, request_timeout: i64) -> pb::ActivateJobsRequest {
    pb::ActivateJobsRequest {
        r#type: job_type.into(),
        worker: "w".into(),
        timeout: 60_000,
        max_jobs_to_activate: max,
        request_timeout,
        ..Default::default()
    }
}

/// Jobs that are there now.
pub async fn take(
    client: &mut GatewayClient<Channel>,
    job_type: &str,
    max: i32,
) -> Vec<pb::ActivatedJob> {
    let answer = client.activate_jobs(poll(job_type, max, -1)).await.expect("polls");
    let mut stream = answer.into_inner();
    let mut jobs = Vec::new();
    while let Some(message) = stream.message().await.expect("jobs") {
        jobs.extend(message.jobs);
    }
    jobs
}

/// Completes a job.
pub async fn complete(client: &mut GatewayClient<Channel>, key: i64) -> Result<(), Status> {
    let request = pb::CompleteJobRequest { job_key: key, ..Default::default() };
    client.complete_job(request).await.map(drop)
}

/// Code and text of what must be a failure.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("must be refused");
    (status.code(), status.message().to_owned())
}
