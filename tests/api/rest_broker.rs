//! The REST frontend in front of the embedded broker, over its real protocol.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use beegate::api::http;
use beegate::broker;
use beegate::config::Config;
use beegate::model::{
    BrokerId, BrokerView, ClusterView, Millis, PartitionHealth, PartitionId, PartitionRole,
    PartitionView, ReplicaView,
};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::http::{PATIENCE, Request, Response};
use crate::rest::{config, gateway};

/// A cluster of one broker that leads all partitions.
pub fn view(partitions: u16, command_address: &str) -> ClusterView {
    let ids = (1..=partitions).map(PartitionId);
    let replica = |partition| ReplicaView {
        partition,
        role: PartitionRole::Leader,
        health: PartitionHealth::Healthy,
    };
    let partition = |id| PartitionView {
        id,
        leader: Some(BrokerId(0)),
        term: 1,
        followers: Vec::new(),
        inactive: Vec::new(),
        leader_source: "test",
        leader_seen: Millis(1),
    };
    ClusterView {
        version: 1,
        cluster_size: 1,
        partitions_count: i32::from(partitions),
        replication_factor: 1,
        partitions: ids.clone().map(partition).collect(),
        brokers: vec![BrokerView {
            id: BrokerId(0),
            command_address: command_address.to_owned(),
            internal_address: "127.0.0.1:1".to_owned(),
            version: "8.6.0".to_owned(),
            replicas: ids.map(replica).collect(),
        }],
        ..ClusterView::default()
    }
}

fn serve<F: Future<Output = ()>>(
    config: &Config,
    view: ClusterView,
    test: impl FnOnce(SocketAddr, beegate::actors::Gateway) -> F,
) {
    actix_rt::System::new().block_on(async {
        let (gateway, shutdown) = gateway(config, view);
        let listening = http::serve(config, gateway.clone()).expect("listens");
        let (address, handle) = (listening.addresses[0], listening.server.handle());
        actix_rt::spawn(listening.server);
        test(address, gateway.clone()).await;
        handle.stop(false).await;
        shutdown.stop(Duration::ZERO).await;
    });
}

async fn post(to: SocketAddr, path: &str, body: &str) -> Response {
    Request::new("POST", path).json(body).send(to).await
}

const PROCESS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="quick" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="f" sourceRef="start" targetRef="end"/>
    <endEvent id="end"/>
  </process>
  <process id="waits" isExecutable="true">
    <startEvent id="start2"/>
    <sequenceFlow id="f1" sourceRef="start2" targetRef="task"/>
    <serviceTask id="task"><extensionElements>
      <zeebe:taskDefinition type="work"/></extensionElements></serviceTask>
    <sequenceFlow id="f2" sourceRef="task" targetRef="end2"/>
    <endEvent id="end2"/>
  </process>
</definitions>"#;

async fn deploy(to: SocketAddr) -> Response {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"resources\"; filename=\"p.bpmn\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{PROCESS}\r\n--b--\r\n"
    );
    let mut request = Request::new("POST", "/v2/deployments")
        .header("Content-Type", "multipart/form-data; boundary=b");
    request.body = Some(body.into_bytes());
    request.send(to).await
}

