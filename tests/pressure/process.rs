//! A gateway process, the broker it talks to, and what the system says of its memory.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use beegate::broker::{self, BrokerHandle};
use beegate::config::Config;
use tonic::Status;
use tonic::transport::Channel;

/// Longer than anything takes that is expected to happen, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Mebibytes.
pub const MIB: usize = 1 << 20;

pub struct Process {
    child: Child,
    broker: Option<BrokerHandle>,
    pub grpc: String,
    pub rest: String,
    monitoring: String,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Process {
    /// Starts broker and gateway, and waits until the gateway knows all leaders.
    pub async fn start(settings: &[&str]) -> Self {
        let mut config = Config::defaults();
        (config.broker.command_port, config.broker.internal_port) = (0, 0);
        let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
        let (grpc, rest, monitoring) = (free_port(), free_port(), free_port());
        let contact = format!("cluster.initial_contact_points={}", broker.internal_address());
        let own = [
            "broker.enabled=false".to_owned(),
            contact,
            "cluster.host=127.0.0.1".to_owned(),
            "cluster.port=0".to_owned(),
            "grpc.host=127.0.0.1".to_owned(),
            format!("grpc.port={grpc}"),
            "rest.host=127.0.0.1".to_owned(),
            format!("rest.port={rest}"),
            "monitoring.host=127.0.0.1".to_owned(),
            format!("monitoring.port={monitoring}"),
            "admin.port=0".to_owned(),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_beegate"));
        for setting in own.iter().map(String::as_str).chain(settings.iter().copied()) {
            command.args(["--set", setting]);
        }
        let log = std::env::var_os("BEEGATE_PRESSURE_LOG").is_some();
        command.stderr(if log { Stdio::inherit() } else { Stdio::null() });
        let child = command.spawn().expect("starts");
        let grpc = format!("http://127.0.0.1:{grpc}");
        let rest = format!("http://127.0.0.1:{rest}");
        let monitoring = format!("http://127.0.0.1:{monitoring}/metrics");
        let process = Self { child, broker: Some(broker), grpc, rest, monitoring };
        let begin = Instant::now();
        while !process.is_ready().await {
            assert!(begin.elapsed() < PATIENCE, "the gateway does not get ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        process
    }

    async fn is_ready(&self) -> bool {
        let endpoint = Channel::from_shared(self.grpc.clone()).expect("an address");
        let Ok(channel) = endpoint.connect().await else { return false };
        let asked = GatewayClient::new(channel).topology(pb::TopologyRequest {}).await;
        let leaders = asked.map_or(0, |answer| {
            let brokers = answer.into_inner().brokers;
            let roles = brokers.iter().flat_map(|broker| &broker.partitions);
            roles.filter(|partition| partition.role == 0).count()
        });
        leaders == 3
    }

    /// A connection of its own.
    pub async fn client(&self) -> GatewayClient<Channel> {
        let endpoint = Channel::from_shared(self.grpc.clone()).expect("an address");
        GatewayClient::new(endpoint.connect().await.expect("connects"))
            .max_encoding_message_size(usize::MAX)
    }

    /// A number of kibibytes that the system knows of the process, in bytes.
    fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a number");
        let kib: usize = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().expect("a number");
        kib * 1024
    }

    /// A number that the gateway tells of `limits.request_bytes`.
    pub async fn of_request_bytes(&self, name: &str) -> u64 {
        let answer = reqwest::get(&self.monitoring).await.expect("metrics");
        let text = answer.text().await.expect("a text");
        let line = format!("{name}{{limit=\"limits.request_bytes\"}} ");
        let value = text.lines().find_map(|one| one.strip_prefix(&line)).expect("the metric");
        value.parse().expect("a number")
    }

    /// Bytes in memory now.
    pub fn resident(&self) -> usize {
        self.memory("VmRSS")
    }

    /// Most bytes that were ever in memory.
    pub fn peak(&self) -> usize {
        self.memory("VmHWM")
    }

    /// Deploys a process with one service task whose type is its id.
    pub async fn deploy(&self, id: &str) {
        let xml = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="{id}" isExecutable="true"><startEvent id="start"/>
    <sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
    <serviceTask id="task"><extensionElements><zeebe:taskDefinition type="{id}"/>
    </extensionElements></serviceTask>
    <sequenceFlow id="f2" sourceRef="task" targetRef="end"/><endEvent id="end"/></process>
</definitions>"#
        );
        let resource = pb::Resource { name: format!("{id}.bpmn"), content: xml.into() };
        let request =
            pb::DeployResourceRequest { resources: vec![resource], tenant_id: String::new() };
        self.client().await.deploy_resource(request).await.expect("deploys");
        // Every partition knows it when three creations in a row, one each, succeed.
        let mut client = self.client().await;
        let begin = Instant::now();
        let mut known = 0;
        while known < 3 {
            let created = client.create_process_instance(creation(id, String::new())).await;
            known = if created.is_ok() { known + 1 } else { 0 };
            assert!(begin.elapsed() < PATIENCE, "not deployed everywhere");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(broker) = self.broker.take() {
            broker.stop();
        }
    }
}

/// The start of an instance.
pub fn creation(id: &str, variables: String) -> pb::CreateProcessInstanceRequest {
    pb::CreateProcessInstanceRequest {
        bpmn_process_id: id.to_owned(),
        version: -1,
        variables,
        ..Default::default()
    }
}

/// A document of about so many bytes.
pub fn document(bytes: usize) -> String {
    format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes))
}

/// Jobs of a type that are there now, without their variables.
pub async fn take(client: &mut GatewayClient<Channel>, job_type: &str, max: i32) -> Vec<i64> {
    let request = pb::ActivateJobsRequest {
        r#type: job_type.to_owned(),
        worker: "w".to_owned(),
        timeout: 600_000,
        max_jobs_to_activate: max,
        fetch_variable: vec!["none".to_owned()],
        request_timeout: -1,
        ..Default::default()
    };
    let mut stream = client.activate_jobs(request).await.expect("polls").into_inner();
    let mut jobs = Vec::new();
    while let Some(message) = stream.message().await.expect("jobs") {
        jobs.extend(message.jobs.into_iter().map(|job| job.key));
    }
    jobs
}

/// Completes a job.
pub async fn complete(client: &mut GatewayClient<Channel>, job_key: i64) -> Result<(), Status> {
    let request = pb::CompleteJobRequest { job_key, ..Default::default() };
    client.complete_job(request).await.map(drop)
}
