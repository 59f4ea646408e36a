//! The admin and monitoring ports.

use std::net::SocketAddr;

use beegate::actors::Gateway;
use beegate::actors::session::SessionInfo;
use beegate::api::admin::{Lifecycle, serve_admin, serve_monitoring};
use beegate::model::Frontend;
use serde_json::Value;

use crate::http::{Request, Response};
use crate::rest::{config, without_brokers};
use crate::vectors::{request, steps};

/// Runs `test` with the addresses of monitoring and admin.
fn served<F: Future<Output = ()>>(
    lifecycle: Lifecycle,
    test: impl FnOnce(SocketAddr, SocketAddr, Gateway) -> F,
) {
    without_brokers(config(), |_, gateway| async move {
        let config = config();
        let monitoring =
            serve_monitoring(&config, gateway.clone(), lifecycle).expect("monitoring listens");
        let admin = serve_admin(&config, gateway.clone(), Vec::new()).expect("admin listens");
        let (to_monitoring, to_admin) = (monitoring.addresses[0], admin.addresses[0]);
        let handles = [monitoring.server.handle(), admin.server.handle()];
        actix_rt::spawn(monitoring.server);
        actix_rt::spawn(admin.server);
        test(to_monitoring, to_admin, gateway).await;
        for handle in handles {
            handle.stop(false).await;
        }
    });
}

async fn get(to: SocketAddr, path: &str) -> Response {
    Request::new("GET", path).send(to).await
}

#[test]
fn without_brokers_the_gateway_is_started_but_neither_alive_nor_able_to_work() {
    let lifecycle = Lifecycle::default();
    served(lifecycle.clone(), |to, _, _| async move {
        assert_eq!(get(to, "/actuator/health/readiness").await.status, 503);
        lifecycle.started();
        let startup = get(to, "/actuator/health/startup").await;
        assert_eq!((startup.status, startup.body.as_str()), (200, r#"{"status":"UP"}"#));
        let actuator = "application/vnd.spring-boot.actuator.v3+json";
        assert_eq!(startup.header("content-type"), Some(actuator));
        let readiness = get(to, "/actuator/health/readiness").await;
        let expected = r#"{"status":"UP","components":{"gatewayStarted":{"status":"UP"}}}"#;
        assert_eq!((readiness.status, readiness.body.as_str()), (200, expected));
        for path in ["/actuator/health", "/actuator/health/liveness", "/ready", "/live", "/health"]
        {
            let response = get(to, path).await;
            assert_eq!(response.status, 503, "{path}: {response:?}");
            assert_eq!(response.json()["status"], "DOWN", "{path}");
        }
        lifecycle.stopping();
        let stopping = get(to, "/startup").await;
        assert_eq!(
            (stopping.status, &stopping.json()["status"]),
            (503, &Value::from("OUT_OF_SERVICE"))
        );
    });
}

#[test]
fn errors_of_the_monitoring_port_are_as_recorded() {
    /// Paths that a JVM gateway lacks and this one has.
    const OURS: [&str; 5] = ["/health", "/ready", "/startup", "/live", "/metrics"];
    served(Lifecycle::default(), |to, _, _| async move {
        let mut checked = 0;
        for step in steps("monitoring", "01-health.json") {
            let expected = &step["expect"];
            let path = step["path"].as_str().expect("a path");
            if expected["status"].as_u64() < Some(400) || OURS.contains(&path) {
                continue;
            }
            let response = request(&step).send(to).await;
            assert_eq!(expected["status"], response.status, "{path}");
            if let Some(error) = expected["body_json"]["error"].as_str() {
                assert_eq!(response.json()["error"], error);
                assert_eq!(response.header("allow"), expected["headers"]["allow"].as_str());
            } else {
                assert_eq!(response.body, "", "{path}");
            }
            checked += 1;
        }
        assert!(checked >= 3, "only {checked} steps");
    });
}

#[test]
fn metrics_are_well_formed_and_count_requests() {
    without_brokers(config(), |rest, gateway| async move {
        let config = config();
        let monitoring =
            serve_monitoring(&config, gateway, Lifecycle::default()).expect("monitoring listens");
        let (to, handle) = (monitoring.addresses[0], monitoring.server.handle());
        actix_rt::spawn(monitoring.server);
        assert_eq!(get(rest, "/v2/topology").await.status, 200);
        assert_eq!(get(rest, "/v2/nope").await.status, 404);
        let scrape = get(to, "/actuator/prometheus").await;
        let media_type = "text/plain;version=0.0.4;charset=utf-8";
        assert_eq!(scrape.header("content-type"), Some(media_type));
        let has = |line: &str| scrape.body.lines().any(|l| l == line);
        let labels = r#"{method="GET",outcome="SUCCESS",status="200",uri="/v2/topology"}"#;
        assert!(has(&format!("http_server_requests_seconds_count{labels} 1")), "{}", scrape.body);
        assert!(has(r#"beegate_rest_unrouted_requests_total{status="404"} 1"#));
        assert!(has("# TYPE http_server_requests_seconds histogram"));
        assert!(has("beegate_cluster_size -1"));
        for line in scrape.body.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').expect("a sample");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
        handle.stop(false).await;
    });
}

#[test]
fn actors_are_listed_and_found_by_name() {
    served(Lifecycle::default(), |_, to, gateway| async move {
        let info = SessionInfo { frontend: Frontend::Rest, peer: None };
        let _session = gateway.open_session(info).expect("a session");
        let all = get(to, "/actors").await.json();
        let all = all.as_array().expect("an array");
        let kinds: Vec<&str> = all.iter().filter_map(|actor| actor["kind"].as_str()).collect();
        assert!(kinds.contains(&"session") && kinds.contains(&"dispatcher"), "{kinds:?}");
        for actor in all {
            let name = actor["name"].as_str().expect("a name");
            let encoded = name.replace('[', "%5B").replace(']', "%5D");
            let one = get(to, &format!("/actors/{encoded}")).await;
            assert_eq!((one.status, &one.json()["name"]), (200, &actor["name"]));
        }
        for path in ["/actors/nobody", "/actors/%zz", "/nope"] {
            let missing = get(to, path).await;
            assert_eq!(missing.status, 404, "{path}");
            assert_eq!(missing.header("content-type"), Some("application/problem+json"));
        }
        assert_eq!(Request::new("POST", "/actors").json("{}").send(to).await.status, 405);
        let cluster = get(to, "/cluster").await.json();
        assert_eq!(
            (&cluster["cluster_size"], &cluster["members"]),
            (&(-1).into(), &Value::Array(vec![]))
        );
        assert_eq!(get(to, "/").await.json().as_array().map(Vec::len), Some(4));
    });
}
