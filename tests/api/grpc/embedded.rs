//! The whole of it: client, gRPC, actors, gossip, transport, embedded broker.

use beegate::actors::gateway::MemberOptions;
use beegate::broker::{self, BrokerHandle};
use beegate::metrics;
use beegate::model::PartitionId;

use super::*;

const PROCESS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="waits" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
    <serviceTask id="task"><extensionElements>
      <zeebe:taskDefinition type="t"/></extensionElements></serviceTask>
    <sequenceFlow id="f2" sourceRef="task" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>"#;

struct Whole {
    client: GatewayClient<Channel>,
    gateway: Gateway,
    stop: CancellationToken,
    shutdown: Option<Shutdown>,
    _broker: BrokerHandle,
}

async fn whole() -> Whole {
    let mut config = Config::defaults();
    (config.broker.command_port, config.broker.internal_port) = (0, 0);
    (config.grpc.host, config.grpc.port) = ("127.0.0.1".to_owned(), 0);
    config.threads.grpc = 1;
    // No probe helps a poll that misses its notification within the test's patience.
    config.long_polling.probe_timeout = Duration::from_secs(600);
    let broker = broker::start(&config.broker, &config.cluster).unwrap();
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    let member = MemberOptions::beside(broker.internal_address());
    let started = Gateway::start(config.clone(), member, metrics::Registry::default(), fatal).await;
    let (gateway, shutdown) = started.unwrap();
    eventually("leaders", || {
        let view = gateway.view();
        (1..=3).all(|partition| view.has_leader(PartitionId(partition)))
    })
    .await;
    let stop = CancellationToken::new();
    let (to_serve, until) = (gateway.clone(), stop.clone());
    let serving = tokio::task::spawn_blocking(move || serve(&config, to_serve, until));
    let address = format!("http://{}", serving.await.unwrap().unwrap().address());
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = GatewayClient::new(channel);
    let resource = pb::Resource { name: "p.bpmn".into(), content: PROCESS.into() };
    let deploy = pb::DeployResourceRequest { resources: vec![resource], tenant_id: String::new() };
    client.deploy_resource(deploy).await.unwrap();
    Whole { client, gateway, stop, shutdown: Some(shutdown), _broker: broker }
}

impl Whole {
    /// Starts an instance; deployments reach the other partitions a moment later.
    async fn create(&mut self) -> i64 {
        let begin = Instant::now();
        loop {
            let request = pb::CreateProcessInstanceRequest {
                bpmn_process_id: "waits".into(),
                version: -1,
                variables: r#"{"a":1}"#.into(),
                ..Default::default()
            };
            match self.client.create_process_instance(request).await {
                Ok(created) => return created.into_inner().process_instance_key,
                Err(status) if status.code() == Code::NotFound => {
                    assert!(begin.elapsed() < PATIENCE, "{status}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(status) => panic!("{status}"),
            }
        }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_wakes_a_poll_and_a_stream_gets_pushed_jobs() {
    let mut whole = whole().await;
    let mut poller = whole.client.clone();
    let poll = tokio::spawn(async move {
        let mut stream = poller.activate_jobs(activation(60_000)).await?.into_inner();
        stream.message().await
    });
    // Three partitions were asked in vain before the poll waits.
    eventually("the poll waits", || {
        let actors = whole.gateway.actors();
        let jobs = actors.iter().find(|actor| actor.kind == "job-activation").unwrap();
        jobs.observed["questions"] == 3 && jobs.observed["questions_under_way"] == 0
    })
    .await;
    let instance = whole.create().await;
    let polled = tokio::time::timeout(PATIENCE, poll).await.expect("woken").unwrap().unwrap();
    let job = polled.unwrap().jobs.remove(0);
    assert_eq!((job.process_instance_key, job.variables.as_str()), (instance, r#"{"a":1}"#));
    let complete = pb::CompleteJobRequest { job_key: job.key, ..Default::default() };
    whole.client.complete_job(complete).await.unwrap();

    let open = pb::StreamActivatedJobsRequest {
        r#type: "t".into(),
        worker: "w".into(),
        timeout: 60_000,
        ..Default::default()
    };
    let mut stream = whole.client.stream_activated_jobs(open).await.unwrap().into_inner();
    eventually("the broker knows the stream", || {
        let actors = whole.gateway.actors();
        let streams = actors.iter().find(|actor| actor.kind == "job-streams").unwrap();
        streams.observed["shown"][0]["brokers"] == 1
    })
    .await;
    let instance = whole.create().await;
    let pushed = tokio::time::timeout(PATIENCE, stream.message()).await.expect("pushed");
    let job = pushed.unwrap().unwrap();
    assert_eq!((job.process_instance_key, job.worker.as_str()), (instance, "w"));
    let complete = pb::CompleteJobRequest { job_key: job.key, ..Default::default() };
    whole.client.complete_job(complete).await.unwrap();

    // Stopping ends the stream cleanly.
    let shutdown = whole.shutdown.take().unwrap();
    let left = tokio::time::timeout(PATIENCE, shutdown.stop(Duration::from_secs(5))).await;
    assert_eq!(left.expect("stops in time"), 0);
    assert!(stream.message().await.unwrap().is_none());
}