#[test]
fn instances_are_created_awaited_changed_and_cancelled() {
    let mut config = config();
    config.broker.command_port = 0;
    config.broker.internal_port = 0;
    let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
    let view = view(config.broker.partitions, &broker.command_address().to_string());
    serve(&config, view, |to, _| async move {
        let deployed = deploy(to).await;
        assert_eq!(deployed.status, 200, "{deployed:?}");
        let deployments = deployed.json()["deployments"].clone();
        assert_eq!(deployments[0]["processDefinition"]["processDefinitionId"], "quick");
        assert_eq!(deployments[1]["processDefinition"]["resourceName"], "p.bpmn");

        // Deployments reach the other partitions after the answer.
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..3 {
            let body = r#"{"processDefinitionId":"quick","awaitCompletion":true,
                "variables":{"a":[1,2.5,null,"ü😀"],"b":{"c":true}},"fetchVariables":["a"]}"#;
            let created = loop {
                let created = post(to, "/v2/process-instances", body).await;
                if created.status == 200 || Instant::now() > deadline {
                    break created;
                }
            };
            assert_eq!(created.status, 200, "{created:?}");
            let expected = serde_json::json!({ "a": [1, 2.5, null, "ü😀"] });
            assert_eq!(created.json()["variables"], expected);
        }

        let created = post(to, "/v2/process-instances", r#"{"processDefinitionId":"waits"}"#).await;
        let created = created.json();
        assert_eq!(created["variables"], serde_json::json!({}));
        let key = created["processInstanceKey"].as_i64().expect("a key");
        let mut strings = Request::new("POST", "/v2/process-instances");
        strings.body = Some(br#"{"processDefinitionId":"waits"}"#.to_vec());
        let vendor = "application/vnd.camunda.api.keys.string+json";
        let created = strings.header("Content-Type", vendor).send(to).await;
        assert_eq!(created.header("content-type"), Some(vendor), "{created:?}");
        let text = created.json()["processInstanceKey"].as_str().map(str::to_owned);
        assert!(text.is_some_and(|text| text.parse::<i64>().is_ok()), "{created:?}");
        let mut set = Request::new("PUT", &format!("/v2/element-instances/{key}/variables"))
            .json(r#"{"variables":{"x":1}}"#);
        assert_eq!(set.send(to).await.status, 204);
        set.path = "/v2/element-instances/2251799814685247/variables".to_owned();
        assert_eq!(set.send(to).await.json()["title"], "NOT_FOUND");
        let cancel = format!("/v2/process-instances/{key}/cancellation");
        assert_eq!(Request::new("POST", &cancel).send(to).await.status, 204);
        let again = Request::new("POST", &cancel).send(to).await;
        assert_eq!(again.status, 404, "{again:?}");
        let detail = format!(
            "Command 'CANCEL' rejected with code 'NOT_FOUND': Expected to cancel a process \
             instance with key '{key}', but no such process was found"
        );
        assert_eq!(again.json()["detail"], detail.as_str());
    });
    broker.stop();
}

#[test]
fn messages_are_published_once_and_correlated() {
    let mut config = config();
    config.broker.command_port = 0;
    config.broker.internal_port = 0;
    let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
    let view = view(config.broker.partitions, &broker.command_address().to_string());
    serve(&config, view, |to, _| async move {
        let body = r#"{"name":"m","correlationKey":"k","messageId":"1","timeToLive":60000}"#;
        let first = post(to, "/v2/messages/publication", body).await;
        assert_eq!(first.status, 200, "{first:?}");
        assert!(first.json()["messageKey"].as_i64() > Some(1 << 51));
        assert_eq!(first.json()["tenantId"], "<default>");
        let second = post(to, "/v2/messages/publication", body).await;
        assert_eq!((second.status, &second.json()["title"]), (409, &"ALREADY_EXISTS".into()));
    });
    broker.stop();
}

/// Where the JVM gateway sets the clock of one partition and leaves the others behind.
#[test]
fn clocks_are_set_on_every_partition() {
    for exact in [false, true] {
        let mut config = config();
        config.compatibility.exact = exact;
        config.broker.command_port = 0;
        config.broker.internal_port = 0;
        let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
        let view = view(config.broker.partitions, &broker.command_address().to_string());
        serve(&config, view, |to, gateway| async move {
            let pin = Request::new("PUT", "/v2/clock").json(r#"{"timestamp":5000000000000}"#);
            assert_eq!(pin.send(to).await.status, 204);
            assert_eq!(Request::new("POST", "/v2/clock/reset").send(to).await.status, 204);
            let mut out = beegate::metrics::Exposition::default();
            gateway.metrics().expose(&mut out);
            let text = out.finish();
            let asked = (1..=3).filter(|partition| {
                let label = format!("partition=\"{partition}\"");
                text.lines().any(|line| {
                    line.starts_with("zeebe_gateway_total_requests_total{") && line.contains(&label)
                })
            });
            // Two commands in turn meet two partitions.
            assert_eq!(asked.count(), if exact { 2 } else { 3 }, "{text}");
        });
        broker.stop();
    }
}

/// A client that closes its connection gives its request up: nothing waits for the timeout.
#[test]
fn a_client_that_goes_away_is_noticed() {
    let config = config();
    actix_rt::System::new().block_on(async {
        // A broker that accepts connections and never says anything.
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let view = view(1, &silent.local_addr().expect("an address").to_string());
        let (gateway, shutdown) = gateway(&config, view);
        let listening = http::serve(&config, gateway.clone()).expect("listens");
        let (to, handle) = (listening.addresses[0], listening.server.handle());
        actix_rt::spawn(listening.server);
        let active = |wanted: i64| {
            let gateway = gateway.clone();
            async move {
                let path = r#"{method="POST",uri="/v2/process-instances"}"#;
                let line = format!("http_server_requests_active{path} {wanted}");
                let deadline = Instant::now() + Duration::from_secs(5);
                loop {
                    let mut out = beegate::metrics::Exposition::default();
                    gateway.metrics().expose(&mut out);
                    if out.finish().lines().any(|l| l == line) {
                        return true;
                    }
                    if Instant::now() > deadline {
                        return false;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        };
        let mut client = TcpStream::connect(to).await.expect("connects");
        let request =
            Request::new("POST", "/v2/process-instances").json(r#"{"processDefinitionId":"a"}"#);
        client.write_all(&request.bytes()).await.expect("writes");
        assert!(active(1).await, "the request did not arrive");
        drop(client);
        assert!(active(0).await, "the request still waits for a client that is gone");
        handle.stop(false).await;
        shutdown.stop(Duration::ZERO).await;
    });
}
