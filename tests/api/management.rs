//! The management operations: what a JVM gateway was recorded to answer, against the gateway and
//! the embedded broker. Where the embedded broker cannot do what a JVM broker did, it refuses.

use std::net::SocketAddr;
use std::time::Duration;

use beegate::actors::Gateway;
use beegate::api::admin::{Lifecycle, serve_admin, serve_monitoring};
use beegate::broker;
use beegate::model::{ClusterView, MemberId};
use serde_json::Value;

use crate::http::{Request, Response};
use crate::rest::{config, gateway, without_brokers};
use crate::rest_broker::view;
use crate::vectors::{request, steps};

/// Runs `test` with the admin port of a gateway that knows this cluster.
fn served<F: Future<Output = ()>>(view: ClusterView, test: impl FnOnce(SocketAddr, Gateway) -> F) {
    actix_rt::System::new().block_on(async {
        let config = config();
        let (gateway, shutdown) = gateway(&config, view);
        let admin = serve_admin(&config, gateway.clone(), Vec::new()).expect("admin listens");
        let (to, handle) = (admin.addresses[0], admin.server.handle());
        actix_rt::spawn(admin.server);
        test(to, gateway).await;
        handle.stop(false).await;
        shutdown.stop(Duration::ZERO).await;
    });
}

/// The same, in front of an embedded broker.
fn with_broker<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr) -> F) {
    let mut config = config();
    config.broker.command_port = 0;
    config.broker.internal_port = 0;
    let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
    let mut view = view(config.broker.partitions, &broker.command_address().to_string());
    view.brokers[0].internal_address = broker.internal_address().to_string();
    view.configured_members = vec![MemberId::new("0")];
    served(view, |to, _| test(to));
    broker.stop();
}

/// Whether `found` is as expected, where `{{any…}}` stands for anything.
fn fits(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), _) if any.starts_with("{{any") => true,
        (Value::Object(expected), Value::Object(found)) => {
            // What is wrong with a request is told in a member more.
            let same = found.keys().all(|name| name == "message" || expected.contains_key(name));
            same && expected
                .iter()
                .all(|(name, value)| found.get(name).is_some_and(|found| fits(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            let mut pairs = expected.iter().zip(found);
            expected.len() == found.len() && pairs.all(|(expected, found)| fits(expected, found))
        }
        _ => expected == found,
    }
}

fn as_recorded(step: &Value, response: &Response) -> bool {
    let expected = &step["expect"];
    let header = |name: &str| expected["headers"][name].as_str();
    let body = match (expected.get("body_json"), expected["body_text"].as_str()) {
        (Some(json), _) => {
            serde_json::from_str(&response.body).is_ok_and(|found| fits(json, &found))
        }
        (None, Some(text)) => response.body == text,
        (None, None) => true,
    };
    body && expected["status"] == response.status
        && ["content-type", "allow"]
            .iter()
            .all(|name| header(name).is_none() || header(name) == response.header(name))
}

const FIXED: &str = "the embedded broker's cluster has a fixed configuration";
const LIMITS: &str = "The embedded broker's flow control is fixed and cannot be configured";

/// Steps that end otherwise, with status and what the answer says.
const OTHERWISE: &[(&str, &str, u16, &str)] = &[
    ("03-cluster", "dry-run add broker", 400, FIXED),
    ("03-cluster", "remove unknown broker dry run", 400, FIXED),
    ("03-cluster", "cancel change unknown", 400, FIXED),
    ("03-cluster", "scale dry run", 400, FIXED),
    ("03-cluster", "scale empty", 400, FIXED),
    ("03-cluster", "scale replication factor dry run", 400, FIXED),
    ("03-cluster", "patch count dry run", 400, FIXED),
    ("03-cluster", "patch add dry run", 400, FIXED),
    ("03-cluster", "patch partitions count", 400, FIXED),
    ("03-cluster", "patch empty", 400, FIXED),
    ("03-cluster", "join partition dry run", 400, FIXED),
    ("03-cluster", "join partition via partitions", 400, FIXED),
    ("03-cluster", "leave partition dry run", 400, FIXED),
    ("03-cluster", "disable unknown exporter", 400, FIXED),
    ("03-cluster", "enable unknown exporter", 400, FIXED),
    ("03-cluster", "enable without body", 400, FIXED),
    // The JVM gateway answers 200 with a serialised exception that says 500.
    ("05-exporting-rebalance-banning", "unknown", 400, "none of pause, resume"),
    // The JVM gateway answers 204 whatever becomes of it.
    ("05-exporting-rebalance-banning", "ban unknown key", 400, "cannot ban instances"),
    ("05-exporting-rebalance-banning", "ban 0", 404, "belongs to none"),
    // The embedded broker's limits are fixed, and others than a JVM broker's.
    ("06-flow-control", "get", 200, "requestLimiter"),
    ("06-flow-control", "set", 400, LIMITS),
    ("06-flow-control", "set off", 400, LIMITS),
    ("06-flow-control", "set unknown field", 400, LIMITS),
    ("06-flow-control", "set empty", 400, LIMITS),
    ("06-flow-control", "get after", 200, "requestLimiter"),
];

#[test]
fn operations_end_as_recorded_or_are_refused_with_a_reason() {
    with_broker(|to| async move {
        let mut otherwise = 0;
        for file in
            ["03-cluster", "04-backups", "05-exporting-rebalance-banning", "06-flow-control"]
        {
            for step in steps("monitoring", &format!("{file}.json")) {
                let name = step["name"].as_str().expect("a name");
                let response = request(&step).send(to).await;
                let exception = OTHERWISE.iter().find(|(f, n, ..)| (*f, *n) == (file, name));
                match exception {
                    Some((_, _, status, says)) => {
                        assert_eq!(response.status, *status, "{file} {name}: {response:?}");
                        assert!(response.body.contains(says), "{file} {name}: {response:?}");
                        otherwise += 1;
                    }
                    None => {
                        assert!(as_recorded(&step, &response), "{file} {name}: {response:?}")
                    }
                }
            }
        }
        assert_eq!(otherwise, OTHERWISE.len());

        let actors = Request::new("GET", "/actors/management").send(to).await.json();
        assert_eq!(actors["observed"]["running"], 0, "{actors}");
        assert!(actors["observed"]["succeeded"].as_u64() >= Some(5), "{actors}");
        assert_eq!(actors["observed"]["last"]["operation"], "flow_control", "{actors}");
    });
}

#[test]
fn pausing_reaches_every_partition_of_the_broker() {
    with_broker(|to| async move {
        for path in ["/actuator/exporting/pause?soft=true", "/actuator/exporting/resume"] {
            let done = Request::new("POST", path).send(to).await;
            assert_eq!((done.status, &done.json()["status"]), (200, &204.into()), "{done:?}");
        }
    });
}

#[test]
fn what_cannot_be_reached_is_a_bad_gateway() {
    // Nobody listens on port 1.
    served(view(2, "127.0.0.1:1"), |to, _| async move {
        for (method, path) in [
            ("GET", "/actuator/cluster"),
            ("GET", "/actuator/flowControl"),
            ("POST", "/actuator/exporting/pause"),
            ("POST", "/actuator/rebalance"),
        ] {
            let response = Request::new(method, path).send(to).await;
            assert_eq!(response.status, 502, "{path}: {response:?}");
            let message = response.json()["message"].as_str().expect("a message").to_owned();
            assert!(message.contains("127.0.0.1:1"), "{message}");
        }
    });
}

#[test]
fn without_brokers_there_is_an_answer_at_once() {
    served(ClusterView::default(), |to, _| async move {
        let backups = Request::new("GET", "/actuator/backups").send(to).await;
        assert_eq!((backups.status, backups.body.as_str()), (200, "[]"));
        let limits = Request::new("GET", "/actuator/flowControl").send(to).await;
        assert_eq!((limits.status, limits.body.as_str()), (200, "{}"));
        for path in ["/actuator/exporting/pause", "/actuator/cluster/brokers/1"] {
            let response = Request::new("POST", path).send(to).await;
            assert_eq!(response.status, 502, "{path}: {response:?}");
        }
    });
}

#[test]
fn nonsense_is_refused_with_what_is_wrong() {
    served(ClusterView::default(), |to, _| async move {
        let long = format!("[{}1]", "1,".repeat(40_000));
        let cases = [
            (Request::new("PATCH", "/actuator/cluster").json("{"), 400, "EOF"),
            (Request::new("POST", "/actuator/cluster/brokers").json(r#"["x"]"#), 400, "i32"),
            (Request::new("POST", "/actuator/cluster/brokers").json(&long), 413, "larger"),
            (Request::new("POST", "/actuator/cluster/brokers/1?dryRun=maybe"), 400, "maybe"),
            (
                Request::new("POST", "/actuator/cluster/brokers?replicationFactor=-1").json("[1]"),
                400,
                "replicationFactor",
            ),
            (
                Request::new("POST", "/actuator/cluster/brokers/1/partitions/2").json("{}"),
                400,
                "priority",
            ),
            (Request::new("POST", "/actuator/backups"), 415, "Unsupported"),
            (Request::new("PUT", "/actuator/cluster"), 405, "Not Allowed"),
            (Request::new("POST", "/actuator/exporters/a/restart"), 404, "Not Found"),
        ];
        for (request, status, says) in cases {
            let response = request.send(to).await;
            assert_eq!(response.status, status, "{request:?}: {response:?}");
            assert!(response.body.contains(says), "{request:?}: {response:?}");
        }
    });
}

#[test]
fn pages_of_other_origins_change_nothing() {
    served(ClusterView::default(), |to, _| async move {
        let pause = Request::new("POST", "/actuator/exporting/pause");
        let from = |origin: &str| pause.clone().header("Origin", origin);
        for origin in ["https://elsewhere.example", "null"] {
            assert_eq!(from(origin).send(to).await.status, 403, "{origin}");
        }
        assert_eq!(from("http://beegate").send(to).await.status, 502);
    });
}

#[test]
fn the_monitoring_port_has_them_only_where_it_may() {
    for allowed in [false, true] {
        without_brokers(config(), |_, gateway| async move {
            let mut config = config();
            config.monitoring.management = allowed;
            let monitoring = serve_monitoring(&config, gateway, Lifecycle::default());
            let monitoring = monitoring.expect("monitoring listens");
            let (to, handle) = (monitoring.addresses[0], monitoring.server.handle());
            actix_rt::spawn(monitoring.server);
            let expected = if allowed { 200 } else { 404 };
            let backups = Request::new("GET", "/actuator/backups").send(to).await;
            assert_eq!(backups.status, expected, "{backups:?}");
            let links = Request::new("GET", "/actuator").send(to).await.json();
            assert_eq!(links["_links"]["cluster"].is_object(), allowed, "{links}");
            assert!(links["_links"]["health"].is_object());
            handle.stop(false).await;
        });
    }
}
